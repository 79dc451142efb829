"""Whether the validation and the test split resemble the training text, measured before training.

Each is compared with train in two ways: the share of its characters that never occur in train, and its loss under
train's 5-gram model. Both have a measure of what is usual: a part of train itself that is held out, not counted. Text
that goes on where train ends is somewhat harder than this part, as its subjects are new; text of another kind is much
harder, text that train has a copy of is easier. Knows neither files nor runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from charrnn.data.hashing import hash_batch
from charrnn.data.splits import SplitIds, Splits
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.evaluation.ngram import NgramModel

UNSEEN_LIMIT = 0.01
"""A split has text of another kind if this much more of its characters never occur in train than of the held-out part.
Each such character costs about 10 nats, so that they add 0.1 to the loss."""
STREAM_GAP_LIMIT = 0.19
"""A split of one stream is of another kind if its loss differs this much from that of the held-out part (nats per
character). Text that goes on where train ends stays below it: 0.14 for the last tenth of tinyshakespeare, 0.10 to 0.16
for the last 3 to 20 hundredths of 4.8 million characters of Shakespeare. A sorted list of names does not: 0.23 to 0.28
for the last 3 to 6 hundredths."""
DOCUMENTS_GAP_LIMIT = 0.1
"""The same for documents. Drawn at random, equal ones to the same side, they differ by chance only: 0.01 for names of
which 900 are in the split. By position in a sorted list these differ by 0.16 to 0.26."""
STANDARD_ERRORS = 4.0
"""A difference of losses must be so many standard errors, too: more than the 2 or 3 of one independent comparison, as
there are two splits and blocks that follow each other are not independent."""
MIN_BLOCKS = 8
"""Fewer blocks or documents than this, in the split or in the held-out part, say nothing of its loss."""
MIN_UNSEEN = 20
"""Fewer occurrences of characters that train does not have say nothing: one foreign word has as many."""

SHORT_LINE = 12
"""Lines of one stream that have at most so many characters on average may be a list: names have 7, verse 28."""

ORDER = 5
HELD_OUT_SHARE = 0.05
STRETCHES = 40
"""Stretches of train that are counted, spread evenly over it; one stream has a held-out piece in the middle of each."""
BLOCK_CHARACTERS = 100
"""Characters of a stream whose mean loss is one observation; held-out pieces are no shorter."""
MOST_COUNTED = 2_000_000
"""Characters of train that the n-gram model is counted on, at most; all of train is looked through for its characters.
Memory is 35 (prose) to 130 bytes for each, time about a second for a million."""
MOST_EVALUATED = 200_000
"""Characters of a split whose loss is computed, at most, in stretches spread over it."""
_PIECE = 1 << 20  # ids that are looked through at a time

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ComparedSplit:
    """How one split compares with train.

    Attributes:
        split: its name.
        characters: characters in it, stop symbols apart.
        unseen_share: share of them that never occur in train (0 to 1).
        held_out_unseen_share: share of the characters of train's held-out part that occur nowhere else in train.
        gap_limit: the largest difference of the next two at which the split resembles train (nats per character).
        loss: under train's 5-gram model (nats per character, stop symbols included); None where the split or the
            held-out part has too few blocks or documents, as the next two.
        held_out_loss: that of train's held-out part.
        standard_error: of the difference of the two.
    """

    split: str
    characters: int
    unseen_share: float
    held_out_unseen_share: float
    gap_limit: float
    loss: float | None = None
    held_out_loss: float | None = None
    standard_error: float | None = None

    @property
    def gap(self) -> float | None:
        """How much harder than train the split is, below 0 easier (nats per character); None without the losses."""
        return None if self.loss is None or self.held_out_loss is None else self.loss - self.held_out_loss

    @property
    def has_unseen(self) -> bool:
        """Whether it has characters that train lacks, beyond the limits."""
        excess = self.unseen_share - self.held_out_unseen_share
        return excess > UNSEEN_LIMIT and self.unseen_share * self.characters >= MIN_UNSEEN

    @property
    def has_gap(self) -> bool:
        """Whether its loss differs beyond the limits."""
        if self.gap is None or self.standard_error is None:
            return False
        return abs(self.gap) > max(self.gap_limit, STANDARD_ERRORS * self.standard_error)

    @property
    def metrics(self) -> dict[str, float]:
        """What a run logs, by name."""
        gap = {} if self.gap is None else {f"splits/{self.split}_loss_gap": self.gap}
        return {f"splits/{self.split}_unseen_share": self.unseen_share, **gap}

    @property
    def differs(self) -> bool | None:
        """Whether it differs from train; None where there is too little text to tell."""
        return None if self.gap is None and not self.has_unseen else self.has_unseen or self.has_gap

    def words(self) -> str:
        """Return that it differs from train, and the figures that say so."""
        facts = []
        if self.has_gap:
            facts.append(
                f"a {ORDER}-gram of train gives it {self.loss:.2f} nats, other train text {self.held_out_loss:.2f}"
            )
        if self.has_unseen:
            facts.append(f"{self.unseen_share:.1%} of its characters never occur in train")
        return f"{self.split} does not resemble train ({', '.join(facts)})"


@dataclass(frozen=True)
class SplitComparison:
    """How the splits compare with train.

    Attributes:
        rows: one for each split that has characters; none where train has none.
        documents: whether the text is many documents, not one stream.
        short_lines: whether it is one stream whose lines are as short as those of a list.
    """

    rows: tuple[ComparedSplit, ...]
    documents: bool
    short_lines: bool = False

    @property
    def metrics(self) -> dict[str, float]:
        """What a run logs, by name."""
        return {key: value for row in self.rows for key, value in row.metrics.items()}

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each split, with what `ComparedSplit` says, in words whether it differs."""
        words = {True: "yes", False: "no", None: "too little text to tell"}
        rows = [{**asdict(row), "gap": row.gap, "differs": words[row.differs]} for row in self.rows]
        return pd.DataFrame(rows)

    def warning(self, by: str | None) -> str:
        """Return one line that says which splits differ from train beyond the limits and what to set; '' where none.

        Args:
            by: the parameter `splits.by`; None for its default.
        """
        differing = [row.words() for row in self.rows if row.differs]
        if not differing:
            return ""
        better, default = ("documents", "documents") if self.documents else ("blocks", "position")
        by = by or default
        if by == better:
            advice = f"splits.by is {by} already: larger splits resemble train more, or those of another splits.seed"
        else:
            advice = f"splits.by is {by}: set splits.by={better} for splits that resemble train"
        if self.short_lines:
            advice += ", or, if each line is a text of its own, data.documents=lines and splits.by=documents"
        return f"{', '.join(differing)}; {advice}"


def compare_with_train(splits: Splits, vocabulary: Vocabulary) -> SplitComparison:
    """Compare the validation and the test split with the training split, as `compare_splits` does.

    Args:
        splits: of the encoded text.
        vocabulary: its vocabulary.
    """
    parts = {name: splits.ids(name) for name in splits.sizes if name != "train"}
    stop_id = None if splits.documents is None else vocabulary.stop_id
    comparison = compare_splits(splits.ids("train"), parts, vocabulary.size, stop_id)
    lines = dict(zip(vocabulary.characters, vocabulary.counts, strict=True)).get("\n", 0)
    short_lines = splits.documents is None and sum(vocabulary.counts) <= (SHORT_LINE + 1) * lines
    return replace(comparison, short_lines=short_lines)


def compare_splits(
    train_ids: Ids | SplitIds, parts: Mapping[str, Ids | SplitIds], vocabulary_size: int, stop_id: int | None = None
) -> SplitComparison:
    """Compare each of `parts` with the training text.

    The held-out part of a stream is pieces spread over it; that of documents is whole documents drawn at random, none
    of which has an equal in what is counted. It is a twentieth of what is counted.

    Args:
        train_ids: uint8, uint16 or uint32 (characters,), may be a memmap; it is read in slices.
        parts: name of a split -> its ids, the same.
        vocabulary_size: number of ids.
        stop_id: the id that ends each document; None for one stream.
    """
    if len(train_ids) == 0:
        return SplitComparison((), stop_id is not None)
    counted, held_out = _hold_out(train_ids) if stop_id is None else _hold_out_documents(train_ids, stop_id)
    in_train = _counts([train_ids], vocabulary_size, stop_id)
    in_held_out = _counts([piece.wanted for piece in held_out], vocabulary_size, stop_id)
    held_out_unseen = _share(in_held_out, in_train - in_held_out)
    expected: _Loss | None = None
    model: NgramModel | None = None
    if len(counted) and _blocks(held_out, stop_id) >= MIN_BLOCKS:
        model = NgramModel(counted, vocabulary_size, ORDER)
        expected = _loss(model, held_out, stop_id)
    limit = STREAM_GAP_LIMIT if stop_id is None else DOCUMENTS_GAP_LIMIT
    rows = []
    for name, ids in parts.items():
        if len(ids) == 0:
            continue
        in_split = _counts([ids], vocabulary_size, stop_id)
        row = ComparedSplit(name, int(in_split.sum()), _share(in_split, in_train), held_out_unseen, limit)
        pieces = [_Piece(stretch) for stretch in _stretches(ids, MOST_EVALUATED, stop_id)]
        if model and expected and _blocks(pieces, stop_id) >= MIN_BLOCKS:
            found = _loss(model, pieces, stop_id)
            error = float(np.hypot(found.error, expected.error))
            row = replace(row, loss=found.mean, held_out_loss=expected.mean, standard_error=error)
        rows.append(row)
    return SplitComparison(tuple(rows), stop_id is not None)


@dataclass(frozen=True)
class _Piece:
    """Text whose loss is wanted: all of `ids`, (characters,), but the first `context`, which are counted."""

    ids: Ids
    context: int = 0

    @property
    def wanted(self) -> Ids:
        return self.ids[self.context :]


@dataclass(frozen=True)
class _Loss:
    """A mean loss and its standard error (nats per character)."""

    mean: float
    error: float


def _stretches(ids: Ids | SplitIds, most: int, stop_id: int | None, count: int | None = None) -> list[Ids]:
    """Return stretches spread evenly over `ids`, views of at most `most` characters in all.

    They are `count`, or else one where it is not longer than that and STRETCHES where it is. Of documents, they hold
    whole ones only, but for a stretch that lies in one document.
    """
    count = count or (1 if len(ids) <= most else STRETCHES)
    edges = [len(ids) * number // count for number in range(count + 1)]
    spans = [(start, min(end, start + most // count)) for start, end in pairwise(edges)]
    if stop_id is not None:
        spans = [_whole_documents(ids, start, end, stop_id) for start, end in spans]
    return [ids[start:end] for start, end in spans if end > start]


def _whole_documents(ids: Ids | SplitIds, start: int, end: int, stop_id: int) -> tuple[int, int]:
    """Return where the first document that is whole in ids[start:end] starts, and where the last ends.

    Where none is whole, the stretch is taken as it is: long documents must not go unseen.
    """
    before = max(start - 1, 0)  # a document may start at `start`: the stop symbol before it says so
    ends = before + np.flatnonzero(ids[before:end] == stop_id) + 1
    first = 0 if start == 0 else int(ends[0]) if len(ends) else end
    last = int(ends[-1]) if len(ends) else start
    return (first, last) if first < last else (start, end)


def _hold_out(ids: Ids | SplitIds) -> tuple[Ids, list[_Piece]]:
    """Return what is counted of a stream, and the pieces of it that are not."""
    looked_at = min(len(ids), MOST_COUNTED)
    count = min(max(int(looked_at * HELD_OUT_SHARE) // BLOCK_CHARACTERS, 1), STRETCHES)
    counted, held_out = [], []
    for stretch in _stretches(ids, MOST_COUNTED, None, count):
        length = int(len(stretch) * HELD_OUT_SHARE)
        middle = (len(stretch) - length) // 2
        counted += [stretch[:middle], stretch[middle + length :]]
        context = min(middle, ORDER - 1)
        held_out.append(_Piece(stretch[middle - context : middle + length], context))
    return np.concatenate(counted), held_out


def _hold_out_documents(ids: Ids | SplitIds, stop_id: int) -> tuple[Ids, list[_Piece]]:
    """Return the documents that are counted, and those that are not: equal ones are on the same side."""
    stretches = [_ended(stretch, stop_id) for stretch in _stretches(ids, MOST_COUNTED, stop_id)]
    text = np.concatenate([ids[:0], *stretches])
    ends = np.flatnonzero(text == stop_id)
    # Any numbers will do as characters.
    hashes = hash_batch(text.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass"), ends)
    drawn = hashes < np.uint64(int(HELD_OUT_SHARE * 2**64))
    held_out = np.repeat(drawn, np.diff(ends, prepend=-1))
    return text[~held_out], [_Piece(text[held_out])]


def _ended(ids: Ids, stop_id: int) -> Ids:
    """Return `ids`, at least one, with the stop symbol at the end, which part of a document lacks."""
    return ids if ids[-1] == stop_id else np.append(ids, np.array([stop_id], dtype=ids.dtype))


def _block_starts(ids: Ids, stop_id: int | None) -> Counts:
    """Return where the blocks or documents of `ids` start, (blocks,); a last block is as long or longer."""
    if stop_id is None:
        return np.arange(len(ids) // BLOCK_CHARACTERS, dtype=np.int64) * BLOCK_CHARACTERS
    return np.concatenate([[0], np.flatnonzero(ids[:-1] == stop_id) + 1]) if len(ids) else np.empty(0, np.int64)


def _blocks(pieces: list[_Piece], stop_id: int | None) -> int:
    return sum(len(_block_starts(piece.wanted, stop_id)) for piece in pieces)


def _loss(model: NgramModel, pieces: list[_Piece], stop_id: int | None) -> _Loss:
    """Return the mean loss of `pieces`, which have 2 blocks or documents or more; pieces without one are left out."""
    sums, lengths = [], []
    for piece in pieces:
        starts = _block_starts(piece.wanted, stop_id)
        if len(starts):
            losses = -np.log(model.probabilities(piece.ids)[piece.context :])
            sums.append(np.add.reduceat(losses, starts))
            lengths.append(np.diff(starts, append=len(losses)))
    sum_of, length_of = np.concatenate(sums), np.concatenate(lengths)
    total, blocks = float(length_of.sum()), len(sum_of)
    mean = float(sum_of.sum()) / total
    # The ratio estimator, for blocks of different lengths (Cochran 1977, Sampling Techniques, chapter 6).
    squares = float(((sum_of - mean * length_of) ** 2).sum()) * blocks / (blocks - 1)
    return _Loss(mean, squares**0.5 / total)


def _counts(texts: Iterable[Ids | SplitIds], vocabulary_size: int, stop_id: int | None) -> Counts:
    """Return how often each id occurs in `texts`, (vocabulary_size,); the stop symbol is no character."""
    counts = np.zeros(vocabulary_size, dtype=np.int64)
    for ids in texts:
        for start in range(0, len(ids), _PIECE):
            counts += np.bincount(ids[start : start + _PIECE], minlength=vocabulary_size)
    if stop_id is not None:
        counts[stop_id] = 0
    return counts


def _share(counts: Counts, elsewhere: Counts) -> float:
    """Return the share of the occurrences `counts` whose id has no occurrence `elsewhere`; 0 of none."""
    return float(counts[elsewhere == 0].sum() / max(counts.sum(), 1))
