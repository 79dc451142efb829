"""Text generation, one character at a time, for many texts at once.

Every text has a random generator of its own: the same seed gives the same text, alone or beside others (unless a draw
hangs on the last digit of a score, which matrix products round differently in company).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.errors import DivergedError, ParamsError
from charrnn.evaluation import evaluating
from charrnn.model import CharRNN
from charrnn.vocabulary import Vocabulary, describe

# Characters of a prime read in one call: memory stays bounded however long it is.
PRIME_PIECE = 4096


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
    texts = [""] * len(requests)
    for characters in stream_many(model, vocabulary, requests):
        for index, character in enumerate(characters):
            texts[index] += character
    return texts


@torch.inference_mode()
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
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    primes = [
        vocabulary.encode(request.prime or _first_character(vocabulary, generator)).tolist()
        for request, generator in zip(requests, generators, strict=True)
    ]
    device = model.decoder.weight.device
    longest = max(request.length for request in requests)
    logits, state = _read_primes(model, primes)
    for position in range(longest):
        ids = [
            _draw(row, vocabulary.padding_id, request, generator)
            for row, request, generator in zip(logits, requests, generators, strict=True)
        ]
        characters = [vocabulary.characters[index] for index in ids]
        yield [c if position < r.length else "" for c, r in zip(characters, requests, strict=True)]
        if position + 1 < longest:
            with evaluating(model):
                scores, state = model(torch.tensor([ids], device=device), state)
            logits = scores[0].float().cpu()


def _first_character(vocabulary: Vocabulary, generator: torch.Generator) -> str:
    if "\n" in vocabulary.characters:
        return "\n"
    index = int(torch.randint(len(vocabulary.characters), (1,), generator=generator))
    return vocabulary.characters[index]


def _read_primes(model: CharRNN, primes: list[list[int]]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Read each prime from the zero state: scores after it (texts, vocabulary_size) and state, side by side.

    One by one, since they differ in length.
    """
    logits: list[Tensor] = []
    states: list[tuple[Tensor, ...]] = []
    with evaluating(model):
        for prime in primes:
            ids, state = torch.tensor(prime, device=model.decoder.weight.device)[:, None], model.initial_state(1)
            for start in range(0, len(ids), PRIME_PIECE):
                scores, state = model(ids[start : start + PRIME_PIECE], state)
            logits.append(scores[-1])
            states.append(state)
    return torch.cat(logits).float().cpu(), tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))


def _draw(logits: Tensor, padding_id: int, request: SampleRequest, generator: torch.Generator) -> int:
    """Draw an id from scores (vocabulary_size,) float32; never the padding id."""
    logits = logits.double()
    logits[padding_id] = -torch.inf
    highest = float(logits.max())
    if not math.isfinite(highest):
        raise DivergedError("the model's scores are not finite numbers: its training diverged")
    if request.temperature == 0:
        return int(logits.argmax())
    # Equal scores stay in the order of their ids, so that top_k = 1 draws what temperature 0 takes.
    if request.top_k is not None:
        logits[logits.argsort(descending=True, stable=True)[request.top_k :]] = -torch.inf
    # Nothing above zero is divided: the smallest temperature cannot overflow.
    probabilities = torch.softmax((logits - highest) / request.temperature, dim=0)
    if request.top_p is not None:
        ordered, order = probabilities.sort(descending=True, stable=True)
        probabilities[order[ordered.cumsum(0) - ordered >= request.top_p]] = 0
    return int(torch.multinomial(probabilities, 1, generator=generator))
