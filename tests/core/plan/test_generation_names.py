"""Names of generations."""

from __future__ import annotations

from smplan.core.plan.generation_names import current_name, replacement_name


def test_a_later_generation_has_a_suffix_and_fits() -> None:
    name = replacement_name("streammanager-targets", 32, {"port": 5080}, 2)
    assert name.startswith("streammanager-targets-")
    assert len(replacement_name("x" * 40, 32, {}, 2)) == 32


def test_each_generation_has_a_name_of_its_own() -> None:
    names = {replacement_name("a", 32, {"port": port}, generation) for port in (1, 2) for generation in (2, 3)}
    assert len(names) == 4


def test_the_current_name_is_kept_until_the_written_name_changes() -> None:
    current = replacement_name("alb", 32, {}, 2)
    assert current_name("alb", 32, current) == current
    assert current_name("nlb", 32, current) == "nlb"
    assert current_name("alb", 32, "alb") == "alb"
    assert current_name("alb", 32, "") == "alb"
