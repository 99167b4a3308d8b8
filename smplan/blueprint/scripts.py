"""Warnings about scripts that would not run as written: on Linux, by cloud-init or the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import TypeAlias

from smplan.core.blueprint import Blueprint
from smplan.core.resource_type import ResourceType
from smplan.core.spec import SCRIPT
from smplan.core.spec_errors import walk
from smplan.core.values import PartialValue, Path, leaves
from smplan.core.wording import count
from smplan.errors import Diagnostic

Fault: TypeAlias = "tuple[int, str, str]"
"""Line in the script, message, hint."""

_BOM = "\ufeff"
# https://cloudinit.readthedocs.io/en/latest/explanation/format.html
_STARTS = (
    "#!",
    "#cloud-",
    "#include",
    "#part-handler",
    "#upstart-job",
    "## template: jinja",
    "Content-Type:",
    "MIME-Version:",
)
_WINDOWS = re.compile(r"\s*<(powershell|script)>", re.IGNORECASE)
_TAB = re.compile(r"^ *\t", re.MULTILINE)


def warnings(
    blueprint: Blueprint, kinds: Mapping[str, ResourceType], files: Mapping[Path, str]
) -> Iterator[Diagnostic]:
    """The warnings about the scripts of ``blueprint``; ``files`` names the file from which the text at a path is."""
    folder = FilePath(blueprint.file).parent
    for resource in blueprint.resources:
        type = kinds.get(resource.kind)
        for inside, text in leaves(resource.spec) if type else ():
            path = (*resource.path, "spec", *inside)
            is_script = type is not None and SCRIPT in walk(type.spec, inside)[1]
            if not isinstance(text, str) or not (is_script or path in files):
                continue
            for line, message, hint in faults(text, user_data=is_script):
                if path in files:
                    file = str(folder / files[path])
                    yield Diagnostic(
                        message, hint.format(file=file), file=file, line=line, column=1, severity="warning"
                    )
                else:
                    yield blueprint.source_map.diagnostic(path, message, hint.format(file="FILE"), severity="warning")


def faults(text: PartialValue, *, user_data: bool) -> Iterator[Fault]:
    """Why ``text`` would not run. Text that is not ``user_data`` is a script only if it begins with ``#!``."""
    script = text.lstrip(_BOM)
    if not script.strip() or _WINDOWS.match(script) or not (user_data or script.startswith("#!")):
        return
    if script != text:
        message = "the script begins with a byte order mark, so its first characters are not `#!`, and it is not run"
        yield 1, message, "remove it: sed -i '1s/^\\xEF\\xBB\\xBF//' {file}"
    lines = script.split("\n")
    returns = [number for number, line in enumerate(lines, 1) if line.endswith("\r")]
    if "\r" in script.replace("\r\n", ""):
        yield 1, "lines of the script end with a carriage return alone, as on old Macs", "end them with line feeds"
    elif returns:
        message = f"Windows line endings: {count(len(returns), 'line')} of the script end with a carriage return"
        effect = ", so its interpreter is not found, and it is not run" if lines[0].startswith("#!") else ""
        yield returns[0], message + effect, "convert it: sed -i 's/\\r$//' {file}"
    if user_data:
        yield from _user_data(script)
    if re.match(r"#!\s*[^/\s]", script):
        yield 1, "the path of the interpreter is not absolute, so the script is not run", "write it as `#!/bin/bash`"


def _user_data(script: str) -> Iterator[Fault]:
    """What cloud-init would not understand."""
    if not script.startswith(_STARTS):
        if script.lstrip().startswith(_STARTS):
            message = "there is a blank before the first line of the user data, so cloud-init does not run it"
            yield 1, message, "remove the blank lines and spaces before it"
        else:
            message = "cloud-init ignores user data that does not begin with `#!`, `#cloud-config` or the like"
            yield 1, message, "begin it with a line such as `#!/bin/bash`"
    tab = _TAB.search(script) if script.startswith("#cloud-config") else None
    if tab:
        line = script.count("\n", 0, tab.start()) + 1
        yield line, "a tab indents this line of #cloud-config, which is YAML and forbids it", "indent with spaces"
