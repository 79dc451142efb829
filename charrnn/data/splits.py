"""The splits of a text: which part of it trains, which validates, which tests. Knows nothing of how one is laid out.

What is divided is the text by position, or units of it that are drawn with `splits.seed`: documents, files or blocks.
Equal units are always drawn together, so that no split has in it what the model was trained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charrnn.config.schema import SplitParams, TrainingParams
from charrnn.data.hashing import Hashes, mix
from charrnn.data.positions import Positions, position_dtype
from charrnn.data.vocabulary import Ids
from charrnn.errors import CorpusError

Sides = npt.NDArray[np.uint8]

# A split that was asked for has at least this many characters, or a tenth of a text too small for that. So has a block.
SMALLEST_SPLIT = 65
# Blocks of each of val and test, spread evenly over the text.
BLOCKS = 10
NAMES = ("train", "val", "test")
IN_WORDS = {"train": "training", "val": "validation", "test": "test"}
"""Split -> what a person calls it."""
_BLOCK = 1 << 16  # hashes that are looked at together: their arrays stay in a core's cache


@dataclass(frozen=True)
class Units:
    """What the ids of a text are made of, beside characters.

    Attributes:
        ends: (documents,) position just past each document's stop symbol; None for one stream.
        hashes: (documents,) equal for equal documents; None for one stream.
        file_ends: (files,) position just past each file.
        file_hashes: (files,) equal for equal files.
    """

    ends: Positions | None
    hashes: Hashes | None
    file_ends: Positions
    file_hashes: Hashes


@dataclass(frozen=True, eq=False)
class Splits:
    """The ids of a text and what of it is in which split.

    Attributes:
        text: (length,) ids of the whole text, of the vocabulary's dtype.
        spans: split (train, val, test, in this order) -> (spans, 2) first id, and past the last, of each span of it, in
            the order of the text; none where no such split was asked for. A span is a document and its stop symbol, or
            a part of a stream.
        documents: split -> (spans,) the numbers of its documents; None for one stream.
    """

    text: Ids
    spans: Mapping[str, Positions]
    documents: Mapping[str, Positions] | None

    @property
    def sizes(self) -> dict[str, int]:
        """Split -> characters in it, stop symbols included."""
        return {name: int(spans[:, 1].sum() - spans[:, 0].sum()) for name, spans in self.spans.items()}

    @property
    def held_out(self) -> str | None:
        """The split that reports and exported pages judge a model on, val or else test; None without two ids of one."""
        return next((name for name in ("val", "test") if self.sizes[name] >= 2), None)

    @property
    def characters(self) -> dict[str, int]:
        """Split -> characters in it, without stop symbols."""
        if self.documents is None:
            return self.sizes
        return {name: size - len(self.documents[name]) for name, size in self.sizes.items()}

    def ids(self, split: str) -> "SplitIds":
        """Return the ids of `split`, span after span, to be read in slices."""
        return SplitIds(self.text, self.spans[split])


class SplitIds:
    """The ids of spans of a text, one span after the other. Only what is sliced out of them is read and copied."""

    def __init__(self, text: Ids, spans: Positions) -> None:
        """Read the `spans`, (spans, 2), of `text` as one."""
        self._text = text
        # Those that touch are read as one.
        apart = spans[1:, 0] != spans[:-1, 1]
        self._starts = spans[np.flatnonzero(np.concatenate([[len(spans) > 0], apart])), 0]
        self._ends = spans[np.flatnonzero(np.concatenate([apart, [len(spans) > 0]])), 1]
        self._until = np.cumsum(self._ends - self._starts, dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of ids."""
        return int(self._until[-1]) if len(self._until) else 0

    def __getitem__(self, wanted: slice) -> Ids:
        """Return a slice: (characters,), a view of the text where it lies in one span. Raises ValueError for a step."""
        start, stop, step = wanted.indices(len(self))
        if step != 1:
            raise ValueError(f"ids of a split are read without a step, got {step}")
        if start >= stop:
            return self._text[:0]
        first, last = np.searchsorted(self._until, [start, stop - 1], side="right").tolist()
        starts, ends = self._starts[first : last + 1].tolist(), self._ends[first : last + 1].tolist()
        starts[0] = ends[0] - int(self._until[first]) + start
        ends[-1] = ends[-1] - int(self._until[last]) + stop
        if first == last:
            return self._text[starts[0] : ends[0]]
        # Slices of a plain array are made many times as fast as those of a memory map.
        text = np.asarray(self._text)
        return np.concatenate([text[begin:end] for begin, end in zip(starts, ends, strict=True)])


def divided_by(params: SplitParams, has_documents: bool) -> str:
    """Return what is divided, where `splits.by` leaves it open, too."""
    return params.by or ("documents" if has_documents else "position")


def split(ids: Ids, units: Units, params: SplitParams) -> Splits:
    """Divide `ids`, (length,), of a text.

    Raises:
        CorpusError: the text is too short, or has too few documents or files, to be split as asked.
    """
    by = divided_by(params, units.ends is not None)
    if units.ends is None and by != "files":
        return Splits(ids, _stream(len(ids), params, blocks=by == "blocks"), documents=None)
    dtype = position_dtype(len(ids))
    ends = (units.file_ends if units.ends is None else units.ends).astype(dtype)
    starts = np.concatenate([[0 if units.ends is None else 1], ends[:-1]], dtype=dtype)
    sides, used = _sides(by, units, params), starts < ends
    found = {
        name: np.flatnonzero(used & (sides == number)).astype(position_dtype(len(ends)))
        for number, name in enumerate(NAMES)
    }
    for name, share in {"train": 1.0, **_fractions(params)}.items():
        if share and not len(found[name]):
            raise CorpusError(f"splits.by {by}: nothing is left for {name}; use another splits.seed or splits.by")
    spans = {name: np.stack([starts[units_of], ends[units_of]], axis=1) for name, units_of in found.items()}
    if units.ends is None:
        return Splits(ids, {name: _joined(list(map(tuple, one.tolist()))) for name, one in spans.items()}, None)
    return Splits(ids, spans, found)


def _sides(by: str, units: Units, params: SplitParams) -> Sides:
    """Return the split of each document, or of each file of a stream: (units,) 0 to 2 as in NAMES."""
    if by == "files":
        # A file may have nothing in it that is used, such as a table without rows.
        used = np.diff(units.file_ends, prepend=0 if units.ends is None else 1) > 0
        files = np.zeros(len(used), dtype=np.uint8)
        files[used] = _draw(units.file_hashes[used], params, "files")
        if units.ends is None:
            return files
        return np.repeat(files, np.diff(np.searchsorted(units.ends, units.file_ends, side="right"), prepend=0))
    assert units.ends is not None
    assert units.hashes is not None
    if by == "documents":
        return _draw(units.hashes, params, "documents")
    count, counts = len(units.ends), _counts(len(units.ends), params, "documents")
    if by == "blocks":
        ranges = _spread(count, counts, params.seed, smallest=1)
    else:
        bounds = np.cumsum([0, count - sum(counts.values()), counts["val"], counts["test"]]).tolist()
        ranges = {name: _joined([(bounds[i], bounds[i + 1])]) for i, name in enumerate(NAMES)}
    sides = np.zeros(count, dtype=np.uint8)
    for number, name in enumerate(NAMES):
        for start, end in ranges[name].tolist():
            sides[start:end] = number
    return sides


def check_length(splits: Splits, params: TrainingParams) -> None:
    """Check that the training split of one stream fills at least one window.

    Raises:
        CorpusError: it does not; says what to change.
    """
    length = splits.sizes["train"]
    if splits.documents is None and length - 1 < params.seq_length:
        shorter = f", or set training.seq_length to at most {length - 1}" if length > 1 else ""
        raise CorpusError(
            f"the training split has {length} characters, fewer than one window of training.seq_length "
            f"{params.seq_length} and the character after it: use a longer text{shorter}"
        )


def _fractions(params: SplitParams) -> dict[str, float]:
    return {"val": params.val_fraction, "test": params.test_fraction}


def _sizes(length: int, params: SplitParams) -> dict[str, int]:
    """Return how many of the `length` characters of a stream are in val and in test."""
    smallest = min(SMALLEST_SPLIT, length // 10)
    sizes = {}
    for name, fraction in _fractions(params).items():
        sizes[name] = max(int(length * fraction), smallest) if fraction else 0
        if fraction and sizes[name] < 2:
            raise CorpusError(
                f"the text has {length} characters, too few for splits.{name}_fraction {fraction}: "
                "use at least 20 characters, or set it to 0"
            )
    return sizes


def _stream(length: int, params: SplitParams, *, blocks: bool) -> dict[str, Positions]:
    """Return the spans of a stream of `length` characters."""
    sizes = _sizes(length, params)
    if blocks:
        return _spread(length, sizes, params.seed, smallest=SMALLEST_SPLIT)
    bounds = np.cumsum([0, length - sum(sizes.values()), sizes["val"], sizes["test"]])
    return {name: _joined([(int(bounds[i]), int(bounds[i + 1]))]) for i, name in enumerate(NAMES)}


def _spread(length: int, sizes: Mapping[str, int], seed: int, smallest: int) -> dict[str, Positions]:
    """Return the spans of each split where val and test are blocks spread over `length` characters or documents.

    The text is cut into equal parts; in each, a block of val and one of test lie at random places.
    """
    asked = [size for size in sizes.values() if size]
    count = max(1, min(BLOCKS, min(asked, default=0) // smallest))
    random = np.random.default_rng(seed)
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in NAMES}
    parts = np.arange(count + 1)
    until = {name: size * parts // count for name, size in sizes.items()}
    in_blocks = sum(until.values())
    # As even as it can be: the blocks of each part must fit into it, however few documents there are.
    free = np.minimum(np.maximum.accumulate(length * parts // count - in_blocks), length - sum(sizes.values()))
    for part, (start, end) in enumerate(pairwise((in_blocks + free).tolist())):
        block = {name: int(ends[part + 1] - ends[part]) for name, ends in until.items()}
        gaps = np.sort(random.integers(0, end - start - sum(block.values()) + 1, size=len(block)))
        at, before = start, 0
        for name, gap in zip(random.permutation(list(block)), gaps.tolist(), strict=True):
            found["train"].append((at, at + gap - before))
            found[name].append((at + gap - before, at + gap - before + block[name]))
            at, before = at + gap - before + block[name], gap
        found["train"].append((at, end))
    return {name: _joined(spans) for name, spans in found.items()}


def _joined(spans: Sequence[tuple[int, int]]) -> Positions:
    """Return the spans that are not empty as an array, those that touch as one."""
    result: list[list[int]] = []
    for start, end in spans:
        if result and start == result[-1][1]:
            result[-1][1] = end
        elif end > start:
            result.append([start, end])
    return np.array(result, dtype=np.int64).reshape(-1, 2)


def _counts(length: int, params: SplitParams, what: str) -> dict[str, int]:
    """Return how many of `length` documents or files are in val and in test: at least one of each asked for."""
    counts = {name: max(1, int(length * share)) if share else 0 for name, share in _fractions(params).items()}
    if length <= sum(counts.values()):
        found = what if length != 1 else what.removesuffix("s")
        raise CorpusError(
            f"the text has {length} {found}, too few for a training split beside splits.val_fraction "
            f"{params.val_fraction:g} and splits.test_fraction {params.test_fraction:g}: set one of them to 0, use "
            f"more {what} or another splits.by"
        )
    return counts


def _draw(hashes: Hashes, params: SplitParams, what: str) -> Sides:
    """Return the split of each unit, (units,) 0 to 2 as in NAMES, drawn in the order of keys made of `hashes`.

    Equal units have equal keys and go together; so many equal ones that they alone are more than a split has are in
    train.

    Raises:
        CorpusError: there are too few units, or too many of them are equal.
    """
    counts = _counts(len(hashes), params, what)
    # Only the smallest keys are sorted: of all numbers twice the share that is drawn; more, if many units are equal.
    share = sum(counts.values()) / len(hashes)
    while True:
        share *= 2
        units, keys = _smallest(hashes, params.seed, share)
        drawn = _draw_keys(keys, counts, others=len(units) < len(hashes))
        if drawn is not None:
            sides = np.zeros(len(hashes), dtype=np.uint8)
            sides[units] = drawn
            return sides
        if len(units) == len(hashes):
            raise CorpusError(
                f"splits.by {params.by or what}: equal {what} are on one side, and so many of these {len(hashes)} are "
                "equal that they cannot be divided as asked; use larger splits, or set data.unique"
            )


def _smallest(hashes: Hashes, seed: int, share: float) -> tuple[Positions, Hashes]:
    """Return the units whose keys are in the lowest `share` of all numbers, and these keys: (units,) each."""
    limit = np.uint64(min(int(share * 2**64), 2**64 - 1))
    units, keys = [], []
    for start in range(0, len(hashes), _BLOCK):
        block = mix(hashes[start : start + _BLOCK], seed)
        near = np.flatnonzero(block <= limit)
        units.append(near + start)
        keys.append(block[near])
    return np.concatenate(units), np.concatenate(keys)


def _draw_keys(keys: Hashes, counts: Mapping[str, int], *, others: bool) -> Sides | None:
    """Return the split of each unit of `keys`, (units,); None where they do not tell.

    Args:
        keys: of the units, or of those with the smallest ones.
        counts: split -> units that are wanted at most.
        others: whether there are units with larger keys.
    """
    _, group_of, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    sides = np.zeros(len(sizes), dtype=np.uint8)
    for name in ("test", "val"):
        if not counts[name]:
            continue
        candidates = np.flatnonzero((sides == 0) & (sizes <= counts[name]))
        taken = candidates[np.cumsum(sizes[candidates]) <= counts[name]]
        # One that is left shows that those with larger keys are not wanted; and train must have something.
        most = len(candidates) if others else np.count_nonzero(sides == 0)
        if not len(taken) or len(taken) == most:
            return None
        sides[taken] = NAMES.index(name)
    drawn: Sides = sides[group_of]
    return drawn
