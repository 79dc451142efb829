"""The contents of a report: everything that is measured of a model, within a budget of time. Knows no page.

What matters most is measured first: where time is short, less text is read for what comes later.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from charrnn.data.splits import Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.evaluation.held_out import HeldOut, of_split, of_text
from charrnn.generation.writer import Writer
from charrnn.report.baseline import Baseline, count
from charrnn.report.budget import largest
from charrnn.report.cells import Found, find_units
from charrnn.report.characters import Plane, plane
from charrnn.report.copying import Copied, Copying, compare, write_samples
from charrnn.report.memory import ContextLosses, Gradients, context_losses, gradients
from charrnn.report.passages import Passages, choose
from charrnn.report.reading import Reading, read
from charrnn.report.subject import Subject

NO_TRAINING_TEXT = "The encoded training text of this model is not in the data folder."
_MOST_READ = 32_000
_FEWEST_READ = 1_000
_FEWEST_OF_TRAINING = 100_000  # characters that are counted and searched, however short the time is
_SHORTEST_SAMPLE = 50
_MOST_VALUES = 16_000_000  # activations that are kept
_MOST_TARGETS = 160  # losses whose gradients are taken
# Shares of the time after which each part should be done: reading, counting, memory, gradients, samples, copying. What
# one leaves of its own is the next one's; the rest is for the page.
_DONE = (0.55, 0.7, 0.8, 0.87, 0.9, 0.96)
_LONGEST = 86_400.0  # of the budget (s): more text than is read in a day changes nothing
_MOST_COUNTED = 20_000_000  # as in an evaluation: bounds the memory


@dataclass(frozen=True, eq=False)
class Contents:
    """What was measured.

    Attributes:
        subject: what the report is about.
        parameters: of the model (count).
        reading: the held-out text, as the model reads it.
        passages: what is shown of it.
        baseline: what the n-gram model thinks of it; None without the training text.
        found: units that follow a feature of the text.
        context: the loss by the length of the context.
        gradients: of losses in the typical passage.
        samples: what the model writes.
        copying: what of that stands in the training text; None without that.
        plane: of characters.
        seconds: that it took from `started` on (s).
    """

    subject: Subject
    parameters: int
    reading: Reading
    passages: Passages
    baseline: Baseline | None
    found: list[Found]
    context: ContextLosses
    gradients: Gradients
    samples: list[Copied]
    copying: Copying | None
    plane: Plane
    seconds: float

    @property
    def vocabulary(self) -> Vocabulary:
        """The model's."""
        return self.subject.checkpoint.vocabulary

    @property
    def splits(self) -> Splits | None:
        """Those of the text that the model was trained on, where that is at hand."""
        return self.subject.splits


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread while the block runs.

    Two are a little faster on an idle machine. Where another process has one of their cores, they wait for each other
    at each of many short steps: five times as long was measured on two cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def measure(subject: Subject, seconds: float, started: float | None = None) -> Contents:
    """Measure what a report shows, with one thread of the CPU.

    Args:
        subject: what it is about.
        seconds: in which the report should be made (s). It takes longer where even the least that can be shown does.
        started: when that time began, on the clock of `time.monotonic` (s); None for now.

    Raises:
        CorpusError: there is no held-out text, or too little.
        DivergedError: what the model predicts is not finite.
    """
    now = time.monotonic()
    started = now if started is None else started
    left = max(0.0, started + min(seconds, _LONGEST) - now)
    reading_until, count_until, memory_until, gradients_until, samples_until, copying_until = (
        now + share * left for share in _DONE
    )
    checkpoint, splits = subject.checkpoint, subject.splits
    network, vocabulary, data = checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data
    units = network.params.num_layers * network.params.hidden_size
    whole = _held_out(subject, min(_MOST_READ, max(_FEWEST_READ, _MOST_VALUES // units)))

    def look(size: int) -> tuple[Reading, list[Found]]:
        reading = read(network, whole.first(size))
        return reading, find_units(reading)

    read(network, whole.first(2))  # what is only slow the first time tells nothing of the speed
    reading, found = largest(look, len(whole), _FEWEST_READ, reading_until)
    held_out, passages = reading.held_out, choose(reading)
    train_ids = splits.ids("train") if splits else None
    baseline = (
        largest(
            lambda size: count(train_ids, held_out, vocabulary.size, size),
            min(len(train_ids), _MOST_COUNTED),
            _FEWEST_OF_TRAINING,
            count_until,
        )
        if train_ids
        else None
    )
    affordable = int(max(0.0, memory_until - time.monotonic()) * reading.pace)
    context = context_losses(network, held_out, affordable, memory_until)
    typical = passages.typical
    targets = np.arange(typical.start, typical.stop)[1:]
    middle = targets[len(targets) // 4 :][:_MOST_TARGETS]
    depends = gradients(network, held_out, middle, gradients_until)
    writer, sampling = Writer(network, vocabulary, data), checkpoint.params.sampling
    written = largest(
        lambda longest: write_samples(writer, sampling.options(), sampling.count(data.has_documents), longest),
        sampling.length,
        _SHORTEST_SAMPLE,
        samples_until,
    )
    copying = (
        largest(
            lambda size: compare(written, held_out, train_ids, vocabulary, size),
            len(train_ids),
            _FEWEST_OF_TRAINING,
            copying_until,
        )
        if train_ids
        else None
    )
    return Contents(
        subject,
        network.num_parameters,
        reading,
        passages,
        baseline,
        found,
        context,
        depends,
        list(copying.samples) if copying else [Copied(one, None) for one in written],
        copying,
        plane(network, vocabulary),
        time.monotonic() - started,
    )


def _held_out(subject: Subject, most: int) -> HeldOut:
    """Return at most `most` symbols of the text that is read."""
    vocabulary, data = subject.checkpoint.vocabulary, subject.checkpoint.params.data
    if subject.text is not None:
        return of_text(subject.text, subject.text_name, data, vocabulary, most)
    if subject.splits is None:
        raise CorpusError("there is no held-out text to read")
    if subject.splits.held_out is None:
        raise CorpusError("there is neither a validation split nor a test split to read")
    return of_split(subject.splits, vocabulary, subject.splits.held_out, most)
