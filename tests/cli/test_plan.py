"""``smplan plan``, ``show`` and ``graph``."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import TOY, Shell


def test_a_plan_is_shown_saved_and_followed_by_what_to_type(smplan: Shell) -> None:
    done = smplan.ok("plan", "toy.yaml")
    assert "+ first  core.value  (create)" in done.out
    assert "2 to create" in done.out
    assert done.err == "\nNext: smplan apply\n"
    saved = smplan.folder / ".smplan" / "plan.json"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in saved.parent.iterdir()] == ["plan.json"]
    assert not (smplan.folder / "state").exists()


def test_a_plan_saved_elsewhere_is_named_in_what_to_type(smplan: Shell) -> None:
    done = smplan.ok("plan", "toy.yaml", "--out", "ci/plan.json")
    assert done.err == "\nNext: smplan apply ci/plan.json\n"
    assert (smplan.folder / "ci" / "plan.json").exists()
    assert not (smplan.folder / ".smplan").exists()


def test_detailed_exitcode_reports_changes(smplan: Shell) -> None:
    assert smplan("plan", "toy.yaml", "--detailed-exitcode").code == 2
    smplan.ok("apply", "--yes")
    done = smplan.ok("plan", "toy.yaml", "--detailed-exitcode")
    assert "No changes" in done.out
    assert done.err == ""


def test_a_plan_as_json_is_the_plan_file(smplan: Shell) -> None:
    done = smplan.ok("plan", "toy.yaml", "--json", "--out", "plan.json")
    assert done.data["format"] == "smplan/plan"
    assert done.out == (smplan.folder / "plan.json").read_text()


def test_destroy_plan_deletes_everything(smplan: Shell) -> None:
    smplan.applied()
    done = smplan.ok("plan", "toy.yaml", "--destroy")
    assert "2 to delete" in done.out


def test_variables_come_from_options_before_files(smplan: Shell) -> None:
    smplan.write("one.yaml", "word: one")
    smplan.write("two.json", '{"word": "two"}')
    files = ["--var-file", "one.yaml", "--var-file", "two.json"]
    assert 'input: "two"' in smplan.ok("plan", "toy.yaml", *files).out
    assert 'input: "a=b"' in smplan.ok("plan", "toy.yaml", *files, "--var", "word=a=b").out


def test_every_blueprint_error_is_reported_with_its_position(smplan: Shell) -> None:
    smplan.write("bad.yaml", TOY.replace("core.value", "core.valu").replace("smplan: 1", "smplan: 7"))
    done = smplan("plan", "bad.yaml")
    assert done.code == 3
    assert done.out == ""
    assert "error: the blueprint has 3 errors" in done.err
    assert "bad.yaml:6:" in done.err
    assert "did you mean `core.value`" in done.err.lower()
    assert not (smplan.folder / ".smplan").exists()


@pytest.mark.parametrize("blueprint", ["nothere.yaml", ".", "bytes.yaml", "empty.yaml", "toy.yaml/x"])
def test_unreadable_blueprint_is_reported_in_one_line(smplan: Shell, blueprint: str) -> None:
    (smplan.folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    smplan.write("empty.yaml", "")
    done = smplan("plan", blueprint)
    assert done.code == 3
    assert blueprint in done.err
    assert done.out == ""


@pytest.mark.parametrize("format", ["text", "markdown", "html", "json"])
def test_a_saved_plan_is_shown_in_each_form_without_its_blueprint(smplan: Shell, format: str) -> None:
    smplan.ok("plan", "toy.yaml")
    (smplan.folder / "toy.yaml").unlink()
    done = smplan.ok("show", "--format", format)
    starts = {"text": "Plan for toy", "markdown": "#", "html": "<!doctype html>", "json": "{"}
    assert done.out.lower().startswith(starts[format].lower())
    assert done.out.endswith("\n")
    assert done.err == ""


def test_a_plan_by_its_name_is_shown(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "other.json")
    assert "2 to create" in smplan.ok("show", "other.json").out


def test_missing_plan_is_reported_with_the_command_to_make_one(smplan: Shell) -> None:
    done = smplan("show")
    assert (done.code, done.err) == (
        1,
        "error: there is no plan in .smplan/plan.json\n  = make one with `smplan plan BLUEPRINT`\n",
    )


def test_a_graph_is_drawn_in_both_languages(smplan: Shell) -> None:
    assert "flowchart" in smplan.ok("graph", "toy.yaml").out
    drawn = smplan.ok("graph", "toy.yaml", "--format", "dot").out
    assert drawn.startswith("digraph")
    assert "first" in drawn


def test_guard_violation_has_exit_code_6(smplan: Shell) -> None:
    guarded = TOY.replace('"${var.word}"}}', '"${var.word}"}, lifecycle: {prevent_destroy: true}}')
    smplan.write("toy.yaml", guarded)
    smplan.applied()
    before = smplan.state
    for command in (("plan", "toy.yaml", "--destroy"), ("destroy", "toy.yaml", "--yes")):
        done = smplan(*command)
        assert done.code == 6
        assert "first" in done.err
    assert smplan.state == before


def test_state_of_another_owner_is_not_changed(smplan: Shell, tmp_path: Path) -> None:
    smplan.applied()
    smplan.write(
        "toy.yaml", TOY.replace("name: toy", "name: other\nstate: {backend: local, path: state/toy.state.json}")
    )
    done = smplan("plan", "toy.yaml")
    assert done.code == 6
    assert "belongs to `toy`" in done.err


def test_the_commit_of_the_blueprint_is_in_the_plan(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "one.json")
    assert json.loads((smplan.folder / "one.json").read_text())["blueprint"]["commit"] == ""
    monkeypatch.setenv("PATH", "/nowhere")
    smplan.ok("plan", "toy.yaml", "--out", "two.json")
    assert json.loads((smplan.folder / "two.json").read_text())["blueprint"]["commit"] == ""


def test_a_refusal_names_the_command_that_permits_it_and_that_command_works(smplan: Shell) -> None:
    guarded = TOY.replace('"${var.word}"}}', '"${var.word}"}, lifecycle: {prevent_destroy: true}}')
    smplan.write("my toy.yaml", guarded)
    smplan.ok("apply", "my toy.yaml", "--yes", "--var", "word=two words")
    arguments = ("my toy.yaml", "--var", "word=two words")
    for command in (("plan", *arguments, "--destroy", "--out", "end.json"), ("destroy", *arguments)):
        done = smplan(*command)
        assert done.code == 6
        found = re.search(r"`(smplan [^`]+)`", done.err)
        assert found
        words = shlex.split(found[1])
        assert words[1:] == [command[0], command[1], *words[3:]]
        assert words[-2:] == ["--unprotect", "first"]
        smplan.ok(*words[1:], *(["--yes"] if command[0] == "destroy" else []))
    assert smplan.state.resources == {}


def test_apply_of_a_blueprint_names_the_plan_that_permits_it(smplan: Shell) -> None:
    smplan.write("toy.yaml", TOY.replace('"${var.word}"}}', '"${var.word}"}, lifecycle: {prevent_destroy: true}}'))
    smplan.applied()
    smplan.write("toy.yaml", "smplan: 1\nname: toy\nresources: {second: {kind: core.value, spec: {input: x}}}\n")
    done = smplan("apply", "toy.yaml", "--yes")
    assert done.code == 6
    assert "`smplan plan toy.yaml --unprotect first`" in done.err
    smplan.ok("plan", "toy.yaml", "--unprotect", "first")
    smplan.ok("apply", "--yes")
    assert set(smplan.state.resources) == {"second"}


def test_an_abandoned_resource_is_forgotten_and_an_unknown_address_refused(smplan: Shell) -> None:
    smplan.applied()
    done = smplan("destroy", "toy.yaml", "--abandon", "secnd", "--yes")
    assert (done.code, "did you mean `second`?" in done.err) == (1, True)
    done = smplan.ok("destroy", "toy.yaml", "--abandon", "second", "--yes")
    assert "Permitted to abandon: second" in done.out
    assert "RISK: left behind: nothing deletes core.value second any more" in done.out
    assert smplan.state.resources == {}
