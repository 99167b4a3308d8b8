"""What a run knows of the resources that its requests name: their addresses, and which are new.

AWS is eventually consistent: for a while after a create, any request may be answered as if the resource did not exist
(EC2 API reference, "Eventual consistency").
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ID = re.compile(r"arn:aws|\b(?:[a-z]{1,8}-[0-9a-f]{8,17}|Z[0-9A-Z]{9,})\b")
"""An id as AWS writes it in messages."""
_LEAST_NAME = 3
"""Characters of a name that is searched for in messages."""


@dataclass(frozen=True, slots=True)
class Named:
    """A resource that a request or an error names by ``value``; ``new``: this run created or changed it."""

    address: str
    value: str
    new: bool


class Inventory:
    """The resources of a run by the values that requests name them by. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._named: dict[str, Named] = {}

    def add(self, address: str, values: Collection[str], *, new: bool) -> None:
        """The resource at ``address`` is named by ``values``: its id, ARN, name or DNS name."""
        with self._lock:
            self._named |= {value: Named(address, value, new) for value in values if value}

    def discard(self, values: Collection[str]) -> None:
        """The resource named by ``values`` is being deleted: nothing waits for it any more."""
        with self._lock:
            for value in values:
                self._named.pop(value, None)

    def missing(self, message: str, request: Any) -> list[Named]:
        """What the error ``message``, the response to ``request``, may say is missing.

        That is what the message names; if it names nothing at all, whatever the request names.
        """
        with self._lock:
            named = dict(self._named)
        mentioned = [each for value, each in named.items() if _mentions(message, value)]
        if mentioned or _ID.search(message):
            return mentioned
        return list({value: named[value] for value in _texts(request) if value in named}.values())


def names_of(id: str, name: object, outputs: Mapping[str, object]) -> set[str]:
    """The values that requests name a resource by: id, name, ARN and DNS name."""
    texts = [each for each in outputs.values() if isinstance(each, str) and (each.startswith("arn:") or "." in each)]
    return {id, *texts, *([name] if isinstance(name, str) else [])}


def _mentions(message: str, value: str) -> bool:
    if len(value) < _LEAST_NAME or value not in message:
        return False
    return bool(re.search(rf"(?<![\w/.-]){re.escape(value)}(?![\w/-])", message))


def _texts(tree: Any) -> Iterator[str]:
    """Every text in a request; subnets are one text with commas."""
    if isinstance(tree, str):
        yield from (tree, *tree.split(","))
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from _texts(value)
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from _texts(item)
