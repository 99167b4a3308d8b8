"""Real plans on a fake world, with a step of every op."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.plan.changes import Permits
from smplan.core.values import Secret
from smplan.drivers.base import Owner
from smplan.engine.plan_scale import plan_scale
from smplan.engine.waiter import CancelToken
from tests.campaigns.forge.judge import Source
from tests.engine.conftest import NOON, Bench
from tests.support.blueprints import blueprint, resource, tree
from tests.support.fake_cloud import Gate, lookup, thing
from tests.support.fake_specs import ThingSpec


def sources(folder: Path) -> Iterator[Source]:
    """A plan to create, to change, replace, move, adopt and delete, to restore, after a crash, to scale, to destroy."""
    Gate.well = {"h-herd"}
    for name, make in _MAKERS.items():
        bench = Bench(folder / name)
        bench.folder.mkdir()
        yield make(name, bench)


def source(name: str, bench: Bench, wanted: Blueprint, **how: Any) -> Source:
    """The plan of ``wanted``."""
    derive = partial(_derived, bench, wanted, how)
    return Source(
        name=name,
        plan=derive(""),
        store=bench.store,
        providers=bench.world,
        derive=derive,
        attempt=bench.apply,
        calls=lambda: len(bench.cloud.calls),
        now=lambda: NOON,
    )


def _derived(bench: Bench, wanted: Blueprint, how: dict[str, Any], id: str) -> Any:
    return bench.plan(wanted, **how, id=id)


def _things(*more: Resource, size: int = 1, zone: str = "x") -> Blueprint:
    secret = Secret("env:PASSWORD")
    return blueprint(
        thing("kept", size=size, tags={"stage": "one"}, note=f"n{size}"),
        thing("replaced", zone=zone),
        resource("user", "toy.thing", {"name": "user", "uses": ["${replaced.id}", "${kept.id}"], "password": secret}),
        resource("value", "core.value", {"input": tree("${kept.version}")}),
        *more,
        lookups=(lookup("found", name="foreign"),),
        variables={"size": size},
        outputs={"url": tree("https://${kept.arn}/"), "many": [1, {"a": True}]},
        stream_manager={"url": "https://sm.example.com", "access_token": Secret("env:TOKEN")},
    )


def _prepared(bench: Bench) -> None:
    bench.secrets.update({"env:PASSWORD": "hunter2", "env:TOKEN": "t0ken"})
    bench.cloud.of("toy.thing")["t-foreign"] = (ThingSpec(name="foreign"), None)
    bench.cloud.of("toy.thing")["t-shared"] = (ThingSpec(name="shared"), Owner("another", "shared"))


def _first(name: str, bench: Bench) -> Source:
    _prepared(bench)
    port = resource("port", "toy.port", {"number": 80, "of": "${kept.id}"})
    shared = thing("shared", lifecycle={"keep": True})
    return source(name, bench, _things(port, shared, thing("new", after=["port"])))


def _changed(name: str, bench: Bench) -> Source:
    _prepared(bench)
    protected = thing("protected", lifecycle={"prevent_destroy": True})
    bench.make(_things(thing("old"), thing("gone"), thing("before"), protected))
    more = (thing("new"), thing("after", name="before"), thing("foreign", lifecycle={"adopt": True}))
    return source(
        name, bench, _things(*more, protected, size=2, zone="y"), permits=Permits(abandon=frozenset({"gone"}))
    )


def _destroyed(name: str, bench: Bench) -> Source:
    _prepared(bench)
    bench.make(_things(thing("old", lifecycle={"prevent_destroy": True}), thing("shared", lifecycle={"keep": True})))
    bench.cloud.locked.add("t-kept")
    permits = Permits(frozenset({"old", "kept"}))
    return source(name, bench, _things(), mode="destroy", permits=permits)


def _interrupted(name: str, bench: Bench) -> Source:
    _prepared(bench)
    bench.make(_things())
    bench.cloud.after["created", "t-made"] = _die
    with suppress(SystemExit):
        bench.apply(bench.plan(_things(thing("made"))), stop=CancelToken())
    bench.cloud.after.clear()
    return source(name, bench, _things())


def _restored(name: str, bench: Bench) -> Source:
    _prepared(bench)

    def images(zone: str) -> Blueprint:
        image = thing("image", kind="toy.image", zone=zone, lifecycle={"keep_generations": 1})
        return _things(image, thing("group", uses=["${image.id}"]))

    bench.make(images("one"))
    bench.make(images("two"))
    return source(name, bench, images("one"))


def _die() -> None:
    raise SystemExit


def _scaled(name: str, bench: Bench) -> Source:
    herd = resource("herd", "toy.herd", {"name": "herd", "least": 1, "now": 3})
    gate = resource("gate", "toy.gate", {"of": "${herd.id}"})
    wanted = blueprint(herd, gate, thing("nodes", kind="toy.behind", after=["gate"]))
    bench.make(wanted)
    found = source(name, bench, wanted)

    def derive(id: str) -> Any:
        return plan_scale(wanted, {"herd": 5}, store=bench.store, world=bench.world(), report=bench.log, now=bench.now)

    found.derive, found.plan = derive, derive("")
    return found


_MAKERS: dict[str, Callable[[str, Bench], Source]] = {
    "first": _first,
    "changed": _changed,
    "restored": _restored,
    "interrupted": _interrupted,
    "scaled": _scaled,
    "destroyed": _destroyed,
}
