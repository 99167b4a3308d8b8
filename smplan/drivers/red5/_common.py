"""The base of the Stream Manager kinds."""

from __future__ import annotations

from typing import TypeVar, cast

from smplan.core.spec import Spec
from smplan.drivers.base import Driver
from smplan.drivers.red5.client import StreamManager

S = TypeVar("S", bound=Spec)


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
