"""The plan file: atomic save, load, and detection of plans among JSON files."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smplan.blueprint.syntax import document
from smplan.cli.workspace import current_workspace, shown
from smplan.core.plan.model import FORMAT, Plan, from_text, to_text
from smplan.errors import GuardRefused, SmplanError, Stale

FOLDER = ".smplan"
PLAN_BYTES = 256 * 1024 * 1024

_SPACE = re.compile(r"[ \t\r\n]*")
_ONLY_IN_PLANS = {"account", "base", "digest", "format", "format_version"}
"""Top-level keys of a plan that no blueprint has; ``account`` comes first in every plan file."""


@dataclass(frozen=True)
class SavedPlans:
    """Where commands save plans that no option names: in the workspace."""

    workspace: Path

    @property
    def last(self) -> Path:
        """Where `smplan plan` saves, and what `smplan apply` applies by default."""
        return self._file("plan.json")

    @property
    def destroy(self) -> Path:
        """Where `smplan destroy` saves its plan once it is approved."""
        return self._file("destroy.json")

    @property
    def scale(self) -> Path:
        """Where `smplan scale` saves its plan once it is approved."""
        return self._file("scale.json")

    @property
    def declined(self) -> Path:
        """Where the last plan is moved when it is declined."""
        return self._file("declined.json")

    def _file(self, name: str) -> Path:
        return shown(self.workspace / FOLDER / name)

    def read_last(self) -> Plan:
        """The last plan, for a command that applies it unnamed. Raises GuardRefused if it deletes everything."""
        if not self.last.exists() and self.declined.exists():
            raise SmplanError(
                f"there is no plan in {self.last}: the last one was declined, and is now {self.declined}",
                hint="make a new one with `smplan plan BLUEPRINT`",
            )
        plan = read_plan(self.last)
        if plan.mode == "destroy":
            raise GuardRefused(
                f"the last saved plan, {self.last}, deletes everything: it is applied only by its name",
                hint=f"delete everything with `{apply_command(plan, self.last)}`, "
                "or make another plan with `smplan plan BLUEPRINT`",
            )
        return plan

    def decline(self, plan: Plan) -> Path | None:
        """Set the last plan aside if it is ``plan``, or another one for the same state; its new path, if it was."""
        try:
            saved = read_plan(self.last)
        except (SmplanError, OSError):  # missing or unusable: nothing would apply it
            return None
        same_state = (saved.mode, saved.name, saved.backend) == (plan.mode, plan.name, plan.backend)
        if saved.id != plan.id and not same_state:
            return None
        self.last.replace(self.declined)
        return self.declined


def save_plan(plan: Plan, path: Path) -> None:
    """Write the plan file atomically, readable by its owner only.

    A symbolic link is followed, but not in `.smplan`: the plan is saved there without being named. A device or pipe
    (``/dev/stdout``) is written to, never replaced.
    """
    if path.is_dir():
        raise SmplanError(f"{path} is a folder", hint=f"give a file: --out {path / 'plan.json'}")
    if path.exists() and not path.is_file():
        path.write_text(to_text(plan), encoding="utf-8")
        return
    _check_own(path)
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(to_text(plan))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
        if path.parent.name == FOLDER and path.name == "plan.json":
            path.with_name("declined.json").unlink(missing_ok=True)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _check_own(path: Path) -> None:
    """Raise SmplanError if ``path`` is in a folder `.smplan` and leads elsewhere by a symbolic link."""
    if path.parent.name != FOLDER:
        return
    for each in (path.parent, path):
        if each.is_symlink():
            raise SmplanError(f"{each} is a symbolic link, which smplan does not follow", hint=f"delete it: rm {each}")


def apply_command(plan: Plan, file: Path) -> str:
    """The command that applies ``plan``, saved in ``file``: a plan that deletes everything must be named."""
    last = SavedPlans(current_workspace()).last
    return "smplan apply" if file.absolute() == last.absolute() and plan.mode != "destroy" else f"smplan apply {file}"


def read_plan(path: Path | None) -> Plan:
    """The plan in ``path``; by default the last saved plan. Raises Stale if it is damaged or not a plan."""
    path = path or SavedPlans(current_workspace()).last
    try:
        _check_own(path)
        if not document.is_readable(path):
            raise _not_a_plan(path, "it is not a regular file")
        with path.open("rb") as file:
            data = file.read(min(PLAN_BYTES, path.stat().st_size or PLAN_BYTES) + 1)
        if len(data) > PLAN_BYTES:
            raise _not_a_plan(path, f"it is larger than {PLAN_BYTES >> 20} MiB")
        text = data.decode()
    except FileNotFoundError:
        raise SmplanError(f"there is no plan in {path}", hint="make one with `smplan plan BLUEPRINT`") from None
    except UnicodeDecodeError:
        raise _not_a_plan(path, "it is not text") from None
    return from_text(text, file=str(path))


def _not_a_plan(path: Path, why: str) -> Stale:
    return Stale(
        f"{path} is not a plan that smplan can read: {why}", hint="make a new plan with `smplan plan BLUEPRINT`"
    )


def is_plan(path: Path) -> bool:
    """Whether ``path`` is a plan rather than a blueprint, by its top-level keys, even if it is truncated.

    Without these keys the name decides. Raises SmplanError if ``path`` does not exist.
    """
    if not path.exists():
        raise SmplanError(
            f"there is neither a plan nor a blueprint at {path}",
            hint="check the path, or make a plan with `smplan plan BLUEPRINT`",
        )
    if not path.is_file():
        return False
    if path.stat().st_size > PLAN_BYTES:
        return path.name.endswith("plan.json")
    keys = dict(_members(path.read_text(encoding="utf-8", errors="replace")))
    if "smplan" in keys or "resources" in keys:
        return False
    return keys.get("format") == FORMAT or bool(_ONLY_IN_PLANS & keys.keys()) or path.name.endswith("plan.json")


def _members(text: str) -> Iterator[tuple[str, object]]:
    """The top-level keys and values of the JSON object in ``text``, up to the first syntax error."""
    decoder = json.JSONDecoder()
    at = _after(text, 0, "{")
    while at and text[at : at + 1] == '"':
        try:
            key, at = decoder.raw_decode(text, at)
            colon = _after(text, at, ":")
            value, at = decoder.raw_decode(text, colon) if colon else (None, 0)
        except (ValueError, RecursionError):
            return
        yield key, value
        at = at and _after(text, at, ",")


def _after(text: str, at: int, sign: str) -> int:
    """The start of the next token after ``sign``; 0 if ``sign`` is not next."""
    at = _end_of_space(text, at)
    return _end_of_space(text, at + 1) if text[at : at + 1] == sign else 0


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
