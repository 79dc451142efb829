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
from charrnn.generation.writer import Writer
from charrnn.report.baseline import Baseline, count
from charrnn.report.cells import Found, find_units
from charrnn.report.characters import Plane, plane
from charrnn.report.copying import Copied, Copying, compare, write_samples
from charrnn.report.held_out import HeldOut, of_split, of_text
from charrnn.report.memory import REACH, ContextLosses, Gradients, context_losses, gradients
from charrnn.report.passages import Passages, choose
from charrnn.report.reading import CONTEXT, PIECES, Reading, pace, read
from charrnn.report.subject import Subject

NO_TRAINING_TEXT = "The encoded training text of this model is not in the data folder."
_MOST_READ = 32_000
_FEWEST_READ = 1_000
_MOST_VALUES = 16_000_000  # activations that are kept
_MOST_TARGETS = 160  # losses whose gradients are taken
# Shares of the time that each part may take.
_READING, _MEMORY, _GRADIENTS, _SAMPLES = 0.25, 0.25, 0.1, 0.1
# Characters of the training text that are counted, and searched, for each second of the budget: about a tenth of it.
_COUNTED_PER_SECOND, _SEARCHED_PER_SECOND = 400_000, 1_000_000
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
        seconds: that it took (s).
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
def measure(subject: Subject, seconds: float) -> Contents:
    """Measure what a report shows, with one thread of the CPU.

    Args:
        subject: what it is about.
        seconds: in which it should be done (s). It takes longer where even the least that can be shown does.

    Raises:
        CorpusError: there is no held-out text, or too little.
        DivergedError: what the model predicts is not finite.
    """
    started, seconds = time.monotonic(), min(seconds, _LONGEST)
    checkpoint, splits = subject.checkpoint, subject.splits
    network, vocabulary, data = checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data
    speed = pace(network)
    units = network.params.num_layers * network.params.hidden_size
    # Each piece but the first reads a context beside what is its own.
    affordable = int(_READING * seconds * speed) - CONTEXT * PIECES
    most = min(_MOST_READ, max(_FEWEST_READ, affordable), max(_FEWEST_READ, _MOST_VALUES // units))
    held_out = _held_out(subject, most)
    reading = read(network, held_out)
    passages = choose(reading)
    found = find_units(reading)
    train_ids = splits.ids("train") if splits else None
    counted = max(1, min(_MOST_COUNTED, int(_COUNTED_PER_SECOND * seconds)))
    baseline = count(train_ids, held_out, vocabulary.size, counted) if train_ids else None
    context = context_losses(network, held_out, int(_MEMORY * seconds * speed))
    typical = passages.typical
    targets = np.arange(typical.start, typical.stop)[1:]
    # To take a gradient is about three times the work of reading.
    possible = int(_GRADIENTS * seconds * speed / (3 * REACH))
    middle = targets[len(targets) // 4 :][: min(_MOST_TARGETS, possible)]
    depends = gradients(network, held_out, middle, _GRADIENTS * seconds)
    writer, sampling = Writer(network, vocabulary, data), checkpoint.params.sampling
    longest = max(50, int(_SAMPLES * seconds * speed / PIECES))
    written = write_samples(writer, sampling.options(), sampling.count(data.has_documents), longest)
    copying = (
        compare(written, held_out, train_ids, vocabulary, max(1, int(_SEARCHED_PER_SECOND * seconds)))
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
    for name in ("val", "test"):
        if subject.splits.sizes[name] >= 2:
            return of_split(subject.splits, vocabulary, name, most)
    raise CorpusError("there is neither a validation split nor a test split to read")
