"""The base of all gates: waiting, with evidence, until a condition holds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from typing import TypeVar

from smplan.core.spec import Spec
from smplan.drivers.base import Claim, Driver, Live, Progress

G = TypeVar("G", bound=Spec)

PASSED = "passed"


class Gate(Driver[G]):
    """Base of gates: nothing is created, read or deleted; ``wait_ready`` waits."""

    gate = True
    taggable = False
    expected_seconds = 180

    def read_many(self, ids: Collection[str]) -> dict[str, Live[G]]:
        """Nothing: a gate does not exist in AWS."""
        return {}

    def create(self, spec: G, claim: Claim) -> str:
        """Nothing is sent."""
        return PASSED

    def delete(self, id: str) -> None:
        """Nothing is sent."""

    @abstractmethod
    def wait_ready(self, id: str, spec: G) -> Iterator[Progress]:
        """Poll until the condition of the spec holds."""
