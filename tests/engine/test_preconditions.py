"""Before anything is changed: the clock, and how long the credentials last."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from smplan.core.blueprint import Resource
from smplan.core.events import ClockSkewed, Retried
from smplan.drivers.base import Live, Owner
from smplan.engine import preconditions
from smplan.engine.plan import detect_drift
from smplan.engine.waiter import CancelToken
from smplan.errors import Denied, Expired, GuardRefused, Interrupted, Invalid, NotOurs, SmplanError, Throttled
from tests.engine.conftest import NOON, Bench
from tests.support.blueprints import (
    blueprint,
)
from tests.support.fake_cloud import (
    FakeAws,
    FakeProviders,
    lookup,
    thing,
)
from tests.support.fake_specs import ThingSpec
from tests.support.recorder import (
    EventRecorder,
)

WANTED = blueprint(thing("a"), thing("b", uses=["${a.arn}"]), lookups=(lookup("found", name="there"),))
"""A lookup makes the account matter."""


@pytest.fixture
def cloud(bench: Bench) -> Bench:
    """A bench with what the lookup finds."""
    bench.make(blueprint(thing("there"), name="others"))
    shutil.rmtree(bench.folder)
    bench.cloud.calls.clear()
    return bench


class Aws(FakeAws):
    """An account whose clock and credentials are as told."""

    def __init__(self, *, skew_seconds: float | None = None, credentials_expire_at: datetime | None = None) -> None:
        super().__init__()
        self.skew_seconds = skew_seconds
        self.credentials_expire_at = credentials_expire_at


def world_with(bench: Bench, aws: FakeAws) -> Callable[[], FakeProviders]:
    def world() -> FakeProviders:
        made = FakeProviders(bench.cloud)
        made.aws = aws
        return made

    return world


def through(bench: Bench, monkeypatch: pytest.MonkeyPatch, aws: FakeAws) -> None:
    """From now on the bench finds this account."""
    monkeypatch.setattr(bench, "world", world_with(bench, aws))


@pytest.mark.parametrize(("skew_seconds", "way"), [(300, "300 seconds ahead of"), (-241, "241 seconds behind")])
def test_a_clock_that_is_wrong_is_refused_before_anything_is_changed(
    cloud: Bench, monkeypatch: pytest.MonkeyPatch, skew_seconds: float, way: str
) -> None:
    made = cloud.plan(WANTED)
    through(cloud, monkeypatch, Aws(skew_seconds=skew_seconds))
    doings: list[Callable[[], Any]] = [
        lambda: cloud.plan(WANTED),
        lambda: cloud.apply(made),
        lambda: detect_drift(blueprint=WANTED, store=cloud.store, world=cloud.world(), report=cloud.log),
    ]
    for do in doings:
        with pytest.raises(GuardRefused, match=way) as caught:
            do()
        assert "timedatectl" in caught.value.hint
    assert cloud.cloud.writes() == []
    assert cloud.store.read().stored is None


def test_a_clock_that_is_a_little_off_is_told_and_counts(cloud: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    through(cloud, monkeypatch, Aws(skew_seconds=-75))
    made = cloud.plan(WANTED)
    assert cloud.log.of(ClockSkewed) == [ClockSkewed(-75)]
    assert cloud.apply(made).outcome == "complete"
    assert len(cloud.log.of(ClockSkewed)) == 2


@pytest.mark.parametrize("skew_seconds", [None, 0, 60, -60])
def test_a_clock_that_is_right_or_unknown_is_not_worth_a_word(
    cloud: Bench, monkeypatch: pytest.MonkeyPatch, skew_seconds: float | None
) -> None:
    through(cloud, monkeypatch, Aws(skew_seconds=skew_seconds))
    cloud.plan(WANTED)
    assert cloud.log.of(ClockSkewed) == []


@pytest.mark.parametrize(("skew_seconds", "kind"), [(400, GuardRefused), (0, None), (None, None)])
@pytest.mark.parametrize("refusal", [Denied("signature expired"), Expired("request expired")])
def test_a_refusal_by_aws_itself_is_told_as_the_clock_if_that_is_wrong(
    cloud: Bench, skew_seconds: float | None, kind: type[SmplanError] | None, refusal: SmplanError
) -> None:
    class Refusing(Aws):
        @property
        def account(self) -> str:  # type: ignore[override]  # asked for, and refused
            raise refusal

    with pytest.raises(kind or type(refusal)):
        preconditions.account(world_with(cloud, Refusing(skew_seconds=skew_seconds))(), cloud.log)


def test_credentials_that_run_out_too_soon_are_refused_before_anything_is_changed(
    cloud: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cloud.plan(WANTED)
    through(cloud, monkeypatch, Aws(credentials_expire_at=NOON + timedelta(seconds=1.5)))
    with pytest.raises(GuardRefused) as caught:
        cloud.apply(made)
    assert "expire at 12:00:01 UTC, in 0.0 min, and the plan is expected to take 0.0 min" in str(caught.value)
    assert "renew" in caught.value.hint
    assert cloud.cloud.writes() == []
    assert cloud.store.read().stored is None
    through(cloud, monkeypatch, Aws(credentials_expire_at=NOON + timedelta(seconds=2)))
    assert cloud.apply(made).outcome == "complete"


def test_only_what_is_left_of_a_run_counts(cloud: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cloud.plan(WANTED)
    cloud.cloud.fail("create", "t-b", Invalid("no"))
    assert cloud.apply(made).outcome == "failed"
    through(cloud, monkeypatch, Aws(credentials_expire_at=NOON + timedelta(seconds=1)))
    assert cloud.apply(made).outcome == "complete"


def test_credentials_do_not_matter_where_aws_does_not(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    through(bench, monkeypatch, Aws(skew_seconds=9999, credentials_expire_at=NOON - timedelta(days=1)))
    assert bench.make(blueprint(thing("a"))).done == 1


def test_calls_made_again_are_told_to_whoever_listens_now_and_their_pauses_end_with_the_run(cloud: Bench) -> None:
    aws = Aws()
    world = world_with(cloud, aws)()
    heard = EventRecorder()
    world.on_retry(heard, cloud.stop.wait)
    cloud.stop.cancel()

    def throttled() -> None:
        raise Throttled("slow down")

    with pytest.raises(Interrupted):
        aws.retry_policy.call("ec2:X", throttled)
    (told,) = heard.of(Retried)
    assert (told.call, told.why, told.attempt) == ("ec2:X", "slow down", 2)


def test_what_an_earlier_step_of_the_plan_changes_is_not_compared_once_it_is_under_way(bench: Bench) -> None:
    bench.make(blueprint(thing("a", zone="x"), thing("b", uses=["${a.arn}"])))
    made = bench.plan(blueprint(thing("a", zone="y"), thing("b", uses=["${a.arn}"])))
    step = next(each for each in made.steps if each.id == "b:update")
    spec = bench.cloud.of("toy.thing")["t-b"][0]
    stripped = Live("t-b", spec.model_copy(update={"uses": []}))
    assert preconditions.describe_change(step, stripped, under_way=True) == ""
    said = preconditions.describe_change(step, stripped, under_way=False)
    assert said == "b (t-b): uses changed since the plan was made"
    both = Live("t-b", spec.model_copy(update={"uses": [], "tags": {"x": "y"}}))
    said = preconditions.describe_change(step, both, under_way=True)
    assert said == "b (t-b): tags, uses changed since the plan was made"


def test_what_is_not_ours_is_not_taken_by_a_plan_that_nothing_permits(bench: Bench) -> None:
    bench.cloud.of("toy.thing")["t-a"] = (ThingSpec(name="a"), None)
    adopting = bench.plan(blueprint(thing("a", lifecycle={"adopt": True})))
    bench.cloud.of("toy.thing")["t-a"] = (ThingSpec(name="a"), Owner("another", "x"))
    with pytest.raises(NotOurs, match=r"a: toy\.thing t-a may not be taken: it belongs to x of state another"):
        bench.apply(adopting)
    assert bench.cloud.writes() == []
    shared = bench.plan(blueprint(thing("a", lifecycle={"keep": True})))
    assert bench.apply(shared).outcome == "complete"


def test_what_an_interrupted_run_created_is_deleted_only_while_its_tags_say_so(bench: Bench) -> None:
    bench.make(blueprint(thing("z")))

    def die() -> None:
        raise SystemExit

    bench.cloud.after["created", "t-a"] = die
    with pytest.raises(SystemExit):
        bench.apply(bench.plan(blueprint(thing("z"), thing("a"))), stop=CancelToken())
    bench.cloud.after.clear()
    made = bench.plan(blueprint(thing("z")))
    spec, owner = bench.cloud.of("toy.thing")["t-a"]
    bench.cloud.of("toy.thing")["t-a"] = (spec, None)
    with pytest.raises(NotOurs, match="no state owns it"):
        bench.apply(made, stop=CancelToken())
    bench.cloud.of("toy.thing")["t-a"] = (spec, owner)
    assert bench.apply(made, stop=CancelToken()).outcome == "complete"


@pytest.mark.parametrize("wanted", [(thing("a", size=2),), ()], ids=["update", "delete"])
def test_what_another_state_owns_is_neither_updated_nor_deleted(bench: Bench, wanted: tuple[Resource, ...]) -> None:
    bench.make(blueprint(thing("a")))
    made = bench.plan(blueprint(*wanted))
    spec, _ = bench.cloud.of("toy.thing")["t-a"]
    bench.cloud.of("toy.thing")["t-a"] = (spec, Owner("another", "x"))
    sent = bench.cloud.writes()
    outcome = bench.apply(made)
    assert "belongs to x of state another" in str(dict(outcome.failed)["a"])
    assert bench.cloud.writes() == sent
