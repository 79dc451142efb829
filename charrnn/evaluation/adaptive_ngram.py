"""An n-gram model that goes on learning from the text that it predicts; knows no other model.

Interpolated Kneser-Ney of every order up to the longest, with fixed discounts. Below the longest order an n-gram counts
once for each distinct character before it, in the text that is read, too: what PPM calls update exclusion (Cleary &
Witten 1984, IEEE Trans. Commun. 32(4)) keeps these counts right while it reads. Contexts of whole words, which
PAQ has, too, go on from the longest order; what follows them is counted as often as it occurs.

What is counted after each context is known before a character of it is predicted, so that nothing has to be computed
character by character: the counts at a place are those of the block's start and the running sum since then. Which
contexts occur in the text is looked up beforehand; a context that does not costs nothing, however long the training
text is. That decides where counts are kept, not what they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.data.documents import Mask
from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Ids
from charrnn.evaluation.word_contexts import letters_before, word_contexts

TRAIN_CHARACTERS = 4_000_000
"""Only so many of the last characters of the training text are counted: bounds the memory, about 100 bytes for each."""
LONG_ORDER, RECENT_ORDER = 8, 6
LONG_USED, RECENT_USED = (2, 4, 6, 8), (2, 4, 6)
"""Lengths of context whose distributions are given: mixed, every other one had a loss 0.001 nats below that of all."""
DISCOUNTS = np.array([0.0, 0.6, 1.0, 1.3], dtype=np.float32)
"""Taken from counts of 0, 1, 2 and 3 or more."""
BLOCK_VALUES = 1 << 18
"""Probabilities of one order that are computed at a time: bounds the memory, does not change the result."""

Numbers = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Predictions of consecutive characters of the text.

    Attributes:
        start: place of the first.
        logs: (characters, distributions, vocabulary_size) float32, log-probabilities: those of LONG_USED, learnt from
            both texts, then those of RECENT_USED, learnt from the text that is read alone, then those of WHOLE_WORDS,
            learnt from both.
        longest: (characters,) int64, the longest context that was seen before, 0 to LONG_ORDER.
        letters: (characters,) int64, how much of a word is right before, 0 to MOST_LETTERS.
    """

    start: int
    logs: Floats
    longest: Numbers
    letters: Numbers


def blocks(train_ids: Ids | SplitIds, ids: Ids, in_word: Mask) -> Iterator[Block]:
    """Yield the predictions of every character of `ids`, each made before the model learns from it.

    Args:
        train_ids: (any,) counted beforehand, the last `TRAIN_CHARACTERS` of them; may be a memory map.
        ids: (characters,) the text to read.
        in_word: (vocabulary_size,) which ids are part of a word.
    """
    train = np.asarray(train_ids[-TRAIN_CHARACTERS:])
    long = _Characters(train, ids, len(in_word), LONG_ORDER)
    recent = _Characters(train[:0], ids, len(in_word), RECENT_ORDER)
    words, letters = _Words(train, ids, in_word), letters_before(ids, in_word)
    size = max(1, BLOCK_VALUES // len(in_word))
    for start in range(0, len(ids), size):
        piece = slice(start, min(start + size, len(ids)))
        of_long, seen = long.read(piece, LONG_USED)
        of_recent, _ = recent.read(piece, RECENT_USED)
        of_words = words.read(piece, np.exp(of_long[-1]))
        yield Block(start, np.stack([*of_long, *of_recent, *of_words], axis=1), seen - 1, letters[piece])


class _Characters:
    """The orders of one model, contexts of 0 to `longest` characters."""

    def __init__(self, train: Ids, text: Ids, size: int, longest: int) -> None:
        self._size = size
        self._text = text.astype(np.int64)
        self._orders: list[_Order] = []
        # Number of the context before each place of the text, and of those places of the training text whose context
        # is one of these.
        contexts = np.zeros(len(text), dtype=np.int64)
        places, train_contexts = np.arange(len(train)), np.zeros(len(train), dtype=np.int64)
        for length in range(longest + 1):
            if length:
                # The context is that of the place before, and the character there. The first place has one of its own.
                keys = np.full(len(text), -1, dtype=np.int64)
                keys[1:] = contexts[:-1] * size + self._text[:-1]
                distinct, contexts = np.unique(keys, return_inverse=True)
                longer = train_contexts * size + train[places]
                found = np.minimum(np.searchsorted(distinct, longer), len(distinct) - 1)
                kept = (distinct[found] == longer) & (places + 1 < len(train))
                places, train_contexts = places[kept] + 1, found[kept]
            self._orders.append(self._order_of(contexts, train, places, train_contexts, length, length == longest))
        # An n-gram counts for the shorter one in it when it is new.
        for shorter, longer_order in zip(self._orders[:-1], self._orders[1:], strict=True):
            shorter.gains = longer_order.is_new

    def _order_of(
        self, contexts: Numbers, train: Ids, places: Numbers, train_contexts: Numbers, length: int, is_longest: bool
    ) -> "_Order":
        size = self._size
        pairs = train_contexts * size + train[places]
        if is_longest:
            counted = np.unique(pairs, return_counts=True)
        else:
            # Whatever is before the beginning of the training text counts as one more character.
            before = np.where(places > length, train[places - length - 1].astype(np.int64), size)
            extended = np.unique(pairs * (size + 1) + before)
            counted = np.unique(extended // (size + 1), return_counts=True)
        return _counted_order(contexts, contexts * size + self._text, *counted)

    def read(self, piece: slice, used: tuple[int, ...]) -> tuple[list[Floats], Numbers]:
        """Return the log-probabilities of the lengths `used`, and how many lengths were seen; learn from `piece`."""
        characters = self._text[piece]
        probabilities = np.full((len(characters), self._size), 1 / self._size, dtype=np.float32)
        seen = np.zeros(len(characters), dtype=np.int64)
        logs = []
        for length, order in enumerate(self._orders):
            counts = order.counts_before(piece, characters, self._size)
            probabilities = _interpolated(counts, probabilities)
            seen += counts.any(axis=1)
            if length in used:
                logs.append(np.log(probabilities))
        # The empty context counts as seen, so that there is always one.
        return logs, np.maximum(seen, 1)


class _Words:
    """The orders of whole words, each of which goes on from the one before."""

    def __init__(self, train: Ids, text: Ids, in_word: Mask) -> None:
        self._text, self._size = text.astype(np.int64), len(in_word)
        self._orders: list[_Order] = []
        places = np.arange(len(train))
        for hashes, train_hashes in zip(word_contexts(text, in_word), word_contexts(train, in_word), strict=True):
            # Where a context does not occur in the text, no longer one that ends with it does.
            distinct, contexts = np.unique(hashes, return_inverse=True)
            wanted = train_hashes[places]
            found = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
            kept = distinct[found] == wanted
            places, train_contexts = places[kept], found[kept]
            counted = np.unique(train_contexts * self._size + train[places], return_counts=True)
            self._orders.append(_counted_order(contexts, contexts * self._size + self._text, *counted))

    def read(self, piece: slice, probabilities: Floats) -> list[Floats]:
        """Return the log-probabilities of each order, the first going on from `probabilities`; learn from `piece`."""
        logs = []
        for order in self._orders:
            counts = order.counts_before(piece, self._text[piece], self._size)
            probabilities = _interpolated(counts, probabilities)
            logs.append(np.log(probabilities))
        return logs


def _interpolated(counts: Floats, shorter: Floats) -> Floats:
    """Return the probabilities after contexts with these counts, given those after shorter ones; (places, size) all."""
    taken = DISCOUNTS[np.minimum(counts, len(DISCOUNTS) - 1).astype(np.int64)]
    totals = counts.sum(axis=1, keepdims=True)
    mixed = (counts - taken + taken.sum(axis=1, keepdims=True) * shorter) / np.maximum(totals, 1)
    return np.where(totals > 0, mixed, shorter)


@dataclass
class _Order:
    """What was counted after the contexts of one kind.

    Attributes:
        contexts: (characters,) number of the context before each place of the text.
        pairs: (pairs,) sorted: context * vocabulary_size + character, for those that occur.
        counts: (pairs,) of each, so far.
        is_new: (characters,) 1 where the place has a pair that has not occurred before, else 0.
        gains: (characters,) what the place adds to the count of its pair.
    """

    contexts: Numbers
    pairs: Numbers
    counts: Numbers
    is_new: Numbers
    gains: Numbers

    def counts_before(self, piece: slice, characters: Numbers, size: int) -> Floats:
        """Return the counts after the context of each place, (places, size), before it is learnt; learn the piece."""
        contexts, gains = self.contexts[piece], self.gains[piece]
        distinct, rows = np.unique(contexts, return_inverse=True)
        table = np.zeros((len(distinct), size), dtype=np.float32)
        starts, ends = np.searchsorted(self.pairs, distinct * size), np.searchsorted(self.pairs, (distinct + 1) * size)
        lengths = ends - starts
        row_of = np.repeat(np.arange(len(distinct)), lengths)
        stored = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        table[row_of, self.pairs[stored] - distinct[row_of] * size] = self.counts[stored]
        # Place after place in each context: what those before it in the piece have added.
        order = np.argsort(rows, kind="stable")
        added = np.zeros((len(order) + 1, size), dtype=np.float32)
        added[np.arange(len(order)) + 1, characters[order]] = gains[order]
        np.cumsum(added, axis=0, out=added)
        firsts = np.searchsorted(rows[order], np.arange(len(distinct)))
        counts = np.empty((len(order), size), dtype=np.float32)
        counts[order] = table[rows[order]] + (added[:-1] - added[firsts[rows[order]]])
        np.add.at(self.counts, np.searchsorted(self.pairs, contexts * size + characters), gains)
        return counts


def _counted_order(contexts: Numbers, pairs: Numbers, train_pairs: Numbers, train_counts: Numbers) -> _Order:
    """Return an order in which the training text is counted.

    Args:
        contexts: (characters,) number of the context before each place of the text.
        pairs: (characters,) of each place.
        train_pairs: (any,) sorted, those of the training text.
        train_counts: (any,) of each of them.
    """
    # The places of the text at which a pair occurs for the first time.
    text_pairs, first = np.unique(pairs, return_index=True)
    is_new = np.zeros(len(pairs), dtype=np.int64)
    is_new[first[~np.isin(text_pairs, train_pairs, assume_unique=True)]] = 1
    every = np.union1d(train_pairs, text_pairs)
    counts = np.zeros(len(every), dtype=np.int64)
    counts[np.searchsorted(every, train_pairs)] = train_counts
    return _Order(contexts, every, counts, is_new, gains=np.ones(len(pairs), dtype=np.int64))
