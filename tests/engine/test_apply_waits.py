"""What an apply does while it waits, when it is stopped, and when a step goes wrong."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from itertools import repeat

import pytest

from smplan.core.events import (
    Draining,
    StepProgress,
)
from smplan.core.plan.model import with_digest
from smplan.core.values import Secret
from smplan.drivers.base import Progress
from smplan.engine.executor import Outcome
from smplan.engine.runtime import Runtime
from smplan.engine.waiter import CancelToken, Waiter
from smplan.errors import (
    Bug,
    Denied,
    Expired,
    InUse,
    Throttled,
    TimedOut,
    Unreachable,
)
from tests.engine.conftest import NOON, Bench
from tests.support.blueprints import (
    blueprint,
    resource,
)
from tests.support.fake_cloud import (
    Gate,
    lost,
    thing,
)


def errors(outcome: Outcome) -> dict[str, type[Exception]]:
    return {address: type(error) for address, error in outcome.failed}


def test_a_gate_that_times_out_tells_the_likely_cause_and_is_tried_again(bench: Bench) -> None:
    wanted = blueprint(thing("ill"), resource("g", "toy.gate", {"of": "${ill.id}"}), thing("b", after=["g"]))
    made = bench.plan(wanted)
    outcome = bench.apply(made)
    assert outcome.exit_code == 10
    assert "last seen: it is ill. The cause is known" in str(dict(outcome.failed)["g"])
    Gate.well.add("t-ill")
    assert bench.apply(made).outcome == "complete"


def test_a_cause_that_cannot_be_looked_for_is_no_second_fault(bench: Bench) -> None:
    bench.cloud.fail("diagnose_timeout", "x", Unreachable("no answer either"))
    outcome = bench.apply(bench.plan(blueprint(resource("g", "toy.gate", {"of": "x"}))))
    assert "no answer either" in str(dict(outcome.failed)["g"])


def test_a_wait_survives_a_passing_fault(bench: Bench) -> None:
    bench.cloud.fail("wait_ready", "t-a", Throttled("slow down"), Unreachable("gone for a moment"))
    bench.make(blueprint(thing("a")))
    assert "slow down" in [event.status for event in bench.log.of(StepProgress)]


def test_a_drain_whose_request_got_no_answer_looks_again(bench: Bench) -> None:
    bench.make(blueprint(thing("a")))
    bench.cloud.fail("drain", "t-a", lost())
    bench.make(blueprint())
    assert "no answer came back" in [event.status for event in bench.log.of(StepProgress)]
    assert bench.cloud.of("toy.thing") == {}


def test_a_thing_that_aws_does_not_know_yet_is_waited_for(bench: Bench) -> None:
    things = bench.cloud.of("toy.thing")
    hidden: list = []  # type: ignore[type-arg]

    def hide() -> None:
        hidden.append(things.pop("t-a"))

    def show() -> None:
        if hidden:
            threading.Timer(0.05, lambda: things.__setitem__("t-a", hidden.pop())).start()

    bench.cloud.after["configure", "t-a"] = hide
    bench.cloud.after["wait_ready", "t-a"] = show
    bench.make(blueprint(thing("a")))
    assert "toy.thing t-a to appear" in [event.waiting_for for event in bench.log.of(StepProgress)]


def test_a_stop_lets_running_steps_finish_and_starts_no_more(bench: Bench) -> None:
    bench.cloud.after["configure", "t-a"] = bench.stop.cancel
    bench.parallel = 1
    made = bench.plan(blueprint(thing("a"), thing("b", after=["a"])))
    outcome = bench.apply(made)
    assert (outcome.outcome, outcome.exit_code) == ("interrupted", 9)
    assert bench.cloud.made == {"t-a": 1}
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    assert bench.cloud.made == {"t-a": 1, "t-b": 1}


def test_a_stop_ends_every_wait(bench: Bench) -> None:
    bench.cloud.after["gate", "never"] = bench.stop.cancel
    made = bench.plan(blueprint(resource("g", "toy.gate", {"of": "never"}), thing("b", after=["g"])))
    assert bench.apply(made).outcome == "interrupted"


def test_a_stop_tells_how_many_are_still_running(bench: Bench) -> None:
    bench.cloud.after["configure", "t-a"] = bench.stop.cancel
    bench.cloud.after["configure", "t-b"] = lambda: threading.Event().wait(0.2)
    bench.apply(bench.plan(blueprint(thing("a"), thing("b"), thing("c", after=["a"]))))
    assert all(event.running > 0 for event in bench.log.of(Draining))


def test_credentials_that_run_out_stop_everything_at_once(bench: Bench) -> None:
    bench.cloud.fail("create", "t-a", Expired("the token has expired"))
    bench.parallel = 1
    outcome = bench.apply(bench.plan(blueprint(thing("a"), thing("b"))))
    assert outcome.exit_code == 9
    assert bench.cloud.made == {}


def test_a_bug_in_a_driver_is_called_one(bench: Bench) -> None:
    def slip() -> None:
        raise ZeroDivisionError("slip")

    bench.cloud.after["created", "t-a"] = slip
    outcome = bench.apply(bench.plan(blueprint(thing("a"), thing("b"))))
    assert errors(outcome) == {"a": Bug}
    assert outcome.exit_code == 1
    assert "b" in bench.state.resources


def test_a_reference_that_nothing_makes_known_fails_its_step_alone(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a"), thing("b", zone="${a.nothing}"), thing("c")))
    outcome = bench.apply(made)
    assert "which has no value" in str(dict(outcome.failed)["b"])
    assert outcome.done == 2


def test_a_value_that_turns_out_wrong_fails_its_step_with_its_place(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a"), thing("b", size="${a.arn}"), thing("c", name="x-${a.tags}", after=["a"])))
    told = {address: str(error) for address, error in bench.apply(made).failed}
    assert told["b"].startswith("b: size: ")


def test_a_secret_is_fetched_only_for_the_call_that_needs_it(bench: Bench) -> None:
    wanted = blueprint(replace(thing("a"), spec={"name": "a", "password": Secret("env:PW"), "tags": {}, "uses": []}))
    made = bench.plan(wanted)
    bench.secrets["env:PW"] = "hunter2"
    assert bench.apply(made).outcome == "complete"
    files = [path for path in bench.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if "hunter2" in path.read_text(errors="replace")]


def test_a_worker_that_is_told_to_leave_takes_the_run_with_it(bench: Bench) -> None:
    def leave() -> None:
        raise SystemExit(5)

    bench.cloud.after["created", "t-a"] = leave
    made = bench.plan(blueprint(thing("a"), thing("b", after=["a"])))
    with pytest.raises(SystemExit):
        bench.apply(made)
    bench.cloud.after.clear()
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"
    assert bench.cloud.made == {"t-a": 1, "t-b": 1}


def test_a_wait_goes_by_the_pace_it_is_given() -> None:
    class Fast(Runtime):
        time = 0.0

        def now(self) -> float:
            return self.time

        def wait(self, event: threading.Event, seconds: float) -> bool:
            self.time += seconds
            return event.is_set()

    def held() -> None:
        raise InUse("another one uses it")

    waited: list[float] = []

    def waiter() -> Waiter:
        return Waiter(CancelToken(Fast()), 600, lambda progress, seconds: waited.append(seconds))

    with pytest.raises(TimedOut, match="another one uses it"):
        waiter().retry_while_in_use(held, "it to be released")
    assert 600 <= waited[-1] < 620
    with pytest.raises(TimedOut, match=r"waited \d+ s for i-1 to drain; last seen: 1 of 1 healthy"):
        waiter().wait(lambda: repeat(Progress("i-1 to drain", "1 of 1 healthy", beyond=300)))
    assert 900 <= waited[-1] < 920


def test_a_step_waits_for_some_time_after_another_and_not_again_when_resumed(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a"), thing("b", after=["a"])))
    first, second = made.steps
    (dependency,) = second.depends_on
    waiting = replace(second, depends_on=(replace(dependency, reason="clients may use its old answer", seconds=0.3),))
    made = with_digest(replace(made, steps=(replace(first, lingers=0.3), waiting)))

    def waited() -> list[float]:
        found = [
            event.elapsed for event in bench.log.of(StepProgress) if event.waiting_for == "0.3 s to pass after a:create"
        ]
        bench.log.events.clear()
        return found

    bench.cloud.fail("create", "t-b", *[Denied("no")] * 2)
    assert bench.apply(made).outcome == "failed"
    assert 0.15 < max(waited()) < 0.3
    assert bench.apply(made).outcome == "failed"
    assert waited(), "no time has passed by the clock of this bench"
    bench.now = lambda: NOON + timedelta(minutes=1)
    assert bench.apply(made).outcome == "complete"
    assert waited() == []


def test_a_later_plan_waits_for_the_rest_and_the_state_says_how_long(bench: Bench) -> None:
    made = bench.plan(blueprint(thing("a"), thing("b", after=["a"])))
    first, second = made.steps
    bench.apply(with_digest(replace(made, steps=(replace(first, lingers=60.0), second))))
    assert bench.state.resources["a"].used_until == (NOON + timedelta(minutes=1)).isoformat()
    assert bench.state.resources["b"].used_until == ""
    late = bench.plan(blueprint(thing("a")))
    (delete,) = late.steps
    late = with_digest(replace(late, steps=(replace(delete, wait_seconds=0.3),)))
    bench.log.events.clear()
    assert bench.apply(late).outcome == "complete"
    waits = [each for each in bench.log.of(StepProgress) if each.waiting_for == "clients to use it no longer"]
    assert 0.15 < max(each.elapsed for each in waits) < 0.3


def test_time_that_passed_since_the_plan_was_made_counts(bench: Bench) -> None:
    bench.make(blueprint(thing("a"), thing("b")))
    late = bench.plan(blueprint(thing("a")))
    (delete,) = late.steps
    late = with_digest(replace(late, steps=(replace(delete, wait_seconds=60.0),)))
    bench.now = lambda: NOON + timedelta(minutes=1)
    assert bench.apply(late).outcome == "complete"
