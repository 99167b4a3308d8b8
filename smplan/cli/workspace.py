"""The workspace: the folder that saved plans and local state are relative to, the same from every working directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from smplan.cli.git_head import GIT, work_tree
from smplan.errors import StoreError

MARKER = "smplan.toml"
ALLOWED = "SMPLAN_STATE_FOLDERS"
"""The environment variable with further folders for local state, separated as in PATH."""


def workspace_of(folder: Path) -> Path:
    """The nearest folder at or above ``folder`` with `smplan.toml`, else the top of its git work tree, else itself."""
    folder = folder.resolve()
    marked = next((each for each in (folder, *folder.parents) if (each / MARKER).is_file()), None)
    return marked or work_tree(folder) or folder


def current_workspace() -> Path:
    """The workspace of the current folder, for commands that name no blueprint."""
    return workspace_of(Path())


def shown(path: Path) -> Path:
    """``path`` relative to the current folder if it is in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def state_file(workspace: Path, path: str) -> Path:
    """The state file ``path``, relative to ``workspace``, as an absolute path.

    Raises StoreError if it is neither in the workspace nor in a folder that the environment allows: until a plan is
    approved, the blueprint that names it is not trusted.
    """
    if not path.endswith(".json"):
        raise StoreError(f"`{path}` is not the path of a state file", hint="give a path such as state/fleet.state.json")
    try:
        folder = (workspace / path).parent.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"the state file `{path}` cannot be located: {error}", hint="choose another path") from None
    if GIT in folder.parts or not any(folder.is_relative_to(each) for each in (workspace, *_allowed())):
        raise StoreError(
            f"the state file {folder / Path(path).name} is not in the workspace, {workspace}",
            hint=f"choose a path in it, or allow that folder: export {ALLOWED}={folder}",
        )
    return folder / Path(path).name


def _allowed() -> Iterator[Path]:
    for folder in os.environ.get(ALLOWED, "").split(os.pathsep):
        if Path(folder).is_absolute():
            yield Path(folder).resolve()
