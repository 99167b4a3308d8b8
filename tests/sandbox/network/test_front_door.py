"""Seconds in which a name does not answer, with resolvers that cache what they were answered."""

from __future__ import annotations

import pytest

from smplan.sandbox.network.front_door import NEGATIVE_SECONDS, Sight, Silence, Timeline, silence

NAME = "sm.example.com."
OLD, NEW = "old.elb.", "new.elb."


def sight(at: float, target: str = OLD, *open: str, ttl: float = 60.0) -> Sight:
    names = {NAME: (target, ttl)} if target else {}
    return Sight(at, names, frozenset((each, 443, "HTTPS") for each in open))


def seen(*sights: Sight, until: float) -> Silence:
    return silence(sights, until, NAME, 443, "HTTPS")


def test_what_always_answers_is_never_silent() -> None:
    assert seen(sight(0, OLD, OLD), until=500) == Silence()
    assert silence([sight(0, OLD, OLD)], 500, NAME, 5080, "HTTP") == Silence(500, lasts=True)


def test_a_gap_counts_from_the_moment_it_opens_to_the_moment_it_closes() -> None:
    assert seen(sight(0, OLD, OLD), sight(100, OLD), sight(107.5, OLD, OLD), until=500) == Silence(7.5)
    assert seen(sight(0, OLD, OLD), sight(100, OLD), until=500) == Silence(400, lasts=True)


@pytest.mark.parametrize(("wait", "seconds"), [(0, 60), (45, 15), (60, 0), (200, 0)])
def test_a_name_moves_without_a_gap_only_if_the_old_door_stays_open_for_its_ttl(wait: float, seconds: float) -> None:
    moved = sight(100, NEW, OLD, NEW)
    assert seen(sight(60, OLD, OLD, NEW), moved, sight(100 + wait, NEW, NEW), until=500).seconds == pytest.approx(
        seconds, abs=10
    )


def test_resolvers_keep_for_minutes_that_a_name_did_not_exist() -> None:
    found = seen(sight(0, OLD, OLD), sight(120, "", OLD), sight(180, OLD, OLD), until=5000)
    assert NEGATIVE_SECONDS - 60 <= found.seconds <= NEGATIVE_SECONDS
    assert not found.lasts


def test_names_lead_through_other_names_for_the_shortest_ttl() -> None:
    names = {NAME: ("a.example.com.", 300.0), "a.example.com.": (OLD, 10.0)}
    moved = {NAME: ("a.example.com.", 300.0), "a.example.com.": (NEW, 10.0)}
    doors = frozenset({(NEW, 443, "HTTPS")})
    sights = [Sight(0, names, frozenset({(OLD, 443, "HTTPS")})), Sight(100, moved, doors)]
    assert seen(*sights, until=900).seconds <= 10


def test_names_in_a_ring_lead_nowhere() -> None:
    ring = {NAME: ("b.", 60.0), "b.": (NAME, 60.0)}
    assert seen(Sight(0, ring, frozenset({(OLD, 443, "HTTPS")})), until=60) == Silence(60, lasts=True)


def test_only_changes_are_kept() -> None:
    timeline = Timeline()
    for at in (0, 5, 10):
        timeline.note(sight(at, OLD, *([OLD] if at < 10 else [])))
    assert [each.at for each in timeline.sights] == [0, 10]
