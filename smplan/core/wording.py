"""Words for messages: quoted names, counts, suggestions for misspelled names, and names of types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from smplan.core.blueprint import printable
from smplan.core.values import Interpolation, Path, Ref, Secret

_LONGEST_WORD = 80
_MANY_WORDS = 300
_FEW_NAMES = 14
_SHORT = {
    "asg": "autoscaling group",
    "auto": "autoscaling",
    "elb": "elbv2",
    "lb": "elbv2 load balancer",
    "alb": "elbv2 load balancer",
    "elasticloadbalancingv2": "elbv2",
    "ami": "image",
    "sg": "security group",
    "policy": "scaling policy",
}


def shape(value: object) -> str:
    """The name of the type of ``value``, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case Secret():
            return "a secret"
        case Ref() | Interpolation():
            return "a reference"
    return "a map"


def dotted(path: Path) -> str:
    """A path in dotted notation: ``targets[0].role``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return printable(text if len(text) <= _LONGEST_WORD else f"{text[:_LONGEST_WORD]}…")


def quoted(text: str) -> str:
    """``text`` between backticks, short and without control characters."""
    return f"`{printable(text if len(text) <= _LONGEST_WORD else text[:_LONGEST_WORD] + '…')}`"


def same_resource(address: str, other: str, kind: str, key: str) -> tuple[str, str]:
    """The message and the hint for two addresses with one natural key."""
    return f"{address} and {other} are the same {kind}: {key}", "remove one of them, or make them differ"


def count(number: int, unit: str) -> str:
    """A number with its unit in the right form: ``1 item``, ``2 items``."""
    return f"{number} {unit}{'' if number == 1 else 's'}"


def one_of(word: str, names: Collection[str]) -> str:
    """The name that was probably meant; otherwise all names, if they are few."""
    near = suggestion(word, names)
    if near or not names or len(names) > _FEW_NAMES:
        return near
    return f"one of: {', '.join(sorted(names))}"


def kind_suggestion(word: str, kinds: Iterable[str]) -> str:
    """``did you mean …?`` for the kind that has most words of ``word``, other tools' names included."""
    if len(word) > _LONGEST_WORD:
        return ""
    names, wanted = sorted(kinds), _words_of(word)

    def shared(name: str) -> float:
        return len(wanted & _words_of(name)) / len(wanted | _words_of(name))

    best = max(names, key=lambda name: (shared(name), difflib.SequenceMatcher(None, word, name).ratio()), default="")
    if best and shared(best) >= 0.5:
        return f"did you mean `{best}`?"
    last = re.split(r"[^a-z0-9]+", word.lower())[-1]
    ends = [name for name in names if last and name.rpartition(".")[2].endswith(last)]
    return suggestion(word, ends if len(ends) == 1 else names) or (
        f"did you mean `{ends[0]}`?" if len(ends) == 1 else ""
    )


def _words_of(kind: str) -> frozenset[str]:
    """The words of a kind's name, other tools' short names written out."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    words = [_SHORT.get(each, each) for each in re.split(r"[^a-z0-9]+", spaced) if each not in ("aws", "")]
    return frozenset(each.removesuffix("s") if len(each) > 3 else each for words_ in words for each in words_.split())


def suggestion(word: str, names: Iterable[str]) -> str:
    """``did you mean …?`` if one of ``names`` is close to ``word``, else empty. Fast for any number of names."""
    if not word or len(word) > _LONGEST_WORD:
        return ""
    words = list(names)
    if len(words) > _MANY_WORDS:
        words = [name for name in words if name[:1] == word[:1] and abs(len(name) - len(word)) <= 2][:_MANY_WORDS]
    lowered = {name.lower(): name for name in reversed(words)}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"did you mean `{lowered[near[0]]}`?" if near else ""
