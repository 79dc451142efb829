"""Whether a model copies: what of its samples stands in the training text, beside what of held-out text does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.config.sampling_options import SamplingOptions
from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Vocabulary, code_points
from charrnn.evaluation.held_out import HeldOut
from charrnn.evaluation.novelty import Passage, longest_passages, ngram_shares
from charrnn.generation.options import with_seeds
from charrnn.generation.writer import Writer, Written

LENGTHS = (5, 10, 20, 50)
"""Of the n-grams (characters)."""
AROUND = 60
"""Characters of the training text that are shown on either side of a passage."""
_MOST_DOCUMENTS = 20  # written for each temperature


@dataclass(frozen=True)
class Copied:
    """A sample and the longest passage of it that stands in the training text.

    Attributes:
        written: the sample.
        passage: without its prime; None where the training text is not at hand.
        before: what stands before the passage in the training text.
        after: what stands after it.
    """

    written: Written
    passage: Passage | None
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Copying:
    """What of samples stands in the training text.

    Attributes:
        samples: with their passages.
        of_samples: the share of the samples' n-grams of each of LENGTHS that stand there (0 to 1); None where there is
            none of that length.
        of_held_out: the same of the held-out text.
        searched: characters of the training text that were searched, its last ones (count).
    """

    samples: Sequence[Copied]
    of_samples: Sequence[float | None]
    of_held_out: Sequence[float | None]
    searched: int


def write_samples(writer: Writer, first: Sequence[SamplingOptions], count: int, longest: int) -> list[Written]:
    """Return `count` samples for each of the options in `first`, as the task that samples does, all side by side.

    Args:
        writer: of the model.
        first: the options of the first sample of each temperature.
        count: samples of each (count); of documents, no more than a few are taken.
        longest: most characters of each (count).
    """
    options = []
    for one in first:
        prepared, _ = writer.prepare(one.model_copy(update={"length": min(one.length, longest)}))
        options += with_seeds(prepared, min(count, _MOST_DOCUMENTS))
    return list(writer.write(options))


def compare(
    samples: Sequence[Written], held_out: HeldOut, train_ids: SplitIds, vocabulary: Vocabulary, most: int
) -> Copying:
    """Return what of `samples`, and of `held_out`, stands in the last `most` characters of the training text."""
    searched = train_ids[-most:]
    texts = [one.continuation for one in samples]
    passages = longest_passages(texts, searched, vocabulary, most)
    # Characters that the model has never seen have ids that no training text has. Stop symbols are in neither group.
    groups = [[vocabulary.table[code_points(text)] for text in group] for group in (texts, held_out.documents())]
    of_samples, of_held_out = ngram_shares(groups, searched, LENGTHS)
    return Copying(
        [_beside(*pair, searched, vocabulary) for pair in zip(samples, passages, strict=True)],
        of_samples,
        of_held_out,
        len(searched),
    )


def _beside(
    written: Written, passage: Passage, train_ids: npt.NDArray[np.unsignedinteger], vocabulary: Vocabulary
) -> Copied:
    """Return the passage with what stands around it in the training text."""
    start, end = passage.train_position, passage.train_position + passage.length
    before, after = train_ids[max(0, start - AROUND) : start], train_ids[end : end + AROUND]
    return Copied(written, passage, _text(before, vocabulary), _text(after, vocabulary))


def _text(ids: npt.NDArray[np.unsignedinteger], vocabulary: Vocabulary) -> str:
    """Return the text of `ids`, a line end for each stop symbol."""
    return "\n".join(vocabulary.decode(part) for part in np.split(ids, np.flatnonzero(ids == vocabulary.stop_id)))
