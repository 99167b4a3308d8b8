"""One history: random edits, runs, external changes and faults, with every invariant checked after each step."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

from smplan.core.plan.changes import Permits
from smplan.engine.executor import Outcome
from tests.campaigns.histories import invariants
from tests.campaigns.histories.cloud import Cloud
from tests.campaigns.histories.commands import Commands
from tests.campaigns.histories.external_changes import ExternalChanges
from tests.campaigns.histories.faults import random_faults
from tests.campaigns.histories.process import FaultPlan, Process, Trace
from tests.campaigns.histories.random_blueprints import RandomBlueprint
from tests.campaigns.histories.schedule import InvariantViolation, Killed, Runners, Schedule
from tests.campaigns.histories.site import MadePlan, Site

DAY = 86400.0
_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|/[^ ]+/")
PERMITTED = {"--unprotect": 0.5, "--abandon": 0.1}
"""How often a command permits something, where there is any."""
MEETING = 0.35
"""The share of histories in which two states meet."""

STEPS = {
    "edit": 34,
    "outside step": 16,
    "plan": 8,
    "apply the last plan": 8,
    "apply an old plan": 6,
    "plan and apply": 26,
    "roll out and back": 8,
    "decline": 5,
    "destroy": 4,
    "state mv": 3,
    "state rm": 2,
    "wait": 3,
    "race": 6,
}


class NoProcess:
    """The owner of threads that belong to no process."""

    dead = False


class History:
    """The history of one seed. ``run`` raises InvariantViolation; ``trace`` records every step."""

    def __init__(self, seed: int, folder: Path, runners: Runners) -> None:
        self.trace = Trace()
        self._random = random = Random(seed)
        self._schedule = Schedule(Random(seed + 1), runners, NoProcess())
        self._cloud = Cloud(self._schedule, Random(seed + 2))
        self._commands = Commands(folder, self._schedule, self._cloud, self.trace, random)
        self._sites = self._commands.sites
        self._sites.append(Site(RandomBlueprint(random), folder / "toys.state.json"))
        if random.random() < MEETING:
            other = RandomBlueprint(random, "games", 100, self._sites[0].blueprint)
            self._sites.append(Site(other, folder / "games.state.json"))
        self._external = ExternalChanges(self._cloud, self._sites, random)
        self._commands.external = self._external
        self._processes = 0
        self._permitting = Random(seed + 3)
        """Draws for permits alone, so that they change nothing else of a history."""

    def run(self) -> None:
        """Run every step. Raises InvariantViolation."""
        for site in self._sites:
            self.trace.add(f"{site.name}: blueprint: {site.blueprint.shown()}")
        for _ in range(self._random.randint(5, 30)):
            (step,) = self._random.choices(list(STEPS), list(STEPS.values()))
            self._schedule.now += self._random.choice([0.0, 5.0, 600.0])
            self.trace.count("step", step)
            getattr(self, "_" + step.replace(" ", "_"))(self._any_site())
            self._check()

    def digest(self) -> str:
        """SHA-256 of the trace without random ids and folders: the same for the same seed."""
        return sha256(_RANDOM.sub("", "\n".join(self.trace.lines)).encode()).hexdigest()

    def _any_site(self) -> Site:
        return self._sites[-1] if self._random.random() < 0.4 else self._sites[0]

    # The steps.

    def _edit(self, site: Site, name: str = "") -> None:
        name, what = site.blueprint.edit(name)
        self._commands.moment += 1
        self.trace.add(f"{site.name}: edit: {name} {what}")
        self.trace.count("edit" if what else "edit without object", name)
        self.trace.add(f"  blueprint: {site.blueprint.shown()}")

    def _roll_out_and_back(self, site: Site) -> None:
        """Apply, change what cannot be changed in place, and go back, applied each time."""
        for name in ("change", "change immutable", "go back", "go back")[: self._random.randint(3, 4)]:
            self._edit(site, name)
            self._plan_and_apply(site)
            self._check()

    def _outside_step(self, site: Site) -> None:
        name, what = self._external.act(site)
        self._commands.moment += 1
        self.trace.add(f"outside: {name} {what}")
        self.trace.count("outside" if what else "outside without object", name)

    def _wait(self, site: Site) -> None:
        days = self._random.choice([0.1, 1.0, 8.0])
        self._schedule.now += days * DAY
        self.trace.add(f"{days} days pass")

    def _plan(self, site: Site) -> None:
        process = self._process(site, random_faults(self._random))
        permits = self._permits(site)
        self._together((process, lambda: self._commands.plan(process, site, permits)))

    def _plan_and_apply(self, site: Site) -> None:
        process = self._process(site, random_faults(self._random))
        outcomes: list[Outcome | None] = []
        permits = self._permits(site)
        apply = partial(self._commands.make_and_apply, process, site, permits=permits)
        self._together((process, lambda: outcomes.append(apply())))
        self._check()
        if self._random.random() < 0.4 and any(each and each.outcome == "complete" for each in outcomes):
            self._expect_settled(site, site.plans[-1])

    def _expect_settled(self, site: Site, made: MadePlan) -> None:
        """After a complete apply the cloud matches the blueprint, and a second plan is empty."""
        if not self._commands.well() or made.plan.unreadable or made.blueprint is None or site.folded is None:
            return
        invariants.check_equal(made.blueprint, site.folded.state, self._cloud)
        process = self._process(site, FaultPlan())
        found: list[MadePlan | None] = []
        self._together((process, lambda: found.append(self._commands.make_plan(process, site))))
        if not found or found[0] is None or not found[0].plan.empty:
            raise InvariantViolation("a second plan after a complete apply is empty", "")
        self.trace.count("second plan", "empty")

    def _destroy(self, site: Site) -> None:
        process = self._process(site, random_faults(self._random))
        permits = self._permits(site)
        self._together((process, lambda: self._commands.make_and_apply(process, site, "destroy", permits=permits)))

    def _permits(self, site: Site) -> Permits:
        """Now and then ``--unprotect`` and ``--abandon``, of what is protected, or of anything."""
        random, found = self._permitting, {"--unprotect": frozenset[str](), "--abandon": frozenset[str]()}
        entries = list(site.entries())
        protected = [entry.address for entry in entries if entry.prevent_destroy]
        for option, addresses in (("--unprotect", protected), ("--abandon", [entry.address for entry in entries])):
            if addresses and random.random() < PERMITTED[option]:
                found[option] = frozenset({random.choice(addresses)})
                self.trace.add(f"  with {option} {', '.join(found[option])}")
                self.trace.count("permit", option)
        return Permits(found["--unprotect"], found["--abandon"])

    def _decline(self, site: Site) -> None:
        """Answer no at the prompt of ``apply`` or ``destroy``; bare applies happen later."""
        mode = self._random.choice(["apply", "destroy", "last"])
        process = self._process(site, FaultPlan())
        self._together((process, lambda: self._commands.decline(process, site, mode)))

    def _apply_the_last_plan(self, site: Site) -> None:
        """``smplan apply --yes`` without an argument, in the workspace that the sites share."""
        found = self._commands.last_plan()
        if found:
            self._apply_one(*found)

    def _apply_an_old_plan(self, site: Site) -> None:
        plans = [made for made in site.plans if made.mode != "state"]
        if plans:
            self._apply_one(site, self._random.choice(plans))

    def _apply_one(self, site: Site, made: MadePlan) -> None:
        process = self._process(site, random_faults(self._random))
        self._together((process, lambda: self._commands.apply(process, site, made)))

    def _state_mv(self, site: Site) -> None:
        """Give a record a new address, or that of a resource of its kind that the blueprint has."""
        entries = list(site.folded.state.resources.values()) if site.folded else []
        if entries:
            entry = self._random.choice(entries)
            same = [each.address for each in site.blueprint.resources if each.kind == entry.kind]
            target = self._random.choice(same) if same and self._random.random() < 0.5 else site.blueprint.fresh()
            self._edit_state(site, entry.address, target)

    def _state_rm(self, site: Site) -> None:
        addresses = list(dict.fromkeys(entry.address for entry in site.entries()))
        if addresses:
            self._edit_state(site, self._random.choice(addresses))

    def _edit_state(self, site: Site, source: str, target: str = "", faults: FaultPlan | None = None) -> None:
        self.trace.add(f"{site.name}: state {'mv' if target else 'rm'} {source} {target}")
        process = self._process(site, faults or random_faults(self._random))
        self._together((process, lambda: self._commands.edit_state(process, site, source, target)))

    def _race(self, site: Site) -> None:
        works: list[tuple[Process, Callable[[], object]]] = []
        for each, faults in ((site, random_faults(self._random)), (self._any_site(), FaultPlan())):
            process = self._process(each, faults, racing=True)
            plans = [made for made in each.plans if made.mode != "state"]
            if plans and self._random.random() < 0.5:
                works.append((process, partial(self._commands.apply, process, each, plans[-1])))
            else:
                works.append((process, partial(self._commands.make_and_apply, process, each)))
        self._together(*works)

    # Processes.

    def _process(self, site: Site, faults: FaultPlan, *, racing: bool = False) -> Process:
        self._processes += 1
        process = Process(f"p{self._processes}", self._schedule, faults, self._random, self.trace)
        process.racing = racing
        if not racing:
            process.protected = frozenset((each.kind, each.id) for each in site.entries() if each.prevent_destroy)
            process.kept = frozenset((each.kind, each.id) for each in site.entries() if each.keep)
        self.trace.add(f"  {process.name}: {site.name}, faults {faults}")
        return process

    def _together(self, *works: tuple[Process, Callable[[], object]]) -> None:
        """Run all works concurrently, each in its process, until the last has ended or died."""
        (first, work), *others = works
        turns = [self._schedule.start(process, other) for process, other in others]
        mine = self._schedule.current
        no_process, mine.process = mine.process, first
        try:
            work()
        except Killed:
            pass
        finally:
            mine.process = no_process
        self._schedule.join(turns)
        if self._schedule.fault:
            raise self._schedule.fault
        self._commands.moment += any(process.mutations for process, _ in works)

    # The invariants.

    def _check(self) -> None:
        for site in self._sites:
            self._commands.moment += site.read()
        invariants.check_world(self._sites, self._cloud)
        self._external.forget_adopted()
        changed = self._external.changed()
        if changed:
            raise InvariantViolation("resources of other owners are not changed", ", ".join(changed))
