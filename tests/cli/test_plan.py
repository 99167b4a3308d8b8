"""``smplan plan``, ``show`` and ``graph``."""

from __future__ import annotations

import json
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
