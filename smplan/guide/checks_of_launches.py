"""Checks of what instances are launched from: volume and user data."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smplan.core.blueprint import Resource
from smplan.core.values import Path, leaves
from smplan.guide.index import BlueprintIndex
from smplan.guide.rules import MIN_VOLUME_GIB

_EDIT = re.compile(r"streammanager\\?\.ip")
_ASSIGNED = re.compile(r"streammanager\\?\.ip[^\n]*?(?:\\1|=(?!\\?\)|\.\*|\[))([^\n]*)")
"""The rest of the line from the new value on: after a back reference of ``sed``, or after ``streammanager.ip=``."""
_COMPUTED = re.compile(r"\$|`|secrets\.|uuid")
_SYSTEMCTL = re.compile(r"systemctl\s+(?P<options>(?:-\S+\s+)*)(?:re|try-re|reload-or-re)?start\s+(?P<more>[^\n;&|]*)")
_LIST = re.compile(r"""[\[\],"']+""")
"""What separates the words of a command that #cloud-config has as a list."""
_RESTART = re.compile(r"service\s+\S+\s+(?:re)?start|init\.d/\S+\s+(?:re)?start|(?:^|[\s;&])reboot\b")
_PASSWORD = re.compile(
    r"(?P<name>cluster\\?\.password|rest\\?\.administratorToken|config\\?\.dbPass)\s*[=:]\s*"
    r"(?P<value>changeme|xyz123|password)\b"
)
_PREFIX = re.compile(r"instancecontroller\\?\.instanceNamePrefix\s*=\s*(?P<value>[A-Za-z0-9_-]+)")


def small_volume(source: Resource, _: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A root volume that is too small."""
    size = source.spec.get("volume_size")
    if isinstance(size, (int, float)) and not isinstance(size, bool) and size < MIN_VOLUME_GIB:
        yield ("volume_size",), f"{size} GiB is too small for a Stream Manager", f"use at least {MIN_VOLUME_GIB}"


def shared_address(source: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """User data that leaves ``streammanager.ip`` as the image has it, or gives every instance the same one."""
    groups = [each for each in index.groups_of(source) if _may_be_several(each)]
    script = source.spec.get("user_data", "")
    if not groups or not isinstance(script, str):
        return
    path: Path = ("user_data",) if script else ()
    assigned = _ASSIGNED.search(_code(script))
    hint = "set it as the guide's script does: smplan init writes a blueprint that has it"
    if not _EDIT.search(_code(script)):
        yield path, f"the instances of {groups[0].name} have one `streammanager.ip`: no user data sets it", hint
    elif assigned and not _COMPUTED.search(assigned[1]):
        yield path, f"every instance of {groups[0].name} gets the same `streammanager.ip`", hint


def no_restart(source: Resource, _: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A ``streammanager.ip`` that does not come into force."""
    script = _LIST.sub(" ", _code(source.spec.get("user_data")))
    edit = _EDIT.search(script)
    if edit and not _SYSTEMCTL.search(script, edit.end()) and not _RESTART.search(script, edit.end()):
        message = "the service is not restarted after `streammanager.ip` is set, so it may run with the old one"
        yield ("user_data",), message, "add `systemctl --no-block restart red5pro`"


def blocking_restart(source: Resource, _: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A restart that waits for what waits for the script."""
    for found in _SYSTEMCTL.finditer(_LIST.sub(" ", _code(source.spec.get("user_data")))):
        if "--no-block" not in found["options"] + found["more"]:
            message = f"`{found[0].strip()}` waits for the service, which may be ordered after this very script"
            yield ("user_data",), message, "write `systemctl --no-block restart red5pro`"
            return


def default_passwords(source: Resource, _: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A password of the documentation; the message does not say which."""
    for path, text in leaves(source.spec):
        found = _PASSWORD.search(text) if isinstance(text, str) else None
        if found:
            name = found["name"].replace("\\", "")
            yield (
                path,
                f"`{name}` is set to the documentation's value, which everyone knows",
                "choose another, and keep it in a secret",
            )


def overlapping_prefix(source: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A prefix of node names with which another one begins."""
    mine = _prefix(source)
    for other in index.of("aws.ec2.launch_template", "aws.autoscaling.launch_configuration") if mine else ():
        theirs = _prefix(other)
        if other is not source and theirs.startswith(mine) and (theirs != mine or source.address < other.address):
            message = f"nodes named `{mine}…` include those of {other.address}, `{theirs}…`, and would be terminated"
            yield ("user_data",), message, "use prefixes of which none begins with another"


def _prefix(source: Resource) -> str:
    found = _PREFIX.search(_code(source.spec.get("user_data")))
    return found["value"] if found else ""


def _may_be_several(group: Resource) -> bool:
    most = group.spec.get("max_size")
    return isinstance(most, int) and most > 1


def _code(script: object) -> str:
    """The script without its comments; empty if it is not known."""
    lines = script.splitlines() if isinstance(script, str) else []
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))
