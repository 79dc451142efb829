"""Text generation, one character at a time, for many texts at once.

Every text has a random generator of its own: the same seed gives the same text, alone or beside others (unless a draw
hangs on the last digit of a score, which matrix products round differently in company).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.data.vocabulary import Vocabulary, describe
from charrnn.errors import DivergedError, ParamsError
from charrnn.model.cells import Array
from charrnn.model.char_rnn import CharRNN, State, evaluating
from charrnn.model.inference import stepper

# Characters of a prime read in one call: memory stays bounded however long it is.
PRIME_PIECE = 4096
# Random numbers made at once for each text.
DRAWS = 256
# Below it nothing changes, since no two float32 scores are so close; divided by it, none overflows.
LOWEST_TEMPERATURE = 1e-100
NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True)
class SampleRequest:
    """How one text is to be written.

    Attributes:
        prime: text to continue; empty starts from a line break, or a random character where there is none.
        length: characters to write (count).
        temperature: 0 always takes the likeliest character, 1 samples as learnt.
        seed: of the draws.
        top_k: draw from the k likeliest only; None for all.
        top_p: draw from the likeliest that together have this probability (Holtzman et al. 2020,
            https://arxiv.org/abs/1904.09751); None for all.
    """

    prime: str = ""
    length: int = 1000
    temperature: float = 1.0
    seed: int = 1
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        rules = [
            ("length", self.length, self.length >= 1, ">= 1"),
            ("temperature", self.temperature, 0 <= self.temperature < float("inf"), ">= 0"),
            ("seed", self.seed, 0 <= self.seed < 2**63, ">= 0 and < 2^63"),
            ("top_k", self.top_k, self.top_k is None or self.top_k >= 1, ">= 1"),
            ("top_p", self.top_p, self.top_p is None or 0 < self.top_p <= 1, "> 0 and <= 1"),
        ]
        for name, value, holds, rule in rules:
            if not holds:
                raise ParamsError(f"{name}: must be {rule}, got {value}")


def known_prime(prime: str, vocabulary: Vocabulary) -> tuple[str, str]:
    """Return `prime` without the characters the model has never seen, and a message naming them ('' for none)."""
    unknown = vocabulary.unknown(prime)
    if not unknown:
        return prime, ""
    kept = "".join(character for character in prime if character not in unknown)
    return kept, f"prime: the model has never seen {describe(unknown)}"


def sample(model: CharRNN, vocabulary: Vocabulary, request: SampleRequest) -> str:
    """Return the text `request` asks for, without its prime. Raises VocabularyError for an unknown prime."""
    return sample_many(model, vocabulary, [request])[0]


def sample_many(model: CharRNN, vocabulary: Vocabulary, requests: Sequence[SampleRequest]) -> list[str]:
    """Return one text for each request, all read through the model side by side. Raises as `stream_many`."""
    return ["".join(text) for text in zip(*stream_many(model, vocabulary, requests), strict=True)]


def stream_many(model: CharRNN, vocabulary: Vocabulary, requests: Sequence[SampleRequest]) -> Iterator[list[str]]:
    """Yield the next character of every text, '' for those that have their length.

    Args:
        model: on any device, in any mode; its dropout is off whenever it is used here.
        vocabulary: the model's.
        requests: at least one.

    Raises:
        DivergedError: the model's scores are not finite numbers.
        VocabularyError: a prime has characters the vocabulary lacks.
    """
    draws = _Draws(requests, vocabulary.padding_id)
    primes = [
        tuple(vocabulary.encode(request.prime or _first_character(vocabulary, generator)).tolist())
        for request, generator in zip(requests, draws.generators, strict=True)
    ]
    longest = max(request.length for request in requests)
    scores, state = _read_primes(model, primes)
    reader = stepper(model, state)
    for position in range(longest):
        ids = draws.draw(scores)
        characters = [vocabulary.characters[index] for index in ids.tolist()]
        yield [c if position < r.length else "" for c, r in zip(characters, requests, strict=True)]
        if position + 1 < longest:
            scores = reader.step(ids)


def _first_character(vocabulary: Vocabulary, generator: np.random.Generator) -> str:
    if "\n" in vocabulary.characters:
        return "\n"
    return vocabulary.characters[int(generator.integers(len(vocabulary.characters)))]


@torch.inference_mode()
def _read_primes(model: CharRNN, primes: list[tuple[int, ...]]) -> tuple[Array, State]:
    """Read each prime from the zero state: scores after it (texts, vocabulary_size) and state, side by side.

    One by one, since they differ in length; the same one only once.
    """
    numbers = {prime: number for number, prime in enumerate(dict.fromkeys(primes))}
    logits: list[Tensor] = []
    states: list[State] = []
    with evaluating(model):
        for prime in numbers:
            ids, state = torch.tensor(prime, device=model.decoder.weight.device)[:, None], model.initial_state(1)
            for start in range(0, len(ids), PRIME_PIECE):
                scores, state = model(ids[start : start + PRIME_PIECE], state)
            logits.append(scores[-1])
            states.append(state)
    place = torch.tensor([numbers[prime] for prime in primes], device=model.decoder.weight.device)
    state = tuple(torch.cat(parts, dim=1)[:, place] for parts in zip(*states, strict=True))
    return torch.cat(logits)[place].float().cpu().numpy(), state


class _Draws:
    """Draws the next character of every text from its scores, each with a random generator of its own."""

    def __init__(self, requests: Sequence[SampleRequest], padding_id: int) -> None:
        self.generators = [np.random.default_rng(request.seed) for request in requests]
        self._padding_id = padding_id
        # Temperature 0 is the likeliest character only, at a temperature that is of no account.
        self._temperatures = np.array(
            [[max(r.temperature, LOWEST_TEMPERATURE) if r.temperature else 1.0] for r in requests]
        )
        top_k = [1 if r.temperature == 0 else r.top_k or NO_LIMIT for r in requests]
        top_p = [math.inf if r.top_p is None else r.top_p for r in requests]
        self._top_k, self._top_p = np.array(top_k)[:, None], np.array(top_p)[:, None]
        self._restricted = min(top_k) < NO_LIMIT or min(top_p) < math.inf
        self._uniforms: npt.NDArray[np.float64] = np.empty((len(requests), 0))
        self._used = 0

    def draw(self, scores: Array) -> npt.NDArray[np.int64]:
        """Return an id for each text, (texts,), from scores (texts, vocabulary_size); never the padding id."""
        logits = scores.astype(np.float64)
        logits[:, self._padding_id] = -math.inf
        highest = logits.max(axis=1, keepdims=True)
        if not np.isfinite(highest).all():
            raise DivergedError("the model's scores are not finite numbers: its training diverged")
        logits -= highest
        logits /= self._temperatures
        weights = np.exp(logits)
        if self._restricted:
            # Equal scores stay in the order of their ids, so that top_k = 1 draws what temperature 0 takes.
            order = np.argsort(-logits, axis=1, kind="stable")
            ordered = np.take_along_axis(weights, order, axis=1)
            ordered[np.arange(ordered.shape[1]) >= self._top_k] = 0
            before = ordered.cumsum(axis=1) - ordered
            ordered[before >= self._top_p * ordered.sum(axis=1, keepdims=True)] = 0
            np.put_along_axis(weights, order, ordered, axis=1)
        sums = weights.cumsum(axis=1)
        # The first place whose sum is beyond the draw: one of weight zero never is.
        places: npt.NDArray[np.int64] = (sums <= self._uniform()[:, None] * sums[:, -1:]).sum(axis=1)
        return places

    def _uniform(self) -> npt.NDArray[np.float64]:
        """Return a number in [0, 1) for each text; they are made in blocks."""
        if self._used == self._uniforms.shape[1]:
            self._uniforms, self._used = np.stack([generator.random(DRAWS) for generator in self.generators]), 0
        self._used += 1
        return self._uniforms[:, self._used - 1]
