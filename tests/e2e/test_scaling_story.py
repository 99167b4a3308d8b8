"""The guide's scaling on virtual time: load rises and falls, the fleet follows, and the plan stays empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from smplan.sandbox.aws.state.autoscaling import ScalingGroup
from tests.campaigns.virtual import Deployment

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
GROUP = "streammanager-autoscaling-group"
MINUTE = 60.0
_accounts = count(810_000_000_000)


def without_nodes(name: str) -> str:
    """One of the project's blueprints, without what is behind Stream Manager: that does not scale the group."""
    blueprint: dict[str, Any] = yaml.safe_load((BLUEPRINTS / name).read_text(encoding="utf-8"))
    for section in ("stream_manager", "outputs"):
        del blueprint[section]
    behind = ("red5.", "gate.stream_manager")
    kept = {at: each for at, each in blueprint["resources"].items() if not each["kind"].startswith(behind)}
    return json.dumps({**blueprint, "resources": kept})


class Fleet(Deployment):
    """A fleet of one instance in service."""

    def __init__(self, folder: Path, blueprint: str) -> None:
        super().__init__(folder, str(next(_accounts)))
        self._text = without_nodes(blueprint)

    def create(self) -> None:
        self.write(self._text)
        outcome = self.apply(self.plan())
        assert outcome.outcome == "complete", outcome.failed
        assert self.sizes == (1, 1)
        self.must_be_unchanged()

    @property
    def group(self) -> ScalingGroup:
        return self.box.aws.autoscaling.groups[GROUP]

    @property
    def sizes(self) -> tuple[int, int]:
        """The desired capacity, and how many instances are healthy."""
        return self.group.desired, self.healthy(self.group)

    def after(self, minutes: int) -> list[int]:
        """The desired capacity after each of so many minutes."""
        found = []
        for _ in range(minutes):
            self.pass_time(MINUTE)
            found.append(self.group.desired)
        return found

    def load(self, percent: float) -> None:
        """The CPU of each instance, if it has the load of all to itself."""
        self.box.put_load(GROUP, percent)

    def must_be_unchanged(self) -> None:
        left = [f"{step.op} {step.address}" for step in self.plan().steps]
        assert left == []


Deploy = Callable[[str], Fleet]


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    running = []

    def new(blueprint: str) -> Fleet:
        fleet = Fleet(tmp_path, blueprint)
        running.append(fleet.running())
        running[-1].__enter__()
        fleet.create()
        return fleet

    yield new
    for each in running:
        each.__exit__(None, None, None)


def grown(fleet: Fleet) -> None:
    """Load rises: exactly one instance is added after two minutes, and no second one for 300 s."""
    fleet.load(60)
    assert fleet.after(5) == [1] * 5
    fleet.load(150)
    desired = fleet.after(9)
    added = desired.index(2)
    assert 1 <= added <= 2, "two periods of a minute, of which the first may have begun"
    assert desired[added : added + 5] == [2] * 5
    assert 3 in desired[added + 5 :], "75 % each is still too much when the 300 s are over"
    fleet.must_be_unchanged()
    assert fleet.after(5) == [3] * 5, "50 % each"
    assert fleet.sizes == (3, 3)
    fleet.must_be_unchanged()


def test_with_webrtc_the_fleet_grows_by_one_and_never_shrinks(deploy: Deploy) -> None:
    fleet = deploy("stream-manager.yaml")
    grown(fleet)
    fleet.load(3)
    assert fleet.after(120) == [3] * 120
    fleet.must_be_unchanged()


def test_without_webrtc_one_is_removed_after_half_an_hour_of_little_load(deploy: Deploy) -> None:
    fleet = deploy("stream-manager-launch-configuration.yaml")
    grown(fleet)
    fleet.load(3)
    desired = fleet.after(45)
    removed = desired.index(2)
    assert 15 <= removed <= 31, "two periods of 15 minutes, of which the first may have begun"
    fleet.must_be_unchanged()
