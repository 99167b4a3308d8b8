"""Every command line in the documentation exists, with its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from smplan.cli.main import app

ROOT = Path(__file__).parents[2]
TEXTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "blueprints").glob("*.yaml")),
]
LINE = re.compile(r"(?:^\s*(?:\$ |# +)|`|\$\()(smplan [a-z][^`#)\n]*?)(?:\s{2,}|\s*[`#)]|\s*$)", re.MULTILINE)


def commands() -> list[str]:
    """Each command line once."""
    return sorted({found for path in TEXTS for found in LINE.findall(path.read_text(encoding="utf-8"))})


def unknown_words(words: list[str]) -> list[str]:
    """The words that are no command or option of smplan."""
    command: Any = typer.main.get_command(app)
    words = words[1:]
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        if words[0] not in command.commands:
            return [words[0]]
        command = command.commands[words.pop(0)]
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    known = options | {"--help", "-h"}
    return [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]


def test_command_lines_are_found_in_the_documentation() -> None:
    assert {"smplan init", "smplan apply plan.json --yes", "smplan sandbox env"} <= set(commands())


@pytest.mark.parametrize("line", commands())
def test_every_command_line_in_the_documentation_exists(line: str) -> None:
    assert unknown_words(shlex.split(line.replace("…", "x"))) == []


@pytest.mark.parametrize("line", ["smplan plna x", "smplan plan --nope", "smplan state lst", "smplan --nope"])
def test_an_unknown_command_or_option_is_found(line: str) -> None:
    assert unknown_words(shlex.split(line)) != []
