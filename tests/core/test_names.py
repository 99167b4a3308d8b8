"""Names of generations."""

from __future__ import annotations

from smplan.core.names import name_in_force, next_name


def test_a_later_generation_has_a_suffix_and_fits() -> None:
    name = next_name("streammanager-targets", 32, {"port": 5080}, 2)
    assert name.startswith("streammanager-targets-")
    assert len(next_name("x" * 40, 32, {}, 2)) == 32


def test_each_generation_has_a_name_of_its_own() -> None:
    names = {next_name("a", 32, {"port": port}, generation) for port in (1, 2) for generation in (2, 3)}
    assert len(names) == 4


def test_the_name_in_force_is_kept_until_the_written_name_changes() -> None:
    current = next_name("alb", 32, {}, 2)
    assert name_in_force("alb", 32, current) == current
    assert name_in_force("nlb", 32, current) == "nlb"
    assert name_in_force("alb", 32, "alb") == "alb"
    assert name_in_force("alb", 32, "") == "alb"
