"""Batch: the texts that one network writes side by side; they join and leave between two characters.

Nothing here waits or runs by itself: `charrnn.completions.engine` says when a character is written. Knows neither
requests nor clients.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.completions.text import Rated, Text
from charrnn.generation.draws import Draws, log_probabilities
from charrnn.generation.primes import Reading, begun, prime_ids
from charrnn.generation.writer import Writer
from charrnn.model.char_rnn import State
from charrnn.model.inference import stepper
from charrnn.model.products import Array

CHARACTER_BYTES = 4


class Prime:
    """A prime that is read, and the texts that go on from it: one for each seed.

    Attributes:
        texts: as many as are wanted of this prime, at least one; all read the same.
    """

    def __init__(self, writer: Writer, texts: Sequence[Text], *, rate: bool = False) -> None:
        """Read nothing yet.

        Args:
            writer: what reads; the texts' primes are prepared.
            texts: what goes on.
            rate: tell the texts how probable the characters of the prime are.

        Raises:
            VocabularyError: a prime has characters that the model has never seen.
        """
        self.texts = list(texts)
        documents = writer.data.has_documents
        self._generators = {text: np.random.default_rng(text.options.seed) for text in texts}
        # Without a prime, each text of a stream may begin with another character.
        self._begun = {
            text: begun(writer.vocabulary, text.options.prime, generator, documents=documents)
            for text, generator in self._generators.items()
        }
        self._readings = {
            one: Reading(writer.network, prime_ids(writer.vocabulary, one, documents=documents))
            for one in dict.fromkeys(self._begun.values())
        }
        self._last: dict[str, Tensor] = {}
        self._symbols = [*writer.vocabulary.characters, ""]
        self._rate = rate and bool(texts[0].options.prime)
        if self._rate and not documents:
            self._tell([Rated(texts[0].options.prime[0], None, None)])

    @property
    def left(self) -> int:
        """Ids that are still to be read (count)."""
        return sum(reading.left for reading in self._readings.values())

    def read(self, most: int) -> int:
        """Read at most so many ids on; return how many were.

        Raises:
            DivergedError: the characters of the prime are rated, and the model's logits are not finite.
        """
        one, reading = next((one, reading) for one, reading in self._readings.items() if reading.left)
        first = len(reading.ids) - reading.left
        logits = reading.read(most)
        self._last[one] = logits[-1:]
        if self._rate:
            following = reading.ids[first + 1 : first + 1 + len(logits)]
            likeliest = self.texts[0].likeliest or 0
            read = logits[: len(following)].float().cpu().numpy()
            self._tell(_rated(read, following, likeliest, self._symbols))
        return len(logits)

    def start(self, texts: Sequence[Text]) -> tuple[npt.NDArray[np.float32], State, list[np.random.Generator]]:
        """Return what some of the texts, at least one, begin with, now that all is read.

        Returns:
            Logits for their first character, (texts, vocabulary_size), the hidden state of each, and what draws.
        """
        beginnings = [self._begun[text] for text in texts]
        logits = torch.cat([self._last[one] for one in beginnings]).float().cpu().numpy()
        states = [self._readings[one].state for one in beginnings]
        generators = [self._generators[text] for text in texts]
        return logits, tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True)), generators

    def _tell(self, rated: Sequence[Rated]) -> None:
        for text in self.texts:
            text.read(rated)


class Batch:
    """The texts that a network writes side by side.

    Attributes:
        texts: that are being written, in the order of their rows.
        joined: those of them of which nothing is written yet.
    """

    def __init__(self, writer: Writer) -> None:
        """Prepare the network's weights, once."""
        self.texts: list[Text] = []
        self.joined: list[Text] = []
        self._symbols = [*writer.vocabulary.characters, ""]
        self._stop_id = writer.vocabulary.stop_id
        self._documents = writer.data.has_documents
        self._code_points = np.array([ord(character or "\0") for character in self._symbols], dtype="<u4")
        self._places = {character: number for number, character in enumerate(writer.vocabulary.characters)}
        self._stepper = stepper(writer.network, writer.network.initial_state(0))
        self._draws = Draws(forbidden=None if self._documents else self._stop_id)
        self._logits = np.empty((0, writer.vocabulary.size), dtype=np.float32)
        # What was drawn since it was last told to the texts: (texts,) for each character.
        self._drawn: list[npt.NDArray[np.int64]] = []
        self._arrange()

    def append(self, prime: Prime, texts: Sequence[Text]) -> None:
        """Let texts of a prime that was read join, at least one."""
        self.settle()
        logits, state, generators = prime.start(texts)
        self._logits = np.concatenate((self._logits, logits))
        self._stepper.append(state)
        self._draws.append([text.options for text in texts], generators)
        self.texts += texts
        self.joined += texts
        self._arrange()

    def remove(self, texts: Sequence[Text]) -> None:
        """Let texts leave, those of them that are here."""
        gone = set(texts)
        self.joined = [text for text in self.joined if text not in gone]
        self._keep([row for row, text in enumerate(self.texts) if text not in gone])

    def step(self) -> list[Text]:
        """Write a character of every text; return those that have ended with it, which leave.

        Raises:
            DivergedError: the model's logits are not finite.
        """
        logits = self._logits if self._bias is None else self._logits + self._bias
        ids = self._draws.draw(logits)
        if self._rated:
            rated = list(self._rated)
            most = max(self.texts[row].likeliest or 0 for row in rated)
            found = _rated(self._logits[rated], ids[rated], most, self._symbols)
            for row, one in zip(rated, found, strict=True):
                self._rated[row].append(one.with_top(self.texts[row].likeliest or 0))
        self._drawn.append(ids)
        self.joined = []
        ended: list[Text] = []
        if self._may_end(ids):
            self.settle()
            if ended := [text for text in self.texts if text.ended]:
                rows = self._keep([row for row, text in enumerate(self.texts) if not text.ended])
                ids = ids[rows]
        if self.texts:
            self._logits = self._stepper.step(ids)
        return ended

    def settle(self) -> None:
        """Tell every text what was drawn for it."""
        if not self._drawn:
            return
        # Transposed, and a copy: each text's characters stand side by side.
        drawn = np.ascontiguousarray(np.array(self._drawn).T)
        characters = self._code_points[drawn]
        stopped = (drawn[:, -1] == self._stop_id).tolist() if self._documents else [False] * len(drawn)
        for row, text in enumerate(self.texts):
            code_points: bytes = characters[row].tobytes()
            if stopped[row]:
                code_points = code_points[:-CHARACTER_BYTES]
            rated = self._rated.get(row, [])
            written = code_points.decode("utf-32-le", "surrogatepass")
            text.write(written, rated[: len(written)], stopped=stopped[row])
            rated.clear()
        self._drawn.clear()
        self._until_length = min((text.left for text in self.texts), default=0)

    def _may_end(self, ids: npt.NDArray[np.int64]) -> bool:
        """Return whether a text ends with what was drawn last, or may."""
        return (
            len(self._drawn) >= self._until_length
            or (self._documents and bool((ids == self._stop_id).any()))
            or any(int(ids[row]) in last for row, last in self._stops)
        )

    def _keep(self, rows: list[int]) -> npt.NDArray[np.int64]:
        """Go on with the texts at `rows` alone; return them."""
        kept = np.array(rows, dtype=np.int64)
        self.settle()
        self.texts = [self.texts[row] for row in rows]
        self._logits = self._logits[kept]
        self._stepper.keep(kept)
        self._draws.keep(kept)
        self._arrange()
        return kept

    def _arrange(self) -> None:
        """Note what of the texts has to be looked at after each character."""
        self._until_length = min((text.left for text in self.texts), default=0)
        self._rated: dict[int, list[Rated]] = {
            row: [] for row, text in enumerate(self.texts) if text.likeliest is not None
        }
        self._stops = [
            (row, frozenset(self._places[c] for c in text.last_characters if c in self._places))
            for row, text in enumerate(self.texts)
            if text.last_characters
        ]
        self._bias: npt.NDArray[np.float32] | None = None
        if any(text.bias for text in self.texts):
            self._bias = np.zeros((len(self.texts), len(self._symbols)), dtype=np.float32)
            for row, text in enumerate(self.texts):
                self._bias[row, list(text.bias)] = list(text.bias.values())


def _rated(logits: Array, ids: npt.NDArray[np.int64], likeliest: int, symbols: Sequence[str]) -> list[Rated]:
    """Return how probable each of `ids` was under its row of `logits`, (ids, vocabulary_size).

    Raises:
        DivergedError: the logits are not finite.
    """
    logprobs = log_probabilities(logits)
    # NumPy can only sort all.
    top = torch.from_numpy(logprobs).topk(min(likeliest, logprobs.shape[1]), dim=1)
    given = np.take_along_axis(logprobs, ids[:, None], axis=1)[:, 0].tolist()
    return [
        Rated(symbols[number], logprob, {symbols[p]: v for p, v in zip(places, values, strict=True)})
        for number, logprob, values, places in zip(
            ids.tolist(), given, top.values.tolist(), top.indices.tolist(), strict=True
        )
    ]
