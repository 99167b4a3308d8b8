"""Planning another size of scaling groups, for `smplan scale`: nothing else of the blueprint is changed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from smplan.core import graph
from smplan.core.blueprint import Blueprint
from smplan.core.plan.model import Plan, with_digest
from smplan.core.plan.risks import effects, recorded_effects
from smplan.core.plan.scaling import ScalePlanner
from smplan.core.plan.steps import plan_steps
from smplan.core.resolver import Resolver
from smplan.drivers.retry import Pause, sleep
from smplan.engine import refresh
from smplan.engine.plan import Now, account_of, check_kinds, drafted, state_of, utc_now
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.guide import interruptions, ordering

if TYPE_CHECKING:
    from smplan.stores.interface import Store


def plan_scale(
    blueprint: Blueprint,
    sizes: Mapping[str, int | None],
    *,
    store: Store,
    world: Providers,
    report: Report,
    pause: Pause = sleep,
    now: Now = utc_now,
    commit: str = "",
    planner: str = "",
) -> Plan:
    """The plan that gives each group of ``sizes``, by address, that size; None is that of the blueprint.

    Nothing else is changed, except that what is started again is waited for. Raises as ``plan`` does.
    """
    world.on_retry(report, pause)
    snapshot, id = store.read(), str(uuid.uuid4())
    state = state_of(snapshot, blueprint, id)
    check_kinds(state, world)
    ordered = graph.build(blueprint, ordering.edges)
    account = account_of(blueprint, state, world, report)
    written = [each.spec for each in blueprint.resources if each.address in sizes]
    lookups = refresh.read_lookups(blueprint, world, needed_by=[blueprint.stream_manager or {}, *written])
    groups = [each for each in state.resources.values() if each.address in sizes]
    observed = replace(refresh.read_resources(groups, world, report), lookups=lookups)
    resolver = Resolver(lookups, state.resources.values())
    interrupted = snapshot.folded is not None and snapshot.folded.run is not None
    changes = ScalePlanner(ordered, world.kind, state, observed, resolver, interrupted).plan(sizes)
    changes.raise_if_refused()
    steps = plan_steps(changes, ordered)
    others = recorded_effects(state.resources.values(), but=changes.changes)
    return with_digest(
        replace(
            drafted(blueprint, snapshot, state, steps, id, now(), commit),
            planner=planner,
            mode="scale",
            account=account,
            region=world.aws.region if account else "",
            lookups=lookups,
            stopped=changes.stopped,
            unchanged=tuple(sorted(state.resources.keys() - {step.address for step in steps} - changes.stopped.keys())),
            outputs=state.outputs,
            interruptions=interruptions.predict([*effects(changes), *others]),
        )
    )
