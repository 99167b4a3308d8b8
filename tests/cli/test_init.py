"""``smplan init`` and ``validate``."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from smplan.cli import init
from tests.cli.conftest import TOY, Shell


def test_a_new_blueprint_is_valid(smplan: Shell) -> None:
    done = smplan.ok("init")
    assert done.err == "\nNext: smplan validate blueprint.yaml\n"
    text = (smplan.folder / "blueprint.yaml").read_text()
    assert "yaml-language-server" not in text
    assert "blueprints/" not in text
    assert "smplan plan blueprint.yaml" in text
    assert "is valid" in smplan.ok("validate", "blueprint.yaml").out


def test_a_blueprint_is_never_overwritten(smplan: Shell) -> None:
    done = smplan("init", "toy.yaml")
    assert (done.code, done.err) == (
        1,
        "error: toy.yaml exists already\n  = choose another name: smplan init FILE\n",
    )
    assert (smplan.folder / "toy.yaml").read_text() == TOY


@pytest.mark.parametrize(("name", "why"), [("no/where.yaml", "No such file"), ("toy.yaml/x", "Not a directory")])
def test_unwritable_path_is_reported(smplan: Shell, name: str, why: str) -> None:
    done = smplan("init", name)
    assert done.code == 1
    assert f"error: {name} cannot be written: {why}" in done.err


def test_a_full_disk_leaves_no_half_blueprint(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise full

    fill = init._write
    monkeypatch.setattr(init, "_write", lambda made, file, text: fill(Full(), file, text))
    done = smplan("init", "new.yaml")
    assert done.code == 1
    assert "new.yaml cannot be written: No space left on device" in done.err
    assert not (smplan.folder / "new.yaml").exists()


def test_an_installed_package_brings_its_own_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert init.starter() == Path(__file__).parents[2] / "blueprints" / init.STARTER
    package = tmp_path / "smplan"
    (package / "cli").mkdir(parents=True)
    packaged = package / "_blueprints" / init.STARTER
    packaged.parent.mkdir()
    packaged.write_text("smplan: 1")
    monkeypatch.setattr(init, "__file__", str(package / "cli" / "init.py"))
    assert init.starter() == packaged


def test_validate_summarizes_a_valid_blueprint(smplan: Shell) -> None:
    done = smplan.ok("validate", "toy.yaml")
    assert done.out == "toy.yaml is valid: 2 resources, 0 lookups.\n"
    assert done.err == "\nNext: smplan plan toy.yaml\n"
    done = smplan.ok("validate", "toy.yaml", "--json")
    assert (done.data, done.err) == ({"valid": True, "name": "toy", "resources": 2, "warnings": []}, "")


CIRCLE = """\
smplan: 1
name: toy
resources:
  first: {kind: core.value, spec: {input: "${second.output}"}}
  second: {kind: core.value, spec: {input: "${first.output}"}}
"""


@pytest.mark.parametrize("text", [TOY.replace("core.value", "core.valu"), CIRCLE, "", "a: ["])
def test_validation_errors_are_printed_as_text_and_json_with_exit_code_3(smplan: Shell, text: str) -> None:
    smplan.write("bad.yaml", text)
    done = smplan("validate", "bad.yaml")
    assert (done.code, done.out) == (3, "")
    assert "bad.yaml" in done.err
    result = smplan("validate", "bad.yaml", "--json")
    assert (result.code, result.err) == (3, "")
    assert result.data["valid"] is False
    assert all(each["message"] in done.err for each in result.data["diagnostics"])
    assert {"file", "line", "column", "message", "hint"} <= result.data["diagnostics"][0].keys()
