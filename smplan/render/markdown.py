"""A plan as Markdown for a pull-request comment: destructive and risky steps first, and never cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Plan, Step
from smplan.render import attributes
from smplan.render.formatting import DESTRUCTIVE, SIGNS, one_line, short, summary, value

BUDGET = 60_000
"""In characters; a GitHub comment holds 65,536."""
_LINE = 300


def plan(plan: Plan) -> str:
    """Summary, origin, a table of every destructive or risky step, and the steps that fit ``BUDGET``, collapsed."""
    head = [f"### smplan: {_text(plan.name)} ({plan.mode})", "", _text(summary(plan)), ""]
    head += [*(f"- {name}: {_text(text)}" for name, text in attributes.origin(plan).items()), ""]
    risky = [step for step in plan.steps if step.op in DESTRUCTIVE or step.risks]
    if risky:
        head += ["| | address | kind | why | risk |", "|---|---|---|---|---|", *map(_row, risky), ""]
    if plan.interruptions:
        head += ["**What clients notice**", "", *(f"- {_text(each)}" for each in attributes.interruptions(plan)), ""]
    if plan.drift:
        head += ["**Changed outside smplan since the last apply**", ""]
        head += [f"- {_code(each.address)} {'is gone' if each.gone else _paths(each.changes)}" for each in plan.drift]
        head.append("")
    head += [
        f"- {_code(address)} cannot be read and is left unchanged: {_text(why)}"
        for address, why in plan.unreadable.items()
    ]
    head += [f"- {_text(line)}" for line in (*attributes.left_as_is(plan), *attributes.not_checked(plan))]
    head += [f"- **warning:** {_text(each)}" for each in plan.warnings]
    tail = ["", f"Plan {_code(plan.id)}, digest {_code(plan.digest)}, may be applied until {plan.expires}.", ""]
    fixed = "\n".join(head)
    details = _details(plan, BUDGET - len(fixed) - len("\n".join(tail)))
    return "\n".join([fixed, *details, *tail])


def _details(plan: Plan, room: int) -> list[str]:
    """The steps, each shown whole or not at all. What does not fit is announced before the fold."""
    lines: list[str] = []
    room -= 400
    for number, step in enumerate(plan.steps):
        shown = list(_step(step))
        room -= sum(len(line) + 1 for line in shown)
        if room < 0:
            left = f"{len(plan.steps) - number} more steps"
            warning = [f"**Too long for a comment: {left} are not shown here. `smplan show` lists them.**", ""]
            return [*warning, *_folded("The first steps", [*lines, f"… and {left}; `smplan show` lists them"])]
        lines += shown
    return _folded("All steps, in order", lines) if plan.steps else []


def _folded(title: str, lines: list[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", "```text", *lines, "```", "", "</details>"]


def _step(step: Step) -> Iterator[str]:
    yield _fenced(f"{SIGNS[step.op]} {step.address}  {step.kind}  ({step.op})")
    yield from (line.replace("```", "ˋˋˋ") for line in attributes.lines(step))
    for dependency in step.depends_on:
        yield _fenced(f"    after {dependency.step}: {dependency.reason}")


def _row(step: Step) -> str:
    why, risk = _text("; ".join(step.reasons)), _text("; ".join(map(str, step.risks)))
    return f"| {SIGNS[step.op]} {step.op} | {_code(step.address)} | {_code(step.kind)} | {why} | {risk} |"


def _paths(changes: Sequence[AttributeChange]) -> str:
    return ", ".join(
        f"{_code(change.path)}: {_code(value(change.before))} is {_code(value(change.after))}" for change in changes
    )


def _text(text: str) -> str:
    """``text`` with the characters special to Markdown, tables and HTML escaped."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]()#+!|~@-" else _entity(char) for char in one_line(text))


def _entity(char: str) -> str:
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(char, char)


def _code(text: str) -> str:
    """``text`` as code, without characters that end the code or the table cell."""
    return f"`{short(one_line(text), _LINE).replace('`', 'ˋ').replace('|', '¦')}`"


def _fenced(text: str) -> str:
    """A line of a code block, unable to end the block."""
    return f"{text[: len(text) - len(text.lstrip())]}{one_line(text)}".replace("```", "ˋˋˋ")
