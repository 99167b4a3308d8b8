"""What is kept of a bug, and what is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smplan.cli import bug_report


def test_two_bug_reports_in_one_second_are_both_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bug_report.report(ValueError("one"))
    bug_report.report(ValueError("two"))
    assert len(list(tmp_path.glob(".smplan/bug-*.txt"))) == 2


def test_command_is_saved_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["smplan", "plan", "--var", "db_password=hunter2", "--var", "size=3"])
    bug_report.report(ValueError("one"))
    [path] = tmp_path.glob(".smplan/bug-*.txt")
    assert "smplan plan --var db_password=[redacted] --var size=3\n" in path.read_text()


def test_short_values_are_not_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORT_KEY", "a")
    assert bug_report.redacted("a banana") == "a banana"


def test_longest_secret_is_masked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "hunter")
    monkeypatch.setenv("B_TOKEN", "hunter2000")
    assert bug_report.redacted("hunter2000 hunter") == "[B_TOKEN] [A_TOKEN]"


def test_a_bug_report_follows_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here" / ".smplan").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "here")
    bug_report.report(ValueError("one"))
    assert "no details: .smplan is a symbolic link" in capsys.readouterr().err
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_bug_is_reported_even_if_the_report_cannot_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".smplan").write_text("in the way")
    bug_report.report(ValueError("one"))
    message, hint = capsys.readouterr().err.splitlines()
    assert message == "smplan: this is a bug in smplan: ValueError: one"
    assert "no details: File exists" in hint
