"""AWS's service models, loaded once for all sessions of a process: botocore loads them for each session anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.loaders import Loader


def share() -> None:
    """Let all sessions from now on share what any of them loads. Does nothing if they do already."""
    for name in ("load_service_model", "load_data_with_path", "list_available_services"):
        load = getattr(Loader, name)
        if not hasattr(load, "shared"):
            setattr(Loader, name, _once(load))


def _once(load: Callable[..., Any]) -> Callable[..., Any]:
    """A loader's method with one cache for all loaders."""
    shared: dict[object, Any] = {}

    def loaded(self: Loader, *names: str | None, **more: str | None) -> Any:
        key = (names, *more.items())
        if key not in shared:
            shared[key] = load(self, *names, **more)
        return shared[key]

    vars(loaded)["shared"] = shared
    return loaded
