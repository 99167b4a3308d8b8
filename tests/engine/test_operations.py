"""When an operation checks the lock: before every request that may change something."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest

from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Op, Step
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import ResourceState
from smplan.drivers.base import Live, Owner, Progress
from smplan.engine.operations import RunContext, apply_step
from smplan.engine.prepare import PreparedStep
from smplan.engine.runtime import SYSTEM, ResultQueue
from smplan.engine.waiter import CancelToken
from smplan.errors import Locked
from tests.support.fake_cloud import (
    lost,
)
from tests.support.fake_specs import (
    ThingSpec,
)


class LosesResponses:
    """A driver whose every write loses its response, and whose resources take two requests to drain."""

    kind = "toy.thing"
    virtual = False
    gate = False
    taggable = True
    timeout_seconds = 60

    def __init__(self) -> None:
        self.sent: list[str] = []

    def read_many(self, ids: Collection[str]) -> dict[str, Live[Any]]:
        return {id: Live(id, ThingSpec(name=id)) for id in ids}

    def delete_timeout(self, live: Live[Any]) -> float:
        return self.timeout_seconds

    def drain(self, live: Live[Any]) -> Iterator[Progress]:
        self.sent.append("drain")
        yield Progress("the rest")
        self.sent.append("drain")

    def configure(self, id: str, spec: Any) -> None:
        self.sent.append("configure")
        raise lost()

    def set_owner(self, id: str, owner: Owner) -> None:
        self.sent.append("set_owner")

    def update(self, live: Live[Any], spec: Any) -> None:
        self.sent.append("update")
        raise lost()

    def delete(self, id: str) -> None:
        self.sent.append("delete")
        raise lost()


@pytest.mark.parametrize(
    ("op", "passed", "sent"),
    [
        (Op.ADOPT, 0, []),
        (Op.ADOPT, 1, ["set_owner"]),
        (Op.ADOPT, 2, ["set_owner", "configure"]),
        (Op.MOVE, 0, []),
        (Op.UPDATE, 0, []),
        (Op.UPDATE, 1, ["set_owner"]),
        (Op.UPDATE, 2, ["set_owner", "update"]),
        (Op.DELETE, 0, []),
        (Op.DELETE, 1, ["drain"]),
        (Op.DELETE, 2, ["drain", "drain"]),
        (Op.DELETE, 3, ["drain", "drain", "delete"]),
    ],
)
def test_nothing_is_sent_once_the_lock_was_lost(op: Op, passed: int, sent: list[str]) -> None:
    driver: Any = LosesResponses()
    checks = iter(range(passed))

    def check_lock() -> None:
        if next(checks, None) is None:
            raise Locked("lost")

    record = ResourceState("a", "toy.thing", "t-a", {}, {})
    step = Step("s", op, record, changes=(AttributeChange("size", 1, 2),))
    prepared = PreparedStep(step, driver, ThingSpec(name="t-a", size=2), StepIntent("s", op, record))
    run = RunContext("l", lambda event: None, CancelToken(), check_lock, SYSTEM, ResultQueue())
    with pytest.raises(Locked):
        apply_step(run, prepared)
    assert driver.sent == sent
