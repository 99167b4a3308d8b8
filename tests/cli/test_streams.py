"""Closed, full and redacted standard streams: the exit code of the command, and no traceback."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from smplan.cli.streams import Redacting, unredacted
from smplan.redaction import KNOWN
from smplan.stores.local import LocalStore
from tests.cli.conftest import TOY
from tests.cli.process import COMMAND, TIMEOUT, environment


def through_shell(folder: Path, arguments: str, redirected: str) -> subprocess.CompletedProcess[str]:
    """A command whose streams a shell redirected; the exit code is smplan's."""
    line = f"{{ {shlex.join(COMMAND)} {arguments}; echo $? >code; }} {redirected}"
    env = environment({"PYTHONWARNINGS": "error"})
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    assert "bug in smplan" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the toy, and a plan of it."""
    (tmp_path / "toy.yaml").write_text(TOY)
    (tmp_path / "bad.yaml").write_text("smplan: 2\n")
    return tmp_path


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_no_exit_code(folder: Path, redirected: str) -> None:
    for arguments, code in (("plan toy.yaml", "0"), ("validate bad.yaml", "3"), ("apply --yes", "0")):
        through_shell(folder, arguments, redirected)
        assert (folder / "code").read_text().strip() == code
    folded = LocalStore(folder / "state" / "toy.state.json").read().folded
    assert folded is not None
    assert len(folded.state.resources) == 2


@pytest.mark.parametrize("redirected", [">/dev/full", "| true", "| head -c 1"])
def test_output_that_cannot_be_written_is_an_error_of_its_own(folder: Path, redirected: str) -> None:
    done = through_shell(folder, "kinds aws.autoscaling.group", redirected)
    assert (folder / "code").read_text().strip() in (("0", "1") if "head" in redirected else ("1",))
    assert ("No space left on device" in done.stderr) == ("full" in redirected)


def test_output_is_redacted_and_the_rest_is_the_streams_own() -> None:
    KNOWN.remember("secret-of-streams")
    behind = io.StringIO()
    stream = Redacting(behind)
    assert stream.write("a secret-of-streams") == 19
    stream.writelines([" b ", "secret-of-streams"])
    stream.flush()
    assert behind.getvalue() == "a [redacted] b [redacted]"
    assert stream.getvalue() == behind.getvalue()
    assert unredacted() is sys.stdout


def test_errors_of_a_stream_that_does_not_matter_are_ignored() -> None:
    with open(os.devnull, encoding="utf-8") as unwritable:
        Redacting(unwritable, best_effort=True).write("x")
        with pytest.raises(OSError, match="not writable"):
            Redacting(unwritable).write("x")
