"""The plan file: whole or not at all, and never taken for a blueprint."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from smplan.cli.plan_file import is_plan
from tests.cli.conftest import TOY, Shell


@pytest.fixture
def made(smplan: Shell) -> str:
    """The text of a plan."""
    smplan.ok("plan", "toy.yaml")
    return (smplan.folder / ".smplan" / "plan.json").read_text()


def test_a_plan_of_any_name_is_a_plan(smplan: Shell, made: str) -> None:
    for name in ("plan.json", "fleet.json", "plan.txt", "plan.yaml"):
        assert is_plan(smplan.write(name, made))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("toy.yaml", TOY),
        ("toy.json", '{"smplan": 1, "name": "toy", "outputs": {"x": "smplan/plan"}}'),
        ("plan.json", '{"smplan": 1, "resources": {}, "format": "smplan/plan"}'),
        ("toy.json", '{"smplan": 1, "name": '),
        ("toy.json", '{"resources": {"digest": 1'),
        ("toy.json", ""),
        ("toy.json", "[]"),
        ("toy.json", '{"name": {"format": "smplan/plan"}}'),
        ("toy.json", "{" + '"a": ' * 5000),
        ("toy.json", '{"a": ' + "[" * 100_000),
        ("toy.json", '{"name" 5}'),
    ],
)
def test_a_blueprint_is_no_plan_however_broken(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert not is_plan(path)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_plan_that_was_cut_off_is_still_a_plan(smplan: Shell, made: str, share: float) -> None:
    smplan.write("some.json", made[: int(len(made) * share)])
    done = smplan("apply", "some.json", "--yes")
    assert done.code == 4
    assert "is not a plan" in done.err
    assert not (smplan.folder / "state").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"format": "other"}', b"\xff\xfe\x00", b"text"])
def test_file_named_plan_that_is_not_one_is_reported(smplan: Shell, content: bytes) -> None:
    (smplan.folder / "plan.json").write_bytes(content)
    for command in (("apply", "plan.json", "--yes"), ("show", "plan.json")):
        done = smplan(*command)
        assert done.code == 4
        assert "plan.json is not a plan" in done.err
        assert done.out == ""


def test_modified_plan_is_rejected(smplan: Shell, made: str) -> None:
    document = json.loads(made)
    document["steps"][0]["resource"]["spec"]["input"] = "goodbye"
    smplan.write("plan.json", json.dumps(document))
    done = smplan("apply", "plan.json", "--yes")
    assert done.code == 4
    assert "was changed after it was made" in done.err
    assert not (smplan.folder / "state").exists()


def test_a_folder_is_no_plan(smplan: Shell) -> None:
    (smplan.folder / "plan.json").mkdir()
    assert smplan("show", "plan.json").err.splitlines() == [
        "smplan: plan.json: Is a directory",
        "  = give a file, not a folder",
    ]
    done = smplan("plan", "toy.yaml", "--out", "plan.json")
    assert done.code == 1
    assert done.err == "error: plan.json is a folder\n  = give a file: --out plan.json/plan.json\n"


def test_a_folder_is_no_blueprint_either(smplan: Shell) -> None:
    done = smplan("apply", ".", "--yes")
    assert done.code == 3
    assert ".: the file cannot be read: Is a directory" in done.err


def test_missing_file_is_neither_plan_nor_blueprint(smplan: Shell) -> None:
    done = smplan("apply", "nothere.json", "--yes")
    assert done.code == 1
    assert done.err.startswith("error: there is neither a plan nor a blueprint at nothere.json\n")


def test_a_link_is_followed(smplan: Shell) -> None:
    (smplan.folder / "link.json").symlink_to("real.json")
    smplan.ok("plan", "toy.yaml", "--out", "link.json")
    assert (smplan.folder / "link.json").is_symlink()
    smplan.ok("show", "real.json")


def test_a_device_is_written_to_and_stays_one(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    done = smplan("plan", "toy.yaml", "--out", "/dev/full")
    assert (done.code, done.out) == (1, "")
    assert "No space left on device" in done.err
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_full_disk_leaves_the_old_plan(smplan: Shell, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    done = smplan("plan", "toy.yaml")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0] == "smplan: .smplan/plan.json: No space left on device"
    folder = smplan.folder / ".smplan"
    assert [path.name for path in folder.iterdir()] == ["plan.json"]
    assert (folder / "plan.json").read_text() == made


def test_interrupted_write_leaves_the_old_plan(smplan: Shell, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stopped)
    assert smplan("plan", "toy.yaml").code == 9
    assert (smplan.folder / ".smplan" / "plan.json").read_text() == made
    assert len(list((smplan.folder / ".smplan").iterdir())) == 1


def test_unwritable_directory_is_reported(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**keywords: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(keywords["dir"]))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    done = smplan("plan", "toy.yaml")
    assert done.code == 1
    assert "Read-only file system" in done.err
    assert "run smplan in a writable folder" in done.err


def test_file_in_place_of_a_directory_is_reported(smplan: Shell) -> None:
    done = smplan("plan", "toy.yaml", "--out", "toy.yaml/deep/plan.json")
    assert done.code == 1
    assert "part of it is a file" in done.err
