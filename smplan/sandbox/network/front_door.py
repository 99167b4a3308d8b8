"""The front door of a fleet over time: by which names it was reached, and the seconds in which nothing answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

NEGATIVE_SECONDS = 900.0
"""How long resolvers cache that a name does not exist: the TTL of the zone's SOA record (Route 53, Developer Guide)."""
LONGEST_CHAIN = 8
"""CNAMEs followed, at most."""
RESOLVERS = 6
"""Resolvers that asked for the name at different times."""

Door = tuple[str, int, str]
"""A load balancer's DNS name, a port, and the protocol spoken there."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The way in from one moment on, until the next sight. Times are virtual seconds."""

    at: float
    names: Mapping[str, tuple[str, float]]
    """Name of a record -> its target and TTL in seconds."""
    doors: frozenset[Door]
    """The doors at which every request is answered, among those that are looked at."""


@dataclass(slots=True)
class Resolver:
    """A resolver that caches answers for their TTL, also that there is none."""

    name: str
    answer: str = ""
    """The DNS name of a load balancer, or of what no record leads to."""
    expires: float = 0.0

    def resolve(self, at: float, names: Mapping[str, tuple[str, float]]) -> str:
        """The answer at a moment, from the cache or from ``names``; "" if the name does not exist."""
        if at >= self.expires:
            self.answer, ttl = _lookup(self.name, names)
            self.expires = at + ttl
        return self.answer


def _lookup(name: str, names: Mapping[str, tuple[str, float]]) -> tuple[str, float]:
    """What ``name`` leads to, and for how many seconds that is cached."""
    ttl, found = float("inf"), name
    for _ in range(LONGEST_CHAIN):
        if found not in names:
            break
        found, own = names[found]
        ttl = min(ttl, own)
    return ("", NEGATIVE_SECONDS) if found == name else (found, ttl)


def resolvers(name: str, at: float, names: Mapping[str, tuple[str, float]]) -> tuple[Resolver, ...]:
    """Resolvers that have asked before: their answers expire one after the other, over a TTL."""
    answer, ttl = _lookup(name, names)
    return tuple(Resolver(name, answer, at + ttl * (number + 1) / RESOLVERS) for number in range(RESOLVERS))


@dataclass(frozen=True, slots=True)
class Silence:
    """For how many seconds nothing answered the resolver that was hit worst, and whether that still lasts."""

    seconds: float = 0.0
    lasts: bool = False


def silence(sights: Sequence[Sight], until: float, name: str, port: int, protocol: str) -> Silence:
    """How long ``name`` did not answer between the first of ``sights`` and ``until``."""
    first = sights[0]
    every = [_silence(each, sights, until, port, protocol) for each in resolvers(name, first.at, first.names)]
    return max(every, key=lambda each: (each.lasts, each.seconds))


def _silence(resolver: Resolver, sights: Sequence[Sight], until: float, port: int, protocol: str) -> Silence:
    seconds = 0.0

    def answers(at: float, sight: Sight) -> bool:
        return (resolver.resolve(at, sight.names), port, protocol) in sight.doors

    for sight, end in _spans(sights, until):
        at = sight.at
        while at < end:
            answered = answers(at, sight)
            following = min(end, resolver.expires)
            seconds += 0.0 if answered else following - at
            at = following
    return Silence(seconds, lasts=not answers(until, sights[-1]))


def _spans(sights: Sequence[Sight], until: float) -> Iterator[tuple[Sight, float]]:
    yield from ((sight, following.at) for sight, following in pairwise(sights))
    yield sights[-1], until


@dataclass(slots=True)
class Timeline:
    """What was seen of the front door: a sight for each change."""

    sights: list[Sight] = field(default_factory=list)

    def note(self, sight: Sight) -> None:
        """Remember a sight, unless nothing changed."""
        last = self.sights[-1] if self.sights else None
        if last is None or (last.names, last.doors) != (sight.names, sight.doors):
            self.sights.append(sight)
