"""Text generation, one character at a time, for many texts at once.

A text of a stream ends after so many characters, or with its stop. A document also ends by itself: it begins with the
stop symbol as the first input, and ends when that is drawn; the stop symbol is no character of it.

Every text has a random generator of its own: the same seed gives the same text, alone or beside others (unless a draw
depends on the last digit of a logit: a matrix product of several rows may round it differently).
"""

from collections.abc import Generator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.config.sampling_options import SamplingOptions
from charrnn.data.vocabulary import Vocabulary
from charrnn.generation.draws import Draws, log_probabilities
from charrnn.generation.filters import Floats
from charrnn.generation.primes import Reading, begun, prime_ids
from charrnn.model.char_rnn import CharRNN, State
from charrnn.model.inference import stepper
from charrnn.model.products import Array

# Characters of a prime read in one call: memory stays bounded however long it is.
PRIME_PIECE = 4096


def sample(model: CharRNN, vocabulary: Vocabulary, options: SamplingOptions, *, documents: bool = False) -> str:
    """Return the text that `options` describe, without its prime. Arguments and errors are those of `stream_many`."""
    return sample_many(model, vocabulary, [options], documents=documents)[0]


def sample_many(
    model: CharRNN,
    vocabulary: Vocabulary,
    options: Sequence[SamplingOptions],
    *,
    documents: bool = False,
    logprobs: Floats | None = None,
) -> list[str]:
    """Return one text for each of `options`, without its prime, all read through the model side by side.

    Arguments and errors are those of `stream_many`.
    """
    pieces = stream_many(model, vocabulary, options, documents=documents, logprobs=logprobs)
    return ["".join(text) for text in zip(*pieces, strict=True)]


def stream_many(
    model: CharRNN,
    vocabulary: Vocabulary,
    options: Sequence[SamplingOptions],
    *,
    documents: bool = False,
    logprobs: Floats | None = None,
) -> Generator[list[str], None, None]:
    """Yield the next character of every text, '' for those that have ended: by their length, stop or stop symbol.

    Args:
        model: on any device, in any mode; its dropout is off whenever it is used here.
        vocabulary: the model's.
        options: at least one.
        documents: whether the model has learnt documents, which the stop symbol begins and ends; else it is not drawn.
        logprobs: (texts,), to which the log-probability (nats) of each symbol that is written is added, a stop symbol
            included: that of the model itself, at temperature 1 and without filters. None: not computed.

    Raises:
        DivergedError: the model's logits are not finite.
        VocabularyError: a prime has characters the vocabulary lacks.
    """
    generators = [np.random.default_rng(one.seed) for one in options]
    primes = [
        begun(vocabulary, one.prime, generator, documents=documents)
        for one, generator in zip(options, generators, strict=True)
    ]
    draws = Draws(forbidden=None if documents else vocabulary.stop_id)
    draws.append(options, generators)
    ends = _Ends(options)
    symbols = [*vocabulary.characters, ""]  # '' is the stop symbol
    ids_of = {prime: prime_ids(vocabulary, prime, documents=documents) for prime in dict.fromkeys(primes)}
    logits, state = _read_primes(model, ids_of, primes)
    reader = stepper(model, state)
    while True:
        ids = draws.draw(logits)
        if logprobs is not None:
            drawn = np.take_along_axis(log_probabilities(logits), ids[:, None], axis=1)[:, 0]
            logprobs += np.where(ends.running, drawn, 0.0)
        yield ends.cut([symbols[index] for index in ids.tolist()])
        if ends.all_reached:
            return
        logits = reader.step(ids)


@torch.inference_mode()
def _read_primes(
    model: CharRNN, ids_of: Mapping[str, npt.NDArray[np.int64]], primes: Sequence[str]
) -> tuple[Array, State]:
    """Read each prime from the zero state: logits after it (texts, vocabulary_size) and state, side by side.

    One by one, since they differ in length; the same one only once.
    """
    numbers = {prime: number for number, prime in enumerate(ids_of)}
    last_logits: list[Tensor] = []
    states: list[State] = []
    for ids in ids_of.values():
        reading = Reading(model, ids)
        while reading.left:
            logits = reading.read(PRIME_PIECE)
        last_logits.append(logits[-1:])
        states.append(reading.state)
    place = torch.tensor([numbers[prime] for prime in primes], device=model.decoder.weight.device)
    state = tuple(torch.cat(parts, dim=1)[:, place] for parts in zip(*states, strict=True))
    return torch.cat(last_logits)[place].float().cpu().numpy(), state


class _Ends:
    """Knows where every text ends: after `length` characters, at a stop symbol, or as soon as its `stop` was written.

    Only what is written counts: a stop that the prime has begun has to be written whole. A text of the completions
    server ends otherwise: its stop is no part of it, so that it holds characters back. That costs a call for each text
    and character, which the sampler, whose stop is part of the text, does not pay.
    """

    def __init__(self, options: Sequence[SamplingOptions]) -> None:
        self._lengths = [one.length for one in options]
        self._longest = max(self._lengths)
        self._written = 0
        self._stops = {number: one.stop for number, one in enumerate(options) if one.stop is not None}
        # The last characters of each text that has a stop: as many as the stop has.
        self._tails = dict.fromkeys(self._stops, "")

    @property
    def all_reached(self) -> bool:
        return self._written >= self._longest

    @property
    def running(self) -> npt.NDArray[np.bool_]:
        """Whether each text goes on: (texts,)."""
        return np.array(self._lengths) > self._written

    def cut(self, characters: list[str]) -> list[str]:
        """Return the next character of each text, '' where it has ended; '' among `characters` is the stop symbol."""
        kept = [c if self._written < length else "" for c, length in zip(characters, self._lengths, strict=True)]
        if not all(characters):
            for number, character in enumerate(characters):
                if not character:
                    self._lengths[number] = min(self._lengths[number], self._written)
            self._longest = max(self._lengths)
        self._written += 1
        for number, stop in list(self._stops.items()):
            self._tails[number] = (self._tails[number] + kept[number])[-len(stop) :]
            if self._tails[number] == stop:
                del self._stops[number]
                self._lengths[number] = self._written
                self._longest = max(self._lengths)
        return kept
