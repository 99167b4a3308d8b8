"""Before anything is read or changed: the account, this machine's clock, and how long the credentials last."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from smplan.core.clock_skew import FIX_CLOCK_HINT, MAX_SECONDS, WARN_SECONDS
from smplan.core.events import ClockSkewed
from smplan.core.plan.duration import critical_path_seconds
from smplan.core.plan.model import Plan
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.errors import Denied, Expired, GuardRefused


def account(world: Providers, report: Report) -> str:
    """The account that the credentials belong to, which is the first that AWS is asked.

    Its answer tells the time: a clock a minute off is told, one four minutes off refused with GuardRefused, whether or
    not AWS refused it already. Raises Denied, Expired and so on as AWS answers.
    """
    try:
        found = world.aws.account
    except (Denied, Expired):
        _check_clock(world, report)
        raise
    _check_clock(world, report)
    return found


def _check_clock(world: Providers, report: Report) -> None:
    ahead = world.aws.ahead or 0.0
    if abs(ahead) > MAX_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        raise GuardRefused(
            f"this machine's clock is {abs(ahead):.0f} seconds {way} AWS's, which refuses requests that are 300 off",
            hint=FIX_CLOCK_HINT,
        )
    if abs(ahead) > WARN_SECONDS:
        report(ClockSkewed(ahead))


def check_credentials(plan: Plan, done: Collection[str], world: Providers, now: datetime) -> None:
    """Raise GuardRefused if the credentials run out before what is left of ``plan`` is expected to be done."""
    end = world.aws.runs_out if plan.account else None
    if end is None:
        return
    left, needed = (end - now).total_seconds(), critical_path_seconds(plan.steps, done)
    if left < needed:
        raise GuardRefused(
            f"the credentials run out at {end:%H:%M:%S %Z}, in {_minutes(left)}, "
            f"and the plan is expected to take {_minutes(needed)}",
            hint="renew them (such as with `aws sso login` or `aws sts assume-role`), then run the same command again",
        )


def _minutes(seconds: float) -> str:
    return f"{max(seconds, 0) / 60:.1f} min"
