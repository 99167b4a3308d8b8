"""Warnings about scripts that would not run as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from smplan.blueprint.load import load
from smplan.blueprint.scripts import faults
from smplan.core.spec import SCRIPT, fields
from smplan.drivers.registry import catalogue, drivers
from smplan.errors import BlueprintInvalid


def messages(text: str, *, user_data: bool = True) -> list[tuple[int, str]]:
    return [(line, message) for line, message, _ in faults(text, user_data=user_data)]


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/bash\necho \ta\n",
        "#! /usr/bin/env python3\n",
        "#cloud-config\nruncmd: [a]\n",
        "#include https://example.com/x\n",
        "Content-Type: multipart/mixed\n",
        "## template: jinja\n#cloud-config\n",
        "<powershell>\r\nWrite-Host a\r\n</powershell>\r\n",
        "",
        "\n",
    ],
)
def test_scripts_that_run_cause_no_warning(text: str) -> None:
    assert messages(text) == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("#!/bin/bash\r\necho a\r\n", 1, "Windows line endings: 2 lines of the script end with a carriage return, so"),
        ("#!/bin/bash\necho a\r\n", 2, "Windows line endings: 1 line of the script end"),
        ("#cloud-config\r\na: b\r\n", 1, "Windows line endings: 2 lines"),
        ("#!/bin/bash\recho a\r", 1, "lines of the script end with a carriage return alone"),
        ("\ufeff#!/bin/bash\n", 1, "the script begins with a byte order mark"),
        ("echo a\n", 1, "cloud-init ignores user data that does not begin with `#!`"),
        ("\n#!/bin/bash\n", 1, "there is a blank before the first line of the user data"),
        ("#!bin/bash\n", 1, "the path of the interpreter is not absolute"),
        ("#cloud-config\nruncmd:\n  - a\n\t- b\n", 4, "a tab indents this line of #cloud-config"),
    ],
)
def test_what_would_not_run_is_reported_with_its_line(text: str, line: int, message: str) -> None:
    ((found, words),) = messages(text)
    assert found == line
    assert words.startswith(message)


def test_other_text_is_a_script_only_with_an_interpreter() -> None:
    assert messages("a\r\nb\r\n", user_data=False) == []
    assert len(messages("#!/bin/sh\r\n", user_data=False)) == 1
    assert messages("#!/bin/sh\n", user_data=False) == []


def test_every_field_for_user_data_is_a_script() -> None:
    named = {kind: name for kind, each in drivers().items() for name in each.spec.model_fields if name == "user_data"}
    scripts = {
        kind: name for kind, each in drivers().items() for name, field in fields(each.spec).items() if field.has(SCRIPT)
    }
    assert named == scripts


HEAD = "smplan: 1\nname: s\nresources:\n"
TEMPLATE = "  {name}: {{kind: aws.ec2.launch_template, spec: {{name: {name}-x, user_data: {data}}}}}\n"


def test_a_warning_names_the_file_or_the_place_in_the_blueprint(tmp_path: Path) -> None:
    (tmp_path / "boot.sh").write_bytes(b"#!/bin/bash\necho\r\n")
    (tmp_path / "run.sh").write_bytes(b"#!/bin/bash\r\n")
    text = HEAD + TEMPLATE.format(name="a", data="{file: boot.sh}") + TEMPLATE.format(name="b", data='"echo"')
    text += "  c: {kind: core.value, spec: {input: [{file: run.sh}]}}\n"
    path = tmp_path / "s.yaml"
    path.write_text(text)
    warnings = load(path, catalogue=catalogue(), environ={}).warnings
    assert [(Path(each.file).name, each.line, each.severity) for each in warnings] == [
        ("boot.sh", 2, "warning"),
        ("s.yaml", 5, "warning"),
        ("run.sh", 1, "warning"),
    ]
    assert warnings[0].hint == f"convert it: sed -i 's/\\r$//' {tmp_path / 'boot.sh'}"


def test_warnings_are_listed_with_errors_and_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + TEMPLATE.format(name="a", data='"echo"') + TEMPLATE.format(name="b", data="1"))
    with pytest.raises(BlueprintInvalid, match=r"has 1 error$") as caught:
        load(path, catalogue=catalogue(), environ={})
    assert [each.severity for each in caught.value.diagnostics] == ["warning", "error"]
