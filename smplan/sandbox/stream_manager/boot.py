"""How a Stream Manager's instance comes up: what its settings are after its user data ran."""

from __future__ import annotations

import re
from collections.abc import Mapping

from smplan.sandbox.interface import PROPERTIES_PATH, InstanceView

_SETTING = re.compile(r"streammanager\\?\.ip")
_EDIT = re.compile(r"streammanager\\?\.ip[^\n]*?(?:\\1|=(?!\\?\)|\.\*|\[))([^\n]*)")
"""The rest of the line from the new value on: after a back reference of ``sed``, or after ``streammanager.ip=``."""
_RESTART = re.compile(
    r"systemctl\s+(?:-\S+\s+)*(?:restart|try-restart|reload-or-restart)\s+red5pro"
    r"|service\s+red5pro\s+restart|init\.d/red5pro\s+restart|(?:^|[\s;&])reboot\b"
)
_STOP = re.compile(r"systemctl\s+(?:-\S+\s+)*stop\s+red5pro|service\s+red5pro\s+stop|init\.d/red5pro\s+stop")
_START = re.compile(r"systemctl\s+(?:-\S+\s+)*start\s+red5pro|service\s+red5pro\s+start|init\.d/red5pro\s+start")
_ASSIGNED = re.compile(r"^\s*(?:export\s+|local\s+)?(\w+)=(.*)$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_OWN = re.compile(
    r"/dev/u?random|\$\{?RANDOM|uuidgen|kernel/random/uuid|openssl\s+rand|169\.254\.169\.254"
    r"|ec2-?metadata|\bhostname\b|\$\{?HOSTNAME|machine-id|cloud-init\s+query|secrets\.|uuid\."
)
"""What gives another text on each instance."""
_END = re.compile(r"[/|#'\";]")
_DEPTH = 5
"""Variables within variables that are followed."""


def settings(view: InstanceView) -> dict[str, str]:
    """The Stream Manager's settings in force: the image's, and ``streammanager.ip`` as the user data set it.

    The service starts from the image and reads its settings once: a change counts only if a restart follows it.
    """
    found = _parsed(view.files[PROPERTIES_PATH])
    value = _set_by(view.user_data)
    if value is not None:
        found["streammanager.ip"] = f"{view.id}.com" if _OWN.search(value) else _END.split(value)[0].strip()
    return found


def _parsed(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _set_by(user_data: str) -> str | None:
    """What the script gives ``streammanager.ip``, its variables filled in; None if that does not come into force."""
    if not user_data.startswith(("#!", "#cloud-config")):
        return None  # cloud-init runs nothing else
    script = "\n".join(line for line in user_data.splitlines() if not line.lstrip().startswith("#"))
    edit = _SETTING.search(script)
    if edit is None or "red5-web.properties" not in script or not _restarts(script, edit.start()):
        return None
    written = _EDIT.search(script)
    return _filled(written.group(1), dict(_ASSIGNED.findall(script))) if written else None


def _restarts(script: str, edited_at: int) -> bool:
    after = script[edited_at:]
    stopped = _STOP.search(script) is not None
    return _RESTART.search(after) is not None or (stopped and _START.search(after) is not None)


def _filled(value: str, variables: Mapping[str, str]) -> str:
    for _ in range(_DEPTH):
        value = _VARIABLE.sub(lambda found: variables.get(found.group(1), found.group(0)), value)
    return value
