"""Many forgeries of many plans: how many were tried, what refused them, and the calls that were made: none."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from smplan.core.plan.model import to_json
from tests.campaigns.forge import sources
from tests.campaigns.forge.attacks import ATTACKS, Attack
from tests.campaigns.forge.forgeries import forgeries
from tests.campaigns.forge.judge import End, Source, contradictions, judge
from tests.campaigns.report import table


@dataclass
class Figures:
    """What became of the forgeries so far: by member and end, and what went wrong."""

    ends: Counter[tuple[str, End]] = field(default_factory=Counter)
    contradictory: Counter[str] = field(default_factory=Counter)
    """By member: how many are refused whoever vouches for them."""
    calls: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """All of them."""
        return self.ends.total()

    @property
    def refused(self) -> int:
        """Those that are not applied unless a person vouches for them."""
        return self.tried - sum(number for (_, end), number in self.ends.items() if end in (End.SAME, End.HARMLESS))

    def text(self) -> str:
        """The table by member, and the sums."""
        members = sorted({member for member, _ in self.ends})
        rows = [
            (member, *(str(self.ends[member, end]) for end in End), str(self.contradictory[member]))
            for member in members
        ]
        head = ("member", *End, "contradicts itself or the state")
        sums = f"forgeries tried: {self.tried}, refused: {self.refused}, calls made: {self.calls}"
        return "\n".join([table(head, rows), sums, *(f"  violation: {each}" for each in self.violations)])


def try_source(source: Source, other: Source, seed: int, most: int, figures: Figures) -> None:
    """Forge the plan of ``source``, also with members of that of ``other``; the real one must be accepted."""
    wrong = contradictions(source, source.plan)
    if wrong:
        figures.violations.append(f"{source.name}: the real plan is refused: {wrong}")
    document, foreign = to_json(source.plan), to_json(other.plan)
    for forgery in forgeries(document, foreign, Random(f"{seed} {source.name}"), most):
        try:
            verdict = judge(source, forgery)
        except Exception as error:
            figures.violations.append(f"{source.name}: {forgery}: {error!r}")
            continue
        figures.ends[forgery.member, verdict.end] += 1
        figures.contradictory[forgery.member] += bool(verdict.contradiction)
        figures.calls += verdict.calls
        if verdict.calls or verdict.violation:
            figures.violations.append(f"{source.name}: {verdict.violation or f'{forgery}: {verdict.calls} calls'}")


@dataclass(frozen=True)
class Judged:
    """What became of an attack: what is said even if a person vouches for it, and what went wrong."""

    said: str
    wrong: str


def judged(source: Source, attack: Attack) -> Judged:
    """What becomes of ``attack``, a forged plan of ``source``."""
    verdict = judge(source, attack.forgery(to_json(source.plan)))
    said = verdict.contradiction.partition("\n")[2] or verdict.contradiction
    wrong = verdict.violation or (f"{verdict.calls} calls" if verdict.calls else "")
    if verdict.end not in (End.DIFFERS, End.STALE, End.CONTRADICTS):
        wrong = wrong or f"it ends as {verdict.end}"
    if (attack.contradiction not in said) if attack.contradiction else said:
        wrong = wrong or f"it is said: {said!r}"
    return Judged(said.partition("\n")[0] or f"only its origin: {verdict.end}", wrong)


def campaign(seed: int, most: int, fleets: Iterable[Source] = ()) -> int:
    """Forge the plans of the fake world, and those of ``fleets``; the exit code: 1 if a promise was broken."""
    since, figures = time.monotonic(), Figures()
    with TemporaryDirectory(prefix="smplan-forge-") as folder:
        found = list(sources.sources(Path(folder)))
        attacks = {attack.name: judged(found[1], attack) for attack in ATTACKS}
        print(table(("attack", "refused by"), [(name, each.said) for name, each in attacks.items()]))
        figures.violations += [f"{name}: {each.wrong}" for name, each in attacks.items() if each.wrong]
        other = found[-1]
        for source in chain(found, fleets):
            try_source(source, other, seed, most, figures)
            other = source
            print(f"  {source.name}: {figures.tried} tried after {time.monotonic() - since:.0f} s", flush=True)
    print(figures.text())
    return 1 if figures.violations or not figures.tried else 0
