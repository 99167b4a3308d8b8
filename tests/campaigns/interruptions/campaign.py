"""The cases in several processes: a table of what was predicted and what was measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from smplan.core.risk import Sessions
from tests.campaigns.interruptions.cases import all_cases
from tests.campaigns.interruptions.measure import Notice, Result, measure

FIRST_ACCOUNT = 700_000_000_000
NOTHING = Notice(0, Sessions.NONE)


def run_case(name: str) -> Result:
    """The result of one case, on a sandbox of its own."""
    cases = all_cases()
    account = str(FIRST_ACCOUNT + [*cases].index(name))
    with TemporaryDirectory(prefix="smplan-interruptions-") as folder:
        try:
            return measure(cases[name], Path(folder), account)
        except Exception as error:
            return Result(cases[name], NOTHING, NOTHING, "", (f"{type(error).__name__}: {error}",))


def run_cases(names: Sequence[str], jobs: int) -> Iterator[Result]:
    """The results of the cases, in ``jobs`` processes; 1 is this one."""
    if jobs == 1:
        yield from map(run_case, names)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_case, names)


def campaign(names: Sequence[str], jobs: int) -> int:
    """Run the cases and print what became of them; 1 if a prediction was wrong, or AWS has a way without silence."""
    since, results, width = time.monotonic(), list[Result](), max(map(len, names), default=0)
    print(f"{'case':{width}}  {'predicted':14}  {'measured':14}  why")
    for result in run_cases(names, jobs):
        results.append(result)
        row = f"{result.case.name:{width}}  {result.predicted!s:14}  {result.measured!s:14}  {_why(result)}"
        print("\n".join([row.rstrip(), *(f"  WRONG: {each}" for each in result.wrong)]), flush=True)
    wrong, noticed = sum(bool(each.wrong) for each in results), sum(each.measured != NOTHING for each in results)
    silent = sum(each.measured.seconds != 0 for each in results)
    print(
        f"\n{len(results)} cases, {time.monotonic() - since:.0f} s; noticed by viewers: {noticed}, of these with "
        f"silence: {silent}; wrong: {wrong}"
    )
    return 1 if wrong or not results else 0


def _why(result: Result) -> str:
    """The reasons of the plan, and why AWS has no way without silence."""
    return " | ".join(filter(None, (result.why, result.case.unavoidable if result.measured.seconds != 0 else "")))
