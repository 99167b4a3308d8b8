"""Plans that change only the state: addresses given to resources, and resources forgotten. Nothing is deleted."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from smplan import __version__
from smplan.core.blueprint import BackendConfig
from smplan.core.plan.model import Op, Plan, StateRef, Step, with_digest
from smplan.core.state.journal import ReplayedState
from smplan.core.state.model import ResourceState, State, next_generation, rename_dependencies
from smplan.engine.plan import Now, utc_now
from smplan.errors import SmplanError


@dataclass(frozen=True)
class About:
    """Of the state that is edited: where it is, and the account and region of its resources; ``now`` is the clock."""

    backend: BackendConfig
    account: str = ""
    region: str = ""
    now: Now = utc_now


_LIST = "list the addresses with `smplan state list`"
_TTL = timedelta(hours=1)


def plan_move(replayed: ReplayedState, before: str, after: str, about: About) -> Plan:
    """The plan that gives the resource at ``before`` the address ``after``. Raises SmplanError if it cannot."""
    state = replayed.state
    record = _record(state, before)
    if after in state.resources:
        raise SmplanError(f"the state has {after} already", hint=_LIST)
    generation = max(record.generation, next_generation(state.deposed, after))
    moved = rename_dependencies(replace(record, address=after, generation=generation), {})
    step = Step(f"{after}:move", Op.MOVE, moved, (f"it was {before}",), previous_address=before)
    return _plan(replayed, [step], about)


def plan_forget(replayed: ReplayedState, addresses: Sequence[str], about: About) -> Plan:
    """The plan that forgets what is at ``addresses``, older generations too; it continues to exist.

    Raises SmplanError if there is nothing.
    """
    why = ("it is removed from the state, and continues to exist",)
    steps = []
    for address in dict.fromkeys(addresses):
        older = [each for each in replayed.state.deposed if each.address == address]
        if not older or address in replayed.state.resources:
            steps.append(Step(f"{address}:forget", Op.FORGET, _record(replayed.state, address), why))
        steps += [Step(f"{address}:forget#{each.generation}", Op.FORGET, each, why) for each in older]
    return _plan(replayed, steps, about)


def _record(state: State, address: str) -> ResourceState:
    if address not in state.resources:
        raise SmplanError(f"the state has nothing at `{address}`", hint=_LIST)
    return state.resources[address]


def _plan(replayed: ReplayedState, steps: list[Step], about: About) -> Plan:
    state, now = replayed.state, about.now()
    return with_digest(
        Plan(
            id=str(uuid.uuid4()),
            name=state.name,
            mode="apply",
            created=now.isoformat(),
            expires=(now + _TTL).isoformat(),
            smplan_version=__version__,
            blueprint={},
            variables={},
            base=StateRef(state.lineage, state.serial, replayed.digest(), exists=True),
            backend=about.backend,
            account=about.account,
            region=about.region,
            lookups={},
            stream_manager=None,
            steps=tuple(steps),
            outputs=state.outputs,
        )
    )
