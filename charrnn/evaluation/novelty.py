"""Whether what a model wrote is new: documents that stand in the data, passages copied from the training text.

Knows neither models nor runs: it is given texts, hashes and ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from charrnn.data.hashing import BASE, INVERSE, Hashes, hash_documents, powers
from charrnn.data.positions import Positions
from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Ids, Vocabulary, code_points

MOST_SEARCHED = 20_000_000
"""Characters of the training text that are searched for copied passages, at most: its last ones, as they are the last
that were learnt. About 0.1 s for a million characters."""
_PIECE = 1 << 18  # characters or hashes that are looked at together: their arrays stay in a core's cache
_NO_HASHES = np.zeros(0, dtype=np.uint64)
_FIRST_LENGTH = 16  # a passage of so many characters is the first that is looked for
_MOST_TABLE_BITS = 24


def stands_in(documents: Sequence[str], hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Return which of `documents` are among the documents that have `hashes`: (documents,).

    Args:
        documents: texts without a stop symbol.
        hashes: those of `charrnn.data.hashing`, (hashes,) in any order, may be a memmap.
    """
    wanted, place_of = np.unique(hash_documents(list(documents)), return_inverse=True)
    found = np.zeros(len(wanted), dtype=bool)
    for start in range(0, len(hashes) if len(wanted) else 0, _PIECE):
        piece = np.asarray(hashes[start : start + _PIECE])
        places = np.minimum(np.searchsorted(wanted, piece), len(wanted) - 1)
        found[places[wanted[places] == piece]] = True
    return found[place_of]


def novelty_table(
    samples: Mapping[float, Sequence[str]], hashes: Mapping[str, Hashes], lengths: npt.NDArray[np.integer]
) -> pd.DataFrame:
    """Return how new the documents are that a model wrote: one row for each temperature.

    Args:
        samples: temperature -> the documents written with it.
        hashes: split -> the hashes of its documents, as for `stands_in`; splits without any may be left out.
        lengths: (documents,) lengths of the training documents, stop symbols apart (characters).

    Returns:
        The columns are `temperature`; `samples` (count); `in_<split>` for each of `hashes`, the share that stands in it
        verbatim, and `new`, that which stands in none (0 to 1); `duplicates`, the share that repeats an earlier one
        (0 to 1); mean, quartiles and median of the lengths (`length_mean`, `length_q1`, `length_median`, `length_q3`)
        and the same of the training documents (`train_length_mean`, ...), in characters.
    """
    of_train = {f"train_{key}": value for key, value in _lengths(lengths).items()}
    rows = []
    for temperature, texts in samples.items():
        inside = {split: stands_in(texts, of_split) for split, of_split in hashes.items()}
        known = np.logical_or.reduce([np.zeros(len(texts), dtype=bool), *inside.values()])
        rows.append(
            {
                "temperature": temperature,
                "samples": len(texts),
                **{f"in_{split}": _share(found) for split, found in inside.items()},
                "new": _share(~known),
                "duplicates": 1 - len(set(texts)) / len(texts) if texts else 0.0,
                **_lengths(np.array([len(text) for text in texts])),
                **of_train,
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Passage:
    """The longest passage of a sample that stands in the training text.

    Attributes:
        text: the passage; '' where no character of the sample stands there.
        length: of it (characters).
        sample_position: where in the sample it first stands (characters from 0).
        train_position: where in the training text it first stands, in what was searched (characters from 0).
    """

    text: str
    length: int
    sample_position: int
    train_position: int


def longest_passages(
    samples: Sequence[str], train_ids: Ids | SplitIds, vocabulary: Vocabulary, most: int | None = None
) -> list[Passage]:
    """Return the longest passage of each of `samples` that stands in the training text, exactly.

    Of several that are as long, it is the first in the sample. The last `most` characters of the training text are
    searched, in memory that does not depend on its length.

    The length is found by bisection: if no passage of a length stands there, no longer one does. Passages of one length
    are compared by rolling hashes (Karp & Rabin 1987, IBM J. Res. Dev. 31(2)); what they find is verified.

    Args:
        samples: what the model wrote, without the prime, which may well be from the training text.
        train_ids: uint8, uint16 or uint32 (characters,), may be a memmap.
        vocabulary: that of the ids.
        most: characters of the training text that are searched (count); None for MOST_SEARCHED.
    """
    searched = train_ids[-(most or MOST_SEARCHED) :]
    texts = [vocabulary.table[code_points(sample)] for sample in samples]
    search = _Search(texts, searched)
    for length in iter(search.next_length, 0):
        search.look_for(length)
    offset = len(train_ids) - len(searched)
    return [
        Passage(sample[at : at + length], length, at, position + offset if length else 0)
        for sample, (length, at, position) in zip(samples, search.found, strict=True)
    ]


def ngram_shares(
    texts: Sequence[Sequence[npt.NDArray[np.unsignedinteger]]], train_ids: Ids, lengths: Sequence[int]
) -> list[list[float | None]]:
    """Return which share of the n-grams of texts stands in the training text.

    N-grams are compared by their hashes (64 bits), in memory that does not depend on the length of the training text.

    Args:
        texts: groups of texts as ids, (characters,) each; an n-gram is within one text.
        train_ids: uint8, uint16 or uint32 (characters,), may be a memmap.
        lengths: of the n-grams (characters).

    Returns:
        For each group, for each length, the share of its n-grams, each counted as often as it occurs (0 to 1); None
        where the group has no n-gram of that length.
    """
    shares: list[list[float | None]] = [[] for _ in texts]
    for length in lengths:
        groups = [
            np.concatenate([_NO_HASHES, *(_window_hashes(one, length) for one in group if len(one) >= length)])
            for group in texts
        ]
        wanted = np.unique(np.concatenate([_NO_HASHES, *groups]))
        stands = _first_positions(wanted, train_ids, length) >= 0
        for hashes, of_group in zip(groups, shares, strict=True):
            of_group.append(_share(stands[np.searchsorted(wanted, hashes)]) if len(hashes) else None)
    return shares


def passages_table(temperatures: Sequence[float], passages: Sequence[Passage]) -> pd.DataFrame:
    """Return one row for each passage: `temperature`, and the fields of `Passage`, the text last."""
    rows = [asdict(passage) for passage in passages]
    frame = pd.DataFrame(rows, columns=["length", "sample_position", "train_position", "text"])
    frame.insert(0, "temperature", list(temperatures))
    return frame


class _Search:
    """The state of the bisection: for each text the longest passage that is known, and the shortest that is not there.

    `found` has for each text (length, position in the text, position in train).
    """

    def __init__(self, texts: list[npt.NDArray[np.uint32]], train: Ids) -> None:
        self._texts, self._train = texts, train
        self.found = [(0, 0, 0)] * len(texts)
        self._too_long = [min(len(text), len(train)) + 1 for text in texts]

    def next_length(self) -> int:
        """Return the length to look for next; 0 where all are known."""
        for (length, _, _), too_long in zip(self.found, self._too_long, strict=True):
            if too_long - length > 1:
                # Doubled while nothing is known to be too long for it, then halved.
                guess = max(2 * length, _FIRST_LENGTH)
                return guess if guess < too_long else (length + too_long) // 2
        return 0

    def look_for(self, length: int) -> None:
        """Find out in which texts there is a passage of `length` that stands in train."""
        asked = [number for number, too_long in enumerate(self._too_long) if self.found[number][0] < length < too_long]
        hashes = [_window_hashes(self._texts[number], length) for number in asked]
        wanted = np.unique(np.concatenate(hashes))
        first = _first_positions(wanted, self._train, length)
        for number, of_text in zip(asked, hashes, strict=True):
            positions = first[np.searchsorted(wanted, of_text)]
            for at in np.flatnonzero(positions >= 0).tolist():
                position = self._verified(self._texts[number][at : at + length], int(positions[at]))
                if position >= 0:
                    self.found[number] = (length, at, position)
                    break
            else:
                self._too_long[number] = length

    def _verified(self, text: npt.NDArray[np.uint32], position: int) -> int:
        """Return where `text` first stands in train, -1 if nowhere; `position` is where its hash first does."""
        if np.array_equal(self._train[position : position + len(text)], text):
            return position
        places = np.flatnonzero(self._train[: len(self._train) - len(text) + 1] == text[0])
        for offset in range(1, len(text)):
            places = places[self._train[places + offset] == text[offset]]
        return int(places[0]) if len(places) else -1


def _first_positions(wanted: Hashes, train: Ids, length: int) -> Positions:
    """Return where the first passage of `length` in `train` with each hash starts, -1 if nowhere: (wanted,).

    `wanted` are distinct and sorted.
    """
    # Most passages are none of those that are wanted: a table of some bits of the hash, mostly empty, says so at once.
    bits = min(len(wanted).bit_length() + 5, _MOST_TABLE_BITS)
    mask = np.uint64((1 << bits) - 1)
    table = np.zeros(1 << bits, dtype=bool)
    table[wanted & mask] = True
    first = np.full(len(wanted), -1, dtype=np.int64)
    for start in range(0, len(train) - length + 1, _PIECE):
        hashes = _window_hashes(train[start : start + _PIECE + length - 1], length)
        maybe = np.flatnonzero(table[hashes & mask])
        places = np.minimum(np.searchsorted(wanted, hashes[maybe]), len(wanted) - 1)
        hits = wanted[places] == hashes[maybe]
        found, indices = np.unique(places[hits], return_index=True)
        new = first[found] < 0
        first[found[new]] = start + maybe[hits][indices[new]]
    return first


def _window_hashes(ids: npt.NDArray[np.unsignedinteger], length: int) -> Hashes:
    """Return the hash of each passage of `length` in `ids`, (len(ids) - length + 1,)."""
    sums = np.zeros(len(ids) + 1, dtype=np.uint64)
    terms = ids.astype(np.uint64)
    terms += np.uint64(1)
    terms *= _powers(BASE, len(ids))
    np.cumsum(terms, out=sums[1:])
    hashes = sums[length:] - sums[:-length]
    # That of a passage must not depend on where it is.
    hashes *= _powers(INVERSE, len(hashes))
    return hashes


def _powers(base: int, count: int) -> Hashes:
    """Return base**0, base**1, ... modulo 2**64: (count,)."""
    return _some_powers(base, 1 << max(count - 1, 0).bit_length())[:count]


_some_powers = lru_cache(maxsize=4)(powers)


def _lengths(lengths: npt.NDArray[np.integer]) -> dict[str, float]:
    """Return mean, quartiles and median of `lengths`; NaN where there is none."""
    q1, median, q3 = np.percentile(lengths, [25, 50, 75]).tolist() if len(lengths) else [np.nan] * 3
    mean = float(np.mean(lengths)) if len(lengths) else np.nan
    return {"length_mean": mean, "length_q1": q1, "length_median": median, "length_q3": q3}


def _share(found: npt.NDArray[np.bool_]) -> float:
    """Return the share of those that are; 0 of none."""
    return float(found.mean()) if len(found) else 0.0
