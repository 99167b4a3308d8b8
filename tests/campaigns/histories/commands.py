"""What one process does: it makes a plan, applies one, or edits the state, as the commands of the command line do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from smplan.cli.plan_file import SavedPlans, save_plan
from smplan.core.blueprint import BackendConfig, Blueprint
from smplan.core.plan import model as plans
from smplan.core.plan.changes import NO_PERMITS, Permits
from smplan.core.plan.model import Plan
from smplan.engine.apply import Applier
from smplan.engine.edit_state import About, plan_forget, plan_move
from smplan.engine.executor import Outcome
from smplan.engine.plan import plan
from smplan.errors import BlueprintInvalid, Bug, Conflict, GuardRefused, NotOurs, SmplanError, StoreError
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.campaigns.histories import plan_laws
from tests.campaigns.histories.cloud import STRANGER, Cloud, Record
from tests.campaigns.histories.external_changes import ExternalChanges
from tests.campaigns.histories.invariants import natural
from tests.campaigns.histories.kinds import SimWorld
from tests.campaigns.histories.process import Process, SimClock, SimDisk, Trace
from tests.campaigns.histories.schedule import InvariantViolation, Schedule
from tests.campaigns.histories.site import MadePlan, Site

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class Commands:
    """The commands of all processes, in one workspace with one place for the last plan."""

    def __init__(self, folder: Path, schedule: Schedule, cloud: Cloud, trace: Trace, random: Random) -> None:
        self.saved = SavedPlans(folder)
        self.external: ExternalChanges
        self.sites: list[Site] = []
        self._declined: set[str] = set()
        self.refusal: SmplanError | None = None
        """The last refusal."""
        self.moment = 0
        """Grows with every change of a blueprint or the cloud."""
        self._schedule = schedule
        self._cloud = cloud
        self._trace = trace
        self._random = random

    def make_plan(
        self,
        process: Process,
        site: Site,
        mode: str = "apply",
        wanted: Blueprint | None = None,
        permits: Permits = NO_PERMITS,
    ) -> MadePlan | None:
        """Make a plan and check its laws; None if it was refused."""
        well, mark, moment = self.well(), site.mark, self.moment
        blueprint = wanted or site.blueprint.blueprint()
        try:
            found = plan(
                blueprint,
                store=self._store(process, site),
                world=SimWorld(process, self._cloud),
                mode=mode,
                permits=permits,
                report=lambda event: None,
                now=self._now,
            )
        except SmplanError as error:
            self._refused(process, "plan", error)
            if well and process.untouched and not self._may_refuse(site, error, mode):
                raise InvariantViolation("without faults a plan can be made", f"{error!r}") from error
            return None
        if process.random.random() < 0.1:
            found = plans.from_text(plans.to_text(found))
        made = self._made(process, site, MadePlan(found, mode, blueprint, moment, mark))
        if not process.racing and not process.suffered:
            plan_laws.check(made, site, self._cloud)
        return made

    def _made(self, process: Process, site: Site, made: MadePlan) -> MadePlan:
        site.plans.append(made)
        shown = ", ".join(step.id for step in made.plan.steps)
        self._trace.add(f"  {process.name}: plan {self._number(made)} ({made.mode}): {shown or 'nothing to do'}")
        for step in made.plan.steps:
            self._trace.count("planned", step.op)
        for _ in made.plan.kept_generations:
            self._trace.count("planned", "kept")
        return made

    def _number(self, made: MadePlan) -> str:
        site = next(site for site in self.sites if made in site.plans)
        return f"{site.name} {site.plans.index(made) + 1}"

    def _may_refuse(self, site: Site, error: SmplanError, mode: str) -> bool:
        """Whether a refusal may have its cause in what the user wrote or what exists, not in a bug."""
        if isinstance(error, NotOurs):
            return bool(site.contested(self._cloud) or site.blueprint.moved)
        if isinstance(error, BlueprintInvalid):
            names = {address for old, new in site.blueprint.moved for address in (old, new)}
            return mode == "apply" and any(name in str(error.diagnostics) for name in names)
        return isinstance(error, GuardRefused)

    def plan(self, process: Process, site: Site, permits: Permits) -> None:
        """``smplan plan BLUEPRINT``, now and then with ``--destroy``."""
        made = self.make_plan(process, site, "destroy" if process.random.random() < 0.1 else "apply", permits=permits)
        if made:
            save_plan(made.plan, self.saved.last)

    def decline(self, process: Process, site: Site, mode: str) -> None:
        """``smplan apply BLUEPRINT``, ``destroy`` or, with the mode "last", ``smplan apply``, answered with n."""
        made = (self.last_plan() or (None, None))[1] if mode == "last" else self.make_plan(process, site, mode)
        if made:
            self.saved.decline(made.plan)
            self._declined.add(made.plan.id)
            self._trace.add(f"  {process.name}: plan {self._number(made)} is declined")
            self._trace.count("declined", mode)

    def last_plan(self) -> tuple[Site, MadePlan] | None:
        """What ``smplan apply`` without an argument applies. Never a declined plan, nor one that deletes everything."""
        try:
            found = self.saved.read_last()
        except SmplanError as error:
            self._trace.add(f"there is no last plan: {type(error).__name__}")
            return None
        site, made = next((site, made) for site in self.sites for made in site.plans if made.plan.id == found.id)
        if found.id in self._declined or made.mode != "apply":
            raise InvariantViolation("a bare apply carries out no declined plan", f"{self._number(made)}, {made.mode}")
        return site, made

    def make_and_apply(
        self,
        process: Process,
        site: Site,
        mode: str = "apply",
        wanted: Blueprint | None = None,
        permits: Permits = NO_PERMITS,
    ) -> Outcome | None:
        """``smplan apply BLUEPRINT --yes`` or ``smplan destroy --yes``: the plan is saved once it is approved."""
        made = self.make_plan(process, site, mode, wanted, permits)
        if made is None:
            return None
        save_plan(made.plan, self.saved.destroy if mode == "destroy" else self.saved.last)
        return self.apply(process, site, made)

    def edit_state(self, process: Process, site: Site, source: str, target: str = "") -> Outcome | None:
        """``smplan state mv SOURCE TARGET``, or ``smplan state rm SOURCE``."""
        about = About(BackendConfig("local"), "111122223333", "us-east-1", self._now)
        try:
            replayed = self._store(process, site).read().folded
            assert replayed is not None
            found = plan_move(replayed, source, target, about) if target else plan_forget(replayed, [source], about)
        except SmplanError as error:
            self._refused(process, "state", error)
            return None
        return self.apply(
            process, site, self._made(process, site, MadePlan(found, "state", None, self.moment, site.mark))
        )

    def apply(self, process: Process, site: Site, made: MadePlan) -> Outcome | None:
        """Apply a plan. Without faults, and if it fits, that must be complete; otherwise nothing may change."""
        process.plan = made.plan
        fresh, well = made.moment == self.moment, self.well()
        expired = self._now().isoformat() > made.plan.expires
        legitimate = not expired and _is_applicable(site, made)
        self._trace.add(f"  {process.name}: applies plan {self._number(made)}")
        self._give_up(site, made.plan)
        clean = fresh and well and not expired and not process.racing
        try:
            outcome = self._applier(process, site).run(made.plan)
        except SmplanError as error:
            self._refused(process, "apply", error)
            if clean and process.untouched and legitimate:
                raise InvariantViolation("without faults a plan can be applied", f"{error!r}") from error
            return None
        finally:
            if process.began and not legitimate and not process.racing:
                raise InvariantViolation("a used, stale or expired plan changes nothing", f"plan {self._number(made)}")
        self._ended(process, outcome)
        excused = only_behind(made, outcome) or "abandon" in made.plan.permits  # which uses what the plan deletes
        if clean and process.untouched and outcome.outcome != "complete" and not excused:
            raise InvariantViolation("without faults an apply is complete", _failures(outcome))
        return outcome

    def _applier(self, process: Process, site: Site) -> Applier:
        return Applier(
            self._store(process, site),
            SimWorld(process, self._cloud),
            LockHolder(process.name, "apply", process.name, self._now().isoformat()),
            lambda event: self._trace.count("event", type(event).__name__),
            process.stop,
            parallel=process.random.choice([1, 2, 16]),
            now=self._now,
            wait_seconds=process.random.choice([0, 60]),
        )

    def _give_up(self, site: Site, found: Plan) -> None:
        """What the plan forgets may exist without a state from now on, that of which it knows no id included."""
        forgotten = [step for step in found.steps if step.op == "forget"]
        site.given_up |= {(step.kind, step.physical_id) for step in forgotten}
        made = {(step.address, step.kind, natural(step.resource.spec)) for step in forgotten if not step.physical_id}
        site.given_up |= {
            (record.kind, record.id)
            for record in self._cloud.live()
            if (record.maker.address, record.kind, natural(dict(record.spec))) in made
        }

    def _ended(self, process: Process, outcome: Outcome) -> None:
        self._trace.add(f"  {process.name}: {outcome.outcome}, {outcome.done} done; {_failures(outcome)}")
        self._trace.count("apply", outcome.outcome)
        for address, error in outcome.failed:
            self._trace.count("step failed", type(error).__name__)
            if isinstance(error, Bug):
                raise InvariantViolation("smplan reports no bug", f"{address}: {error} ({error.__cause__!r})")

    def _refused(self, process: Process, doing: str, error: SmplanError) -> None:
        self._trace.add(f"  {process.name}: {doing} refused: {type(error).__name__}, {error.message}")
        self._trace.count(f"{doing} refused", type(error).__name__)
        self.refusal = error
        if isinstance(error, Bug):
            raise InvariantViolation("smplan reports no bug", str(error)) from error
        if process.mutations and not isinstance(error, StoreError):
            raise InvariantViolation("a refused command changes nothing", f"{process.mutations} calls before {error!r}")

    def well(self) -> bool:
        """Whether nothing blocks a run, Describe returns all resources, and no resource has two users."""
        now = self._schedule.now
        settled = all(record.visible_at <= now and record.gone_at is None for record in self._cloud.live())
        return settled and self.external.quiet and not self.entangled()

    def entangled(self) -> bool:
        """Whether two states have one resource, or a resource uses what its state does not know of."""
        held = [set(site.held()) for site in self.sites]
        if any(one & other for at, one in enumerate(held) for other in held[:at]):
            return True
        if any(each.unmanaged_users(self._cloud) or each.mistakes(self._cloud) for each in self.sites):
            return True
        holders = {key: site.lineage for site in self.sites for key in site.held()}
        makers = {
            record.id: holders.get((record.kind, record.id), record.maker.lineage) for record in self._cloud.live()
        }
        abandoned = {record.id for record in self.abandoned()}
        return any(
            makers[user] != maker or user in abandoned
            for id, maker in makers.items()
            for user in self._cloud.users(id)
            if maker != STRANGER.lineage and id not in abandoned
        )

    def abandoned(self) -> list[Record]:
        """What no state holds by the wish of its user, and what an interrupted run made and has no tags now."""
        given_up = {key for site in self.sites for key in site.given_up}
        held = {key for site in self.sites for key in site.held()}
        return [
            record
            for record in self._cloud.live()
            if record.maker is not STRANGER
            and (record.kind, record.id) not in held
            and (record.shared or (record.kind, record.id) in given_up or record.tagged != record.taggable)
        ]

    def _store(self, process: Process, site: Site) -> LocalStore:
        return LocalStore(site.path, clock=SimClock(process), disk=SimDisk(process))

    def _now(self) -> datetime:
        return BEGINNING + timedelta(seconds=int(self._schedule.now))


def _is_applicable(site: Site, made: MadePlan) -> bool:
    """Whether it may be applied: never begun and still current, or the last begun and not ended."""
    folded = site.folded
    run = folded.run if folded else None
    if run is not None and run.plan_id == made.plan.id:
        return True
    used = folded.state.used_plans if folded else ()
    if folded and not used and folded.state.lineage == made.plan.base.lineage:
        return True  # its first apply died after saving an empty state
    return made.plan.id not in used and made.mark == site.mark


def only_behind(made: MadePlan, outcome: Outcome) -> bool:
    """Whether all that failed are names that are taken behind a Stream Manager, which the plan may not have asked."""
    kinds = {step.address: step.kind for step in made.plan.steps}
    return all(
        isinstance(error, (Conflict, NotOurs)) and kinds[address] == "sim.behind" for address, error in outcome.failed
    )


def _failures(outcome: Outcome) -> str:
    return "; ".join(f"{address}: {type(error).__name__}, {error.message}" for address, error in outcome.failed)
