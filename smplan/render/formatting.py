"""Formatting that the renderers share: signs, durations, values, and untrusted text without control characters."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping

from smplan.core.plan.duration import critical_path_seconds
from smplan.core.plan.model import Op, Plan
from smplan.core.risk import Sessions
from smplan.core.values import Json
from smplan.core.wording import count

SIGNS: Mapping[str, str] = {
    Op.CREATE: "+",
    Op.UPDATE: "~",
    Op.REPLACE: "±",
    Op.DELETE: "-",
    Op.ADOPT: "»",
    Op.FORGET: "×",
    Op.MOVE: "→",
    Op.RESTORE: "↶",
    Op.GATE: "?",
    Op.UNPROTECT: "!",
    Op.SCALE: "↕",
}
VERBS: Mapping[Op, str] = {
    Op.CREATE: "to create",
    Op.UPDATE: "to update",
    Op.REPLACE: "to replace",
    Op.DELETE: "to delete",
    Op.ADOPT: "to adopt",
    Op.FORGET: "to forget",
    Op.MOVE: "to move",
    Op.RESTORE: "to restore",
    Op.GATE: "to wait for",
    Op.UNPROTECT: "to unprotect",
    Op.SCALE: "to scale",
}
DESTRUCTIVE = (Op.DELETE, Op.REPLACE)
LONGEST = 200
_AGAIN = "the plan is incomplete, and a second one is needed once that is possible"


def plain(text: str) -> str:
    """``text`` without terminal control characters; line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(char if char in "\n\t" or not _is_control(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def one_line(text: str) -> str:
    """``text`` on one line, without control characters."""
    return " ".join(plain(text).split())


def duration(seconds: float) -> str:
    """``seconds`` in words: 45 s, 9 min, 2 h 5 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def value(data: Json) -> str:
    """A value of a plan on one line: references by what makes them known, secrets by their source."""
    match data:
        case {"$ref": str(ref)}:
            return f"(known after apply: {one_line(ref)})"
        case {"$template": list(parts)}:
            return f'"{"".join(_part(part) for part in parts)}"'
        case {"$secret": str(source)}:
            return f"(secret {one_line(source)})"
        case dict():
            inner = ", ".join(f"{one_line(str(key))}: {value(item)}" for key, item in data.items())
            return f"{{{inner}}}"
        case list():
            return f"[{', '.join(value(item) for item in data)}]"
        case str():
            return json.dumps(plain(data), ensure_ascii=False)
    return json.dumps(data)


def _part(part: Json) -> str:
    return plain(part) if isinstance(part, str) else f"<{one_line(part['$ref'])}>"


def short(text: str, most: int = LONGEST) -> str:
    """``text`` cut to ``most`` characters, ending in … if it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def summary(plan: Plan) -> str:
    """The number of steps per operation, the expected duration, and whether something could not be read."""
    unread = count(len(plan.unreadable), "resource")
    if plan.empty and plan.unreadable:
        return f"No changes where it could be read ({len(plan.unchanged)} unchanged), but {unread} could not: {_AGAIN}."
    stopped = f", {len(plan.stopped)} stopped" if plan.stopped else ""
    if plan.empty:
        return f"No changes: {count(len(plan.unchanged), 'resource')} up to date{stopped}."
    counts = plan.counts()
    changes = ", ".join(f"{counts[op]} {verb}" for op, verb in VERBS.items() if counts[op])
    time = duration(critical_path_seconds(plan.steps))
    risks = f" {risk_summary(plan)}." if plan.risk_counts() else ""
    clients = f" Clients: {interruption(plan.silent_seconds, plan.sessions_cut)}." if plan.interruptions else ""
    incomplete = f" {unread} could not be read: {_AGAIN}." if plan.unreadable else ""
    return f"{changes}; {len(plan.unchanged)} unchanged{stopped}; about {time} on AWS.{risks}{clients}{incomplete}"


def interruption(seconds: float | None, sessions: Sessions) -> str:
    """What clients notice: ``no answer for up to 45 s, all sessions end``."""
    if seconds is None:
        answer = "no answer from then on"
    else:
        answer = f"no answer for up to {duration(seconds)}" if seconds else "answered all the while"
    return f"{answer}, {'no session ends' if sessions is Sessions.NONE else f'{sessions} sessions end'}"


def risk_summary(plan: Plan) -> str:
    """The number of risks, in all and of each category: ``3 risks (1 access, 2 serving path)``."""
    counts = plan.risk_counts()
    each = ", ".join(f"{number} {category}" for category, number in counts.items())
    return f"{count(sum(counts.values()), 'risk')} ({each})"
