"""Orders: what a request asks for, as texts that the engine writes, with what the model cannot use of it.

Knows neither HTTP nor the engine's thread.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from charrnn.completions.batch import Prime
from charrnn.completions.engine import Job
from charrnn.completions.protocol import (
    MAX_PROMPT,
    MAX_RATED,
    MAX_STOP,
    MAX_TEXTS,
    MAX_WRITTEN,
    CompletionRequest,
    RequestError,
)
from charrnn.completions.shelf import Served
from charrnn.completions.text import Piece, Text
from charrnn.config.sampling_options import SamplingOptions
from charrnn.data.vocabulary import Vocabulary, describe, printable
from charrnn.generation.filters import FILTERS
from charrnn.generation.writer import Writer

MAX_TOKENS = 16
"""The default of OpenAI."""
SEEDS = 2**63
AS_READ = " as the model reads it"
"""Of a number of characters: normal forms and case can make many of one."""


@dataclass(frozen=True)
class Order:
    """What a request asks for.

    Attributes:
        served: who writes it.
        jobs: the primes with their texts.
        prompts: of each text, as the model reads it.
        warnings: what the model cannot use, a line each.
    """

    served: Served
    jobs: Sequence[Job]
    prompts: Sequence[str]
    warnings: Sequence[str]

    @property
    def texts(self) -> list[Text]:
        """All texts, in the order of the answer."""
        return [text for job in self.jobs for text in job.prime.texts]


def order(request: CompletionRequest, served: Served) -> Order:
    """Return what `request` asks `served` for.

    Raises:
        RequestError: it asks for too much, for what cannot be done, or strictly for what the model has never seen.
    """
    given = request.prompt if request.prompt is not None else ""
    prompts, several = ([given], False) if isinstance(given, str) else (given, True)
    count = request.n or 1
    length = MAX_TOKENS if request.max_tokens is None else request.max_tokens
    # Before they are read: that takes as long as they are.
    _check_prompts(prompts, count)
    warnings: list[str] = []
    writer = served.writer
    stops = _stops(request, writer, warnings)
    bias = _bias(request.logit_bias or {}, writer.vocabulary)
    primes = []
    for number, prompt in enumerate(prompts):
        prime, unknown = writer.read_prime(prompt)
        if unknown:
            where = f"prompt.{number}" if several else "prompt"
            _complain(request, warnings, where, f"the model has never seen {describe(unknown)}", "dropped")
        primes.append(prime)
    _check_prompts(primes, count, AS_READ)
    _check(request, primes, count, length)
    seed = secrets.randbelow(SEEDS) if request.seed is None else request.seed
    jobs, read = [], []
    for prime in primes:
        texts = [_text(request, prime, (seed + place) % SEEDS, length, stops, bias) for place in range(count)]
        jobs.append(Job(served.batch, Prime(writer, texts, rate=_rates_prompt(request))))
        read += [prime] * count
    return Order(served, jobs, read, tuple(dict.fromkeys(warnings)))


def check_length(param: str, text: str, most: int, how: str = "") -> None:
    """Raise RequestError where a text has more than `most` characters; `how` says which were counted."""
    if len(text) > most:
        raise _refused(param, f"must have at most {most} characters, has {len(text)}{how}")


def _check_prompts(prompts: Sequence[str], count: int, how: str = "") -> None:
    check_length("prompt", "".join(prompts), MAX_PROMPT, how)
    if (texts := len(prompts) * count) > MAX_TEXTS:
        raise _refused("n", f"must ask for at most {MAX_TEXTS} texts, asks for {texts} ({len(prompts)} prompts)")


def _check(request: CompletionRequest, prompts: Sequence[str], count: int, length: int) -> None:
    """Raise RequestError where too much is asked for; `prompts` are as the model reads them."""
    texts = len(prompts) * count
    characters = sum(map(len, prompts))
    answered = texts * length + (count * characters if request.echo else 0)
    if answered > MAX_WRITTEN:
        what = f"{answered} ({texts} texts)"
        raise _refused("max_tokens", f"all texts together may have {MAX_WRITTEN} characters, got {what}")
    if request.logprobs is not None and answered > MAX_RATED:
        raise _refused("logprobs", f"an answer may have {MAX_RATED} characters with log-probabilities, got {answered}")
    if request.best_of is not None and request.best_of != count:
        raise _refused("best_of", f"must be as many as n, {count}, got {request.best_of}")
    if request.stream_options is not None and not request.stream:
        raise _refused("stream_options", "not allowed without stream")


def _refused(param: str, message: str) -> RequestError:
    return RequestError(400, f"{param}: {message}", param=param)


def _complain(request: CompletionRequest, warnings: list[str], param: str, problem: str, consequence: str) -> None:
    """Warn of what the model cannot use; where the request is strict, refuse it."""
    if request.strict:
        raise RequestError(400, f"{param}: {problem}", param=param, code="unknown_characters")
    warnings.append(f"{param}: {problem}; {consequence}")


def _stops(request: CompletionRequest, writer: Writer, warnings: list[str]) -> list[str]:
    """Return the stops that can end a text."""
    given = request.stop or []
    stops = []
    for stop in [given] if isinstance(given, str) else given:
        read, problem = writer.read_stop(stop)
        check_length("stop", read, MAX_STOP, AS_READ)
        if problem:
            _complain(request, warnings, "stop", problem, "it ends no text")
        else:
            stops.append(read)
    return stops


def _bias(given: Mapping[str, float], vocabulary: Vocabulary) -> dict[int, float]:
    """Return id -> bias."""
    bias = {}
    for character, value in given.items():
        if character and (len(character) > 1 or character not in vocabulary.characters):
            shown = "".join(map(printable, character[:20]))
            raise _refused("logit_bias", f"keys must be characters that the model knows, not ids, got '{shown}'")
        bias[vocabulary.characters.index(character) if character else vocabulary.stop_id] = value
    return bias


def _rates_prompt(request: CompletionRequest) -> bool:
    return bool(request.echo) and request.logprobs is not None


def _text(
    request: CompletionRequest, prime: str, seed: int, length: int, stops: Sequence[str], bias: Mapping[int, float]
) -> Text:
    options = SamplingOptions(
        prime=prime,
        temperature=1.0 if request.temperature is None else request.temperature,
        seed=seed,
        **{name: getattr(request, name) for name in FILTERS},
    )
    text = Text(options, length, stops, bias=bias, likeliest=request.logprobs)
    if request.echo and prime and not _rates_prompt(request):
        text.pieces.append(Piece(prime, (), None))
    return text
