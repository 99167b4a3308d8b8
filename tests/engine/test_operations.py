"""How often a worker makes sure that the lock is still held: just before everything that it asks of the world."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest

from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Op, Step
from smplan.core.state.model import ResourceState
from smplan.drivers.base import Live, Progress
from smplan.engine.operations import Carrier, Task
from smplan.engine.waiter import CancelToken
from smplan.errors import Locked
from tests.support.fake_cloud import (
    lost,
)
from tests.support.fake_specs import (
    ThingSpec,
)


class Deaf:
    """A driver whose every change gets no answer, and whose things must be emptied in two moves before they go."""

    kind = "toy.thing"
    virtual = False
    timeout_seconds = 60

    def __init__(self) -> None:
        self.sent: list[str] = []

    def driver(self, kind: str) -> Deaf:
        return self

    def read_many(self, ids: Collection[str]) -> dict[str, Live[Any]]:
        return {id: Live(id, ThingSpec(name=id)) for id in ids}

    def drain(self, live: Live[Any]) -> Iterator[Progress]:
        self.sent.append("drain")
        yield Progress("the rest")
        self.sent.append("drain")

    def update(self, live: Live[Any], spec: Any) -> None:
        self.sent.append("update")
        raise lost()

    def delete(self, id: str) -> None:
        self.sent.append("delete")
        raise lost()


@pytest.mark.parametrize(
    ("op", "passed", "sent"),
    [
        (Op.UPDATE, 0, []),
        (Op.UPDATE, 1, ["update"]),
        (Op.DELETE, 0, []),
        (Op.DELETE, 1, ["drain"]),
        (Op.DELETE, 2, ["drain", "drain"]),
        (Op.DELETE, 3, ["drain", "drain", "delete"]),
    ],
)
def test_nothing_is_sent_once_the_lock_was_lost(op: Op, passed: int, sent: list[str]) -> None:
    world: Any = Deaf()
    checks = iter(range(passed))

    def check() -> None:
        if next(checks, None) is None:
            raise Locked("lost")

    step = Step("s", op, ResourceState("a", "toy.thing", "t-a", {}, {}), changes=(AttributeChange("size", 1, 2),))
    carrier = Carrier(world, "l", lambda event: None, CancelToken(), check, lambda step, id: None)
    with pytest.raises(Locked):
        carrier.carry(Task(step, ThingSpec(name="t-a", size=2)))
    assert world.sent == sent
