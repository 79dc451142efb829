from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation import adaptive_ngram
from charrnn.evaluation.adaptive_ngram import DISCOUNTS, LONG_USED, RECENT_USED, blocks
from charrnn.evaluation.word_contexts import WHOLE_WORDS

SIZE = 5
IN_WORD = np.array([False, False, True, True, False])
TEXT = st.lists(st.integers(0, 3), min_size=1, max_size=60)


def logs(train: Sequence[int], text: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    read = list(blocks(np.array(train, np.uint8), np.array(text, np.uint8), IN_WORD))
    assert [block.start for block in read] == np.cumsum([0, *(len(block.logs) for block in read)])[:-1].tolist()
    return np.concatenate([block.logs for block in read]), np.concatenate([block.longest for block in read]).tolist()


class Counts:
    """The n-gram model straight from the definition: what stands before each n-gram, or how often the longest occur."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.before: dict[tuple[int, ...], list[object]] = defaultdict(list)

    def learn(self, text: Sequence[int], place: int, name: str) -> None:
        for length in range(min(self.longest, place) + 1):
            gram = tuple(text[place - length : place + 1])
            start = place - length
            before: object = object() if length == self.longest else text[start - 1] if start else name
            if before not in self.before[gram]:
                self.before[gram].append(before)

    def predict(self, context: Sequence[int], used: Sequence[int]) -> tuple[list[list[float]], int]:
        probabilities, seen, found = [1 / SIZE] * SIZE, 0, []
        for length in range(self.longest + 1):
            if length <= len(context):
                gram = tuple(context[len(context) - length :])
                counts = [len(self.before.get((*gram, character), [])) for character in range(SIZE)]
                taken = [float(DISCOUNTS[min(count, 3)]) for count in counts]
                if sum(counts):
                    seen = length
                    probabilities = [
                        (count - discount + sum(taken) * shorter) / sum(counts)
                        for count, discount, shorter in zip(counts, taken, probabilities, strict=True)
                    ]
            if length in used:
                found.append(probabilities)
        return found, seen


class WordCounts:
    """The same of words: how often each character came after the text since a whole word."""

    def __init__(self) -> None:
        self.after: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)

    def contexts(self, before: Sequence[int]) -> list[tuple[int, ...]]:
        starts, ends = [], []
        for place, character in enumerate(before):
            previous = place > 0 and IN_WORD[before[place - 1]]
            if IN_WORD[character] and not previous:
                starts.append(place)
            if previous and not IN_WORD[character]:
                ends.append(place)
        found = []
        for words in WHOLE_WORDS:
            since = starts[: len(ends)] if words else ends
            found.append(tuple(before[since[-max(words, 1)] if len(since) >= max(words, 1) else 0 :]))
        return found

    def learn(self, text: Sequence[int], place: int) -> None:
        for words, context in enumerate(self.contexts(text[:place])):
            self.after[words, context].append(text[place])

    def predict(self, before: Sequence[int], probabilities: list[float]) -> list[list[float]]:
        found = []
        for words, context in enumerate(self.contexts(before)):
            after = self.after.get((words, context), [])
            taken = [float(DISCOUNTS[min(after.count(character), 3)]) for character in range(SIZE)]
            if after:
                probabilities = [
                    (after.count(character) - taken[character] + sum(taken) * probabilities[character]) / len(after)
                    for character in range(SIZE)
                ]
            found.append(probabilities)
        return found


@pytest.mark.parametrize("block_values", [1 << 18, 7 * SIZE])
@given(train=st.lists(st.integers(0, 3), max_size=60), text=TEXT)
def test_the_predictions_are_those_of_the_definition(block_values: int, train: list[int], text: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptive_ngram, "BLOCK_VALUES", block_values)
        found, longest = logs(train, text)
    long, recent, words = Counts(8), Counts(6), WordCounts()
    for place in range(len(train)):
        long.learn(train, place, "the beginning of the training text")
        words.learn(train, place)
    for place in range(len(text)):
        of_long, seen = long.predict(text[:place], LONG_USED)
        of_recent, _ = recent.predict(text[:place], RECENT_USED)
        of_words = words.predict(text[:place], of_long[-1])
        assert np.exp(found[place]) == pytest.approx(np.array([*of_long, *of_recent, *of_words]), rel=1e-4)
        assert longest[place] == seen
        long.learn(text, place, "the beginning of the text")
        recent.learn(text, place, "the beginning of the text")
        words.learn(text, place)


@given(st.lists(st.integers(0, 3), max_size=60), TEXT, st.integers(0, 59))
def test_probabilities_sum_to_one_and_depend_on_no_later_character(train: list[int], text: list[int], at: int) -> None:
    found, longest = logs(train, text)
    assert np.exp(found).sum(-1) == pytest.approx(1, abs=1e-5)
    changed = [*text[:at], *((character + 1) % SIZE for character in text[at:])]
    other, other_longest = logs(train, changed)
    assert (other[: at + 1] == found[: at + 1]).all()
    assert other_longest[: at + 1] == longest[: at + 1]


def test_only_the_end_of_a_long_training_text_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    train, text = [0, 1, 2, 3] * 10 + [1, 1, 2, 2] * 5, [1, 1, 2, 2]
    expected, _ = logs(train[-20:], text)
    monkeypatch.setattr(adaptive_ngram, "TRAIN_CHARACTERS", 20)
    assert (logs(train, text)[0] == expected).all()
