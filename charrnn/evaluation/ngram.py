"""Two baselines to compare a model's loss with: character frequencies and an n-gram model.

The n-gram model is interpolated modified Kneser-Ney (Chen & Goodman 1998, "An Empirical Study of Smoothing
Techniques for Language Modeling", Harvard TR-10-98), interpolated down to the uniform distribution. It was chosen
over Witten-Bell (Witten & Bell 1991, IEEE Trans. Inf. Theory 37(4)) for its lower loss on the last tenth of
tinyshakespeare's training part when counted on the rest, order 5: 1.527 against 1.623 nats per character.

Every n-gram seen in training has a rank: its place among the distinct ones of its length. A longer one's key is
`rank of all but its last character * vocabulary_size + last character`, so that no key reaches training length
* vocabulary size, whatever the order: 64 bits are plenty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Ids
from charrnn.errors import CorpusError, ParamsError, VocabularyError

BLOCK_CHARACTERS = 1 << 17
"""Characters of the evaluation text that are evaluated at a time: bounds the memory, does not change the result."""


@dataclass(frozen=True)
class Baselines:
    """Mean losses on the evaluation text, in nats per character; `order` is the n of the n-gram model."""

    unigram_loss: float
    ngram_loss: float
    order: int

    @property
    def metrics(self) -> dict[str, float]:
        """The losses by the names under which a run logs them, after the prefix of the split."""
        return {"unigram_loss": self.unigram_loss, f"{self.order}gram_loss": self.ngram_loss}

    @property
    def shown(self) -> dict[str, float]:
        """The losses by what a person reads."""
        return {"unigram": self.unigram_loss, f"{self.order}-gram": self.ngram_loss}


@dataclass(frozen=True)
class _Level:
    """N-grams of one length: P(c | context) = seen[context, c] + rest[context] * P(c | shorter context)."""

    keys: NDArray[np.int64]  # [n-grams], sorted
    seen: NDArray[np.float64]  # [n-grams]
    rest: NDArray[np.float64]  # [contexts], 1 where the context was never followed by anything


class NgramModel:
    """An interpolated modified Kneser-Ney model of orders 1 to `order`, counted from `train_ids`.

    `train_ids` is uint8, uint16 or uint32 [characters], at least one, each id below `vocabulary_size`.
    """

    def __init__(self, train_ids: Ids, vocabulary_size: int, order: int) -> None:
        self.vocabulary_size = vocabulary_size
        self._levels: list[_Level] = []
        # ranks[i] is the rank of the n-gram that starts at i; at first that of the empty one.
        ranks = np.zeros(len(train_ids) + 1, dtype=np.int32)
        keys, counts, contexts = np.empty(0, np.int64), np.empty(0, np.int64), 0
        for length in range(1, min(order, len(train_ids)) + 1):
            long_keys, long_ranks, long_counts = _rank(ranks[:-1], train_ids[length - 1 :], vocabulary_size)
            if length > 1:
                # Below the highest order an n-gram counts once for each distinct character before it; for the one at
                # the beginning of the text, the beginning counts as one more.
                suffixes = np.empty(len(long_keys), dtype=np.int32)
                suffixes[long_ranks] = ranks[1:]
                counts = np.bincount(suffixes, minlength=len(keys))
                counts[ranks[0]] += 1
                self._levels.append(_smooth(keys, counts, contexts, vocabulary_size))
            contexts = max(len(keys), 1)
            keys, ranks, counts = long_keys, long_ranks, long_counts
        self._levels.append(_smooth(keys, counts, contexts, vocabulary_size))

    def probabilities(self, ids: Ids) -> NDArray[np.float64]:
        """Return P(id | the ids before it in `ids`), float64 [characters], each above 0.

        `ids` is uint8, uint16 or uint32 [characters]; the first `order - 1` of them have shorter contexts.
        """
        result = np.full(len(ids), 1 / self.vocabulary_size)
        contexts = np.zeros(len(ids), dtype=np.int64)  # ranks of what precedes each character, -1: never seen
        for level in self._levels:
            found, places = self._find(level, contexts, ids)
            result *= np.where(contexts < 0, 1.0, level.rest[contexts])
            result += np.where(found, level.seen[places], 0.0)
            contexts = _longer(found, places)
        return result

    def distributions(self, ids: Ids) -> NDArray[np.float64]:
        """Return the probability of every id at each place of `ids`, given the ids before it.

        Args:
            ids: uint8, uint16 or uint32 [characters]; the first `order - 1` of them have shorter contexts.

        Returns:
            float64 [characters, vocabulary_size]; each row adds up to 1.
        """
        size = self.vocabulary_size
        result = np.full((len(ids), size), 1 / size)
        contexts = np.zeros(len(ids), dtype=np.int64)
        for level in self._levels:
            result *= np.where(contexts < 0, 1.0, level.rest[contexts])[:, None]
            # The n-grams that begin with a context stand side by side; none do with one that was never seen, -1.
            starts, ends = (np.searchsorted(level.keys, ranks * size) for ranks in (contexts, contexts + 1))
            counts = ends - starts
            rows = np.repeat(np.arange(len(ids)), counts)
            places = np.arange(len(rows)) + np.repeat(starts - np.cumsum(counts) + counts, counts)
            result[rows, level.keys[places] % size] += level.seen[places]
            contexts = _longer(*self._find(level, contexts, ids))
        return result

    def _find(
        self, level: _Level, contexts: NDArray[np.int64], ids: Ids
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return whether each context was followed by the id at its place, and the rank of the n-gram if it was."""
        keys = contexts * self.vocabulary_size + ids
        places = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
        return level.keys[places] == keys, places


def _longer(found: NDArray[np.bool_], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank of the context, longer by one, of each next character; -1 where it was never seen."""
    contexts = np.full(len(places), -1, dtype=np.int64)
    contexts[1:] = np.where(found, places, -1)[:-1]
    return contexts


def compute_baselines(
    train_ids: Ids | SplitIds,
    eval_ids: Ids | SplitIds,
    vocabulary_size: int,
    order: int = 5,
    max_characters: int = 20_000_000,
) -> Baselines:
    """Count both baselines on `train_ids` and return their mean losses on `eval_ids`, in nats per character.

    The unigram's probabilities are add-one smoothed frequencies; the n-gram model is `NgramModel`'s.

    Args:
        train_ids: uint8, uint16 or uint32 [characters], may be a memmap.
        eval_ids: the same; all of it is evaluated, its first characters with the shorter contexts they have.
        vocabulary_size: number of ids; ids that never occur are allowed and have a probability too.
        order: the longest n-gram, in characters; 1 or more.
        max_characters: only so many of the last characters of `train_ids` are counted, the nearest to the evaluation
            split, to bound time and memory on a large corpus. Memory is 35 (prose) to 130 bytes for each.

    Raises:
        CorpusError: the training or the evaluation text is empty.
        VocabularyError: an id is not below `vocabulary_size`.
        ParamsError: `order` or `max_characters` is below 1.
    """
    for name, number in (("order", order), ("max_characters", max_characters)):
        if number < 1:
            raise ParamsError(f"{name}: {number} is below 1, the least the baselines can use")
    counted = np.asarray(train_ids[-max_characters:])
    for name, ids in (("training", counted), ("evaluation", eval_ids)):
        if len(ids) == 0:
            raise CorpusError(f"the {name} text is empty; the baselines need at least 1 character")
    _check(counted, "training", vocabulary_size)
    counts = np.bincount(counted, minlength=vocabulary_size)
    unigram_losses = -np.log((counts + 1) / (len(counted) + vocabulary_size))
    model = NgramModel(counted, vocabulary_size, order)
    unigram_sum = ngram_sum = 0.0
    for start in range(0, len(eval_ids), BLOCK_CHARACTERS):
        before = min(start, order - 1)
        block = np.asarray(eval_ids[start - before : start + BLOCK_CHARACTERS])
        _check(block, "evaluation", vocabulary_size)
        unigram_sum += float(unigram_losses[block[before:]].sum())
        ngram_sum -= float(np.log(model.probabilities(block)[before:]).sum())
    return Baselines(unigram_sum / len(eval_ids), ngram_sum / len(eval_ids), order)


def _check(ids: Ids, name: str, vocabulary_size: int) -> None:
    if ids.max() >= vocabulary_size:
        raise VocabularyError(f"the {name} text has id {ids.max()}; the vocabulary has {vocabulary_size}")


def _rank(
    ranks: NDArray[np.int32], last: Ids, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Extend every n-gram of the text by a character.

    This is `np.unique` with the inverse and the counts, which takes twice the memory.

    Args:
        ranks: (places,) rank of the n-gram at each place; those of 2**31 characters fit.
        last: (places,) the character that follows it.
        size: of the vocabulary.

    Returns:
        The keys of the longer n-grams, (n-grams,), sorted; their ranks, (places,); their counts, (n-grams,).
    """
    keys = ranks.astype(np.int64)
    keys *= size
    keys += last
    order = np.argsort(keys)
    keys = keys[order]
    is_first = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    distinct = keys[is_first]
    del keys
    longer = np.empty(len(order), dtype=np.int32)
    longer[order] = np.cumsum(is_first, dtype=np.int32) - 1
    return distinct, longer, np.diff(np.flatnonzero(is_first), append=len(is_first))


def _smooth(keys: NDArray[np.int64], counts: NDArray[np.int64], contexts: int, size: int) -> _Level:
    """Discount the `counts`, int64 [n-grams], of the sorted `keys`; `size` is the vocabulary's."""
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    context = keys // size
    totals = np.bincount(context, weights=counts, minlength=contexts)
    rest = np.bincount(context, weights=discounts, minlength=contexts) / np.maximum(totals, 1)
    return _Level(keys, (counts - discounts) / totals[context], np.where(totals > 0, rest, 1.0))


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the discounts of the counts 0, 1, 2 and 3 or more, float64 [4] (Chen & Goodman 1998)."""
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == times)) for times in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) > 0:
        y = n1 / (n1 + 2 * n2)
        estimate = np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        if (estimate[1:] > 0).all():
            return estimate
    return np.array([0.0, 0.5, 0.5, 0.5])  # too little text to estimate the discounts
