"""With how many threads a training on the CPU computes, where `training.threads` is auto.

More threads are not always faster: each waits for the others, actively, and on a machine that is busy, one of them may
have no core to run on. So some numbers are tried, on a copy of the state, and the fastest is taken.
"""

import copy
import math
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence

import torch

from charrnn.config.schema import TrainingParams
from charrnn.data.windows import Windows
from charrnn.training.cores import usable_cores
from charrnn.training.device import threads_are_open
from charrnn.training.limits import is_limited_by_time
from charrnn.training.state import TrainState
from charrnn.training.step import make_step
from charrnn.wording import counted

# How long a trial is to take (s), at most this share of a training limited by time; slow steps take longer.
TRIAL_SECONDS, TRIAL_SHARE = 1.0, 0.02
# Blocks of steps by which each number is measured. The numbers take turns, so that a disturbance hits all of them.
ROUNDS = 5
# A number this many times slower than the fastest is not measured any further, and a training this many times slower
# than the trial said is looked at again.
SLOW = 2.0
# Shortest time over which the speed of a training is compared with what the trial said (s).
WINDOW = 1.0
# Training time between two trials, as a multiple of what the last one took: bounds what trials cost.
REST = 20.0
# Time after which fewer threads than there may be are looked at again (s): no speed tells that other cores are free.
LOOK_AGAIN = 60.0

Measure = Callable[[int, float], float]
"""Computes with a number of threads for some seconds, at least one step; returns the characters per second."""


class Threads:
    """The number of threads of one training: chosen at its start, and again while it runs if that is allowed.

    A training whose length is in steps keeps its number, also when it is resumed: it is to end with the same weights,
    to the last bit.

    Attributes:
        speeds: characters per second with each number in the last trial; empty before the first.
    """

    def __init__(
        self,
        training: TrainingParams,
        device: torch.device,
        clock: Callable[[], float] = time.monotonic,
        measure: Callable[[TrainState, Windows, TrainingParams], Measure] | None = None,
    ) -> None:
        """Made inside `computing`, whose number of threads is the most that is tried.

        Args:
            training: threads, and what limits the run.
            device: what is trained on; on a GPU nothing is tried, nor where several processes train.
            clock: the time (s).
            measure: makes what measures; None for steps on a copy of the state.
        """
        self.speeds: dict[int, float] = {}
        self._speed: float | None = None  # of the last whole window
        self._open = threads_are_open(training) and device.type == "cpu"
        # Processes that train together would disturb each other's trials.
        tries = self._open and training.processes == 1
        self._numbers = numbers_to_try(torch.get_num_threads() if tries else 1)
        self._changes = len(self._numbers) > 1 and is_limited_by_time(training)
        self._training, self._clock, self._measure = training, clock, measure or _on_a_copy
        self._limit = math.inf if training.max_minutes is None else 60 * training.max_minutes
        self._trial_seconds = min(TRIAL_SECONDS, TRIAL_SHARE * self._limit)
        self._ended, self._took = 0.0, 0.0
        self._begin_window()

    def begin(self, state: TrainState, streams: Windows) -> None:
        """Choose the number before the first step of a training, or of a part of it that was resumed.

        The trial counts as training time, but only for as long as it is meant to take: a busy machine makes it longer,
        and a short training must still have time for steps.
        """
        at = state.progress
        if self._open and at.threads is not None and not is_limited_by_time(self._training):
            torch.set_num_threads(at.threads)
        elif len(self._numbers) > 1:
            for _ in self.choose(state, streams):
                pass
            at.elapsed += min(self._took, self._trial_seconds)
        at.threads = torch.get_num_threads()

    def choose(self, state: TrainState, streams: Windows) -> Iterator[None]:
        """Try all numbers, take the fastest and note it in `state.progress`.

        Nothing else of the state changes, nor PyTorch's random state. Yields between two blocks; until the end, all is
        as it was.
        """
        began = self._clock()
        measure = self._measure(state, streams, self._training)
        self.speeds = yield from compare(self._numbers, measure, self._trial_seconds, self._clock)
        state.progress.threads = max(self.speeds, key=lambda number: self.speeds[number])
        torch.set_num_threads(state.progress.threads)
        self._ended = self._clock()
        self._took = self._ended - began
        self._speed = None
        self._begin_window()

    def note(self, speed: float, seconds: float) -> None:
        """Take note of how fast steps were made for some time: `speed` in characters per second."""
        self._characters += speed * seconds
        self._seconds += seconds
        if self._seconds >= WINDOW:
            self._speed = self._characters / self._seconds
            self._begin_window()

    @property
    def trial_is_due(self) -> bool:
        """Whether another number may be faster by now."""
        rested = self._clock() - self._ended
        if not self._changes or rested < REST * self._took:
            return False
        number = torch.get_num_threads()
        slow = self._speed is not None and self._speed * SLOW < self.speeds.get(number, 0.0)
        return slow or (number < self._numbers[-1] and rested >= LOOK_AGAIN)

    def has_time(self, elapsed: float) -> bool:
        """Return whether a trial is worth its time after `elapsed` seconds of training: some of it must be left."""
        return self._limit - elapsed >= REST * self._took

    def _begin_window(self) -> None:
        self._characters, self._seconds = 0.0, 0.0


def numbers_to_try(most: int) -> tuple[int, ...]:
    """Return the numbers of threads to try, in order: powers of two, `most`, and one less, for one core in use."""
    powers = {2**power for power in range(most.bit_length())}
    return tuple(sorted(powers | {most} | {max(1, most - 1)}))


def compare(
    numbers: Sequence[int], measure: Measure, seconds: float, clock: Callable[[], float]
) -> Generator[None, None, dict[int, float]]:
    """Return the median speed of each number of threads, in characters per second; yields between two blocks.

    Args:
        numbers: of threads.
        measure: measures one block.
        seconds: how long all blocks are to take.
        clock: the time (s).
    """
    began, block = clock(), seconds / (ROUNDS * len(numbers))
    speeds: dict[int, float] = {}
    for number in reversed(numbers):
        # Not counted, as threads are made at their first use; but where steps are slow, two such figures must do:
        # those of the most threads, and of one core left free.
        speeds[number] = measure(number, 0.0)
        yield
        if len(speeds) > 1 and clock() - began >= seconds:
            return speeds
    found: dict[int, list[float]] = {number: [] for number in numbers}
    kept = list(numbers)
    for turn in range(ROUNDS):
        for number in kept:
            found[number].append(measure(number, block))
            yield
        speeds = {number: statistics.median(values) for number, values in found.items()}
        if turn:  # one block alone may have been disturbed
            kept = [number for number in kept if speeds[number] * SLOW >= max(speeds.values())]
        kept.reverse()
        if len(kept) == 1 or clock() - began >= seconds:
            break
    return speeds


def thread_warning(threads: int) -> str:
    """Return what is wrong with computing with `threads` threads here; '' for nothing."""
    cores = usable_cores()
    if threads <= cores:
        return ""
    return (
        f"{counted(threads, 'thread')} on the {counted(cores, 'core')} that this process gets: they wait for each "
        f"other; a new training with training.threads auto takes at most {cores}"
    )


def _on_a_copy(state: TrainState, streams: Windows, training: TrainingParams) -> Measure:
    """Return what measures by real optimizer steps, on a copy of `state`."""
    ours = copy.deepcopy(state)

    def measure(number: int, seconds: float) -> float:
        before = torch.get_num_threads()
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(number)
            try:
                began, characters, taken = time.perf_counter(), 0, 0.0
                while not characters or taken < seconds:
                    *_, read = make_step(ours, streams, training)
                    characters += read
                    taken = time.perf_counter() - began
                return characters / taken
            finally:
                torch.set_num_threads(before)

    return measure
