import pytest

from charrnn.report.budget import largest


class Clock:
    """A clock that goes on by what is done alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
        self.now, self.speed, self.sizes = 100.0, speed, list[int]()
        monkeypatch.setattr("charrnn.report.budget.time.monotonic", lambda: self.now)

    def make(self, size: int) -> int:
        self.now += size / self.speed
        self.sizes.append(size)
        return size


def test_with_time_enough_the_largest_size_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, speed=1000)
    assert largest(clock.make, 1600, 100, until=103) == 1600
    assert clock.sizes == [100, 400, 1600]


@pytest.mark.parametrize("speed", [700, 350, 100, 60])
def test_a_size_that_would_not_be_done_in_time_is_not_tried(monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
    clock = Clock(monkeypatch, speed)
    assert largest(clock.make, 1600, 100, until=102) < 1600
    assert clock.now <= 102


def test_time_that_every_size_takes_is_not_taken_to_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, speed=1000)

    def make(size: int) -> int:
        clock.now += 0.5  # 0.6, 0.9 and 2.1 s
        return clock.make(size)

    assert largest(make, 1600, 100, until=103.7) == 1600
    assert largest(make, 1600, 100, until=clock.now + 3.5) == 400


def test_a_machine_that_becomes_slow_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, speed=1000)

    def make(size: int) -> int:
        clock.speed /= 3
        return clock.make(size)

    assert largest(make, 10_000, 100, until=105) == 625


def test_the_least_is_made_whatever_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, speed=1)
    assert largest(clock.make, 1600, 100, until=0) == 100
    assert largest(clock.make, 30, 100, until=0) == 30
    assert largest(clock.make, 0, 100, until=0) == 1
