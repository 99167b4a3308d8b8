"""The base of the Stream Manager kinds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, cast

from smplan.core.spec import Spec
from smplan.drivers.base import Driver
from smplan.drivers.red5.client import StreamManager

S = TypeVar("S", bound=Spec)


def with_others(now: Mapping[str, Any], ours: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """``ours`` with the members of ``now`` that it does not name, at every depth: a PUT replaces the whole object.

    An item of a list corresponds to the one with the same value of one of ``keys``.
    """
    made = {**now, **ours}
    for name, value in ours.items():
        if isinstance(value, Mapping) and isinstance(now.get(name), Mapping):
            made[name] = with_others(now[name], value, *keys)
        elif isinstance(value, list):
            known = {_key(item, keys): item for item in now.get(name) or [] if isinstance(item, Mapping)}
            made[name] = [with_others(known.get(_key(item, keys), {}), item, *keys) for item in value]
    return made


def _key(item: Mapping[str, Any], keys: Collection[str]) -> str:
    return next((str(item[key]) for key in keys if key in item), "")


class StreamManagerDriver(Driver[S]):
    """A kind managed through a Stream Manager, which has names of up to 254 characters and no tags."""

    name_field = "name"
    name_limit = 254
    taggable = False
    via_stream_manager = True

    @property
    def api(self) -> StreamManager:
        """The client of the Stream Manager in service. Raises Unreachable while there is none."""
        return cast("StreamManager", self.context.stream_manager())
