"""How the engine reaches the world."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from smplan.core.values import Ref, Secret
from smplan.drivers.aws.client import Aws
from smplan.engine.providers import Providers, resolve_secrets
from smplan.errors import Bug, Unreachable


def world(opened: list[Any] | None = None) -> Providers:
    made = opened if opened is not None else []

    def connect(settings: Any) -> Any:
        made.append(settings)
        return SimpleNamespace(settings=settings)

    return Providers(Aws("us-east-1"), connect=connect, secrets=lambda source: f"<{source}>")


def test_a_driver_is_made_once() -> None:
    there = world()
    assert there.driver("core.value") is there.driver("core.value")
    assert there.kind("core.value").virtual
    assert there.lookup("aws.ec2.vpc").kind == "aws.ec2.vpc"


def test_a_kind_nobody_serves_is_a_bug_by_then() -> None:
    with pytest.raises(Bug, match=r"no driver serves the kind toy\.none"):
        world().driver("toy.none")
    with pytest.raises(Bug, match="no lookup"):
        world().lookup("core.value")
    with pytest.raises(KeyError):
        world().kind("toy.none")


def test_stream_manager_is_unreachable_until_its_settings_are_known() -> None:
    opened: list[Any] = []
    there = world(opened)
    reach = there.driver("red5.nodegroup").context.stream_manager
    with pytest.raises(Unreachable, match="no Stream Manager yet"):
        reach()
    there.set_stream_manager_settings(lambda: {"url": Ref("alb", None, ("dns_name",))})
    with pytest.raises(Unreachable):
        reach()
    settings = {"url": "https://a", "access_token": Secret("env:T")}
    there.set_stream_manager_settings(lambda: dict(settings))
    assert reach() is reach()
    settings["url"] = "https://b"
    reach()
    assert [each["url"] for each in opened] == ["https://a", "https://b"]


def test_secrets_are_revealed_wherever_they_stand() -> None:
    tree = {"a": [Secret("env:X"), {"b": Secret("env:Y")}], "c": 1}
    assert resolve_secrets(tree, lambda source: source.upper()) == {"a": ["ENV:X", {"b": "ENV:Y"}], "c": 1}


def test_a_stream_manager_is_waited_for_while_writes_are_guarded() -> None:
    there = world()
    there.set_stream_manager_settings(lambda: {"url": "https://a"})
    reach = there.driver("red5.nodegroup").context.stream_manager
    assert reach().patient is False
    with there.guard_writes(lambda: None):
        assert reach().patient is True
    assert reach().patient is False
