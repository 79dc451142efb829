import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.vocabulary import Ids
from charrnn.errors import CorpusError, ParamsError, VocabularyError
from charrnn.evaluation import ngram as baselines
from charrnn.evaluation.ngram import NgramModel, compute_baselines

SMALL_TEXT = st.lists(st.integers(0, 3), min_size=1, max_size=60)
ORDER = st.integers(1, 6)


def test_a_distribution_has_the_probability_of_every_character() -> None:
    train, text, size = skewed_text(400, 7, 1), skewed_text(60, 7, 2), 8
    model = NgramModel(ids(train), size, 4)
    rows = model.distributions(ids(text, np.uint16))
    assert rows.shape == (60, size)
    assert rows.sum(axis=1) == pytest.approx(np.ones(60))
    for place in range(60):
        for other in range(size):
            changed = [*text[:place], other]
            assert rows[place, other] == pytest.approx(model.probabilities(ids(changed))[-1])


def ids(values: Sequence[int], dtype: type[np.unsignedinteger] = np.uint8) -> Ids:
    return np.array(values, dtype=dtype)


def skewed_text(length: int, vocabulary_size: int, seed: int) -> list[int]:
    """Random ids in which some are much rarer, so that all the counts of counts are there."""
    weights = 1.0 / np.arange(1, vocabulary_size + 1)
    drawn = np.random.default_rng(seed).choice(vocabulary_size, length, p=weights / weights.sum())
    return [int(number) for number in drawn]


class DictionaryKneserNey:
    """The same model straight from the definition, one dictionary per length; slow."""

    def __init__(self, train: Sequence[int], vocabulary_size: int, order: int) -> None:
        self.vocabulary_size, self.order = vocabulary_size, order
        self.followers: dict[int, dict[tuple[int, ...], dict[int, int]]] = {}
        self.discounts: dict[int, list[float]] = {}
        for length in range(1, order + 1):
            starts = range(len(train) - length + 1)
            if length == order or length >= len(train):
                counts: dict[tuple[int, ...], int] = Counter(tuple(train[i : i + length]) for i in starts)
            else:
                before: dict[tuple[int, ...], set[int | str]] = defaultdict(set)
                for i in starts:
                    before[tuple(train[i : i + length])].add(train[i - 1] if i else "beginning")
                counts = {gram: len(characters) for gram, characters in before.items()}
            self.discounts[length] = self.estimate(list(counts.values()))
            self.followers[length] = defaultdict(dict)
            for gram, count in counts.items():
                self.followers[length][gram[:-1]][gram[-1]] = count

    @staticmethod
    def estimate(counts: list[int]) -> list[float]:
        n1, n2, n3, n4 = (counts.count(times) for times in (1, 2, 3, 4))
        if 0 not in (n1, n2, n3, n4):
            y = n1 / (n1 + 2 * n2)
            found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            if min(found) > 0:
                return found
        return [0.5, 0.5, 0.5]

    def probability(self, context: tuple[int, ...] | None, character: int) -> float:
        if context is None:
            return 1 / self.vocabulary_size
        shorter = context[1:] if context else None
        followers = self.followers[len(context) + 1].get(context)
        if not followers:
            return self.probability(shorter, character)
        discounts = self.discounts[len(context) + 1]
        total = sum(followers.values())
        held_back = sum(discounts[min(count, 3) - 1] for count in followers.values())
        count = followers.get(character, 0)
        seen = count - discounts[min(count, 3) - 1] if count else 0
        return (seen + held_back * self.probability(shorter, character)) / total

    def probabilities(self, text: Sequence[int]) -> list[float]:
        return [
            self.probability(tuple(text[max(0, i + 1 - self.order) : i]), character) for i, character in enumerate(text)
        ]


@given(SMALL_TEXT, SMALL_TEXT, ORDER)
def test_ngram_probabilities_are_those_of_the_definition(train: list[int], text: list[int], order: int) -> None:
    expected = DictionaryKneserNey(train, 5, order).probabilities(text)
    assert NgramModel(ids(train), 5, order).probabilities(ids(text)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_estimated_discounts_are_those_of_the_definition(seed: int) -> None:
    train, text = skewed_text(2000, 12, seed), skewed_text(200, 12, seed + 100)
    reference = DictionaryKneserNey(train, 14, 4)
    assert [0.5, 0.5, 0.5] not in [reference.discounts[length] for length in (3, 4)]
    expected = reference.probabilities(text)
    assert NgramModel(ids(train), 14, 4).probabilities(ids(text)) == pytest.approx(expected, rel=1e-12)


@given(SMALL_TEXT, st.lists(st.integers(0, 4), max_size=7), ORDER)
def test_probabilities_after_any_context_are_positive_and_sum_to_one(
    train: list[int], context: list[int], order: int
) -> None:
    model = NgramModel(ids(train), 5, order)
    after = [model.probabilities(ids([*context, character]))[-1] for character in range(5)]
    assert min(after) > 0
    assert math.fsum(after) == pytest.approx(1, abs=1e-12)


def test_probabilities_with_estimated_discounts_sum_to_one() -> None:
    model = NgramModel(ids(skewed_text(2000, 12, 0)), 14, 4)
    for context in ([], [0], [0, 1], [0, 0, 0], [1, 0, 2], [11, 11, 11], [13, 0, 0]):
        after = [model.probabilities(ids([*context, character]))[-1] for character in range(14)]
        assert min(after) > 0
        assert math.fsum(after) == pytest.approx(1, abs=1e-12)


def test_unigram_loss_is_the_one_computed_by_hand() -> None:
    # 3 zeros, 1 one, 0 twos: add-one over 3 characters gives 4/7, 2/7, 1/7.
    result = compute_baselines(ids([0, 0, 1, 0]), ids([0, 1, 2, 2]), 3)
    expected = -(math.log(4 / 7) + math.log(2 / 7) + 2 * math.log(1 / 7)) / 4
    assert result.unigram_loss == pytest.approx(expected, rel=1e-12)


def test_ngram_loss_is_the_mean_in_nats() -> None:
    train, text = skewed_text(300, 4, 1), skewed_text(50, 4, 2)
    result = compute_baselines(ids(train), ids(text), 4, order=3)
    expected = -sum(map(math.log, DictionaryKneserNey(train, 4, 3).probabilities(text))) / 50
    assert result.ngram_loss == pytest.approx(expected, rel=1e-12)
    assert result.order == 3


def test_periodic_text_is_nearly_free_for_the_ngram_but_not_for_the_unigram() -> None:
    text = ids(list(range(8)) * 2000)
    result = compute_baselines(text[:-1600], text[-1600:], 8)
    assert result.ngram_loss < 0.01
    assert result.unigram_loss == pytest.approx(math.log(8), rel=1e-6)


def test_first_characters_use_the_shorter_contexts_they_have() -> None:
    # By hand: 0 was preceded by 1 and by the beginning, 1 by 0: P(0) = (2 - .5 + 1 * 1/2) / 3, P(1) = 1/3.
    # "0 1" was preceded by two as well: P(1 | 0) = (2 - .5 + .5 * P(1)) / 2.
    first, second = NgramModel(ids([0, 1] * 50), 2, 5).probabilities(ids([0, 1]))
    assert first == pytest.approx(2 / 3, rel=1e-12)
    assert second == pytest.approx(5 / 6, rel=1e-12)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_evaluation_text_shorter_than_the_order_has_a_loss(length: int) -> None:
    train, text = skewed_text(300, 4, 3), skewed_text(length, 4, 4)
    result = compute_baselines(ids(train), ids(text), 4, order=5)
    expected = -sum(map(math.log, DictionaryKneserNey(train, 4, 5).probabilities(text))) / length
    assert result.ngram_loss == pytest.approx(expected, rel=1e-12)


def test_one_training_character_is_enough() -> None:
    # Half of the one count goes to the uniform distribution over 4: P(seen) = 1/2 + 1/8, P(other) = 1/8.
    result = compute_baselines(ids([2]), ids([2, 3]), 4)
    assert result.ngram_loss == pytest.approx(-(math.log(5 / 8) + math.log(1 / 8)) / 2, rel=1e-12)


def test_ids_never_seen_in_training_have_a_finite_loss() -> None:
    result = compute_baselines(ids(skewed_text(500, 4, 5)), ids([9, 0, 9, 9, 1]), 10)
    assert 0 < result.unigram_loss < 10
    assert 0 < result.ngram_loss < 20


def test_large_vocabulary_does_not_overflow() -> None:
    # 65536 to the fifth has 80 bits. Two 5-grams that a key wrapped at 64 bits could not tell apart differ only in
    # their first character.
    top = 65535
    train = [top, 5, 5, 5, 1] * 40 + [top - 1, 5, 5, 5, 2] * 40
    text = [top, 5, 5, 5, 1, top - 1, 5, 5, 5, 2]
    expected = DictionaryKneserNey(train, top + 1, 5).probabilities(text)
    for dtype in (np.uint16, np.uint32):
        found = NgramModel(ids(train, dtype), top + 1, 5).probabilities(ids(text, dtype))
        assert found == pytest.approx(expected, rel=1e-12)
    assert min(expected[4], expected[9]) > 0.9


def test_every_id_type_gives_the_same_losses() -> None:
    train, text = skewed_text(500, 6, 6), skewed_text(60, 6, 7)
    results = {compute_baselines(ids(train, t), ids(text, t), 6) for t in (np.uint8, np.uint16, np.uint32)}
    assert len(results) == 1


def test_files_mapped_into_memory_give_the_same_losses(tmp_path: Path) -> None:
    train, text = ids(skewed_text(500, 6, 6)), ids(skewed_text(60, 6, 7))
    for name, values in (("train", train), ("eval", text)):
        values.tofile(tmp_path / name)
    mapped = [np.memmap(tmp_path / name, dtype=np.uint8, mode="r") for name in ("train", "eval")]
    assert compute_baselines(mapped[0], mapped[1], 6) == compute_baselines(train, text, 6)


def test_only_the_last_characters_of_the_training_text_are_counted() -> None:
    train, text = ids(skewed_text(500, 6, 8)), ids(skewed_text(60, 6, 9))
    bounded = compute_baselines(train, text, 6, max_characters=100)
    assert bounded == compute_baselines(train[400:], text, 6)
    assert bounded != compute_baselines(train, text, 6)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 59])
def test_losses_do_not_depend_on_the_size_of_the_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train, text = ids(skewed_text(500, 6, 10)), ids(skewed_text(60, 6, 11))
    whole = compute_baselines(train, text, 6)
    monkeypatch.setattr(baselines, "BLOCK_CHARACTERS", block)
    in_blocks = compute_baselines(train, text, 6)
    assert in_blocks.unigram_loss == pytest.approx(whole.unigram_loss, rel=1e-12)
    assert in_blocks.ngram_loss == pytest.approx(whole.ngram_loss, rel=1e-12)


@pytest.mark.parametrize(
    ("train", "text", "options", "error", "says"),
    [
        ([], [0], {}, CorpusError, "training"),
        ([0], [], {}, CorpusError, "evaluation"),
        ([4], [0], {}, VocabularyError, "training text has id 4"),
        ([0], [1, 7], {}, VocabularyError, "evaluation text has id 7"),
        ([0], [0], {"order": 0}, ParamsError, "order"),
        ([0], [0], {"max_characters": 0}, ParamsError, "max_characters"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    train: list[int], text: list[int], options: dict[str, int], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        compute_baselines(ids(train), ids(text), 4, **options)
    assert "\n" not in str(raised.value)
