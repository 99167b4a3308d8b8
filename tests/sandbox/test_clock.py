import pytest

from smplan.sandbox.clock import Clock


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_virtual_time_runs_speed_times_as_fast() -> None:
    wall = Wall()
    clock = Clock(600.0, monotonic=wall)
    start = clock.now()
    wall.seconds += 2
    assert clock.now() == pytest.approx(start + 1200)
    assert clock.utcnow().timestamp() == pytest.approx(clock.now())


def test_time_can_be_pushed_forward_and_never_back() -> None:
    clock = Clock(0.0)
    start = clock.now()
    clock.advance(90)
    assert clock.now() == start + 90
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="backwards"):
        Clock(-1.0)


def test_virtual_seconds_are_told_in_wall_time() -> None:
    assert Clock(60.0).wall(90) == 1.5
    assert Clock(0.0).wall(1) == float("inf")
