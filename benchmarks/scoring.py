"""Row 21: characters a second of what `charrnn score` calls, with a model of the default's shape."""

import math
import statistics

import charrnn
from benchmarks.pipelines import overrides
from benchmarks.runner import Bench, Figure, NotMeasuredError, seconds
from charrnn.config.schema import TrainingParams
from charrnn.evaluation.surprisal import CONTEXT, How, Surprisal, score_text
from charrnn.training.checkpoint import Checkpoint, load_checkpoint
from charrnn.training.device import reading

# What the pieces lose is to be that of a model that has learnt something.
TRAINING_SECONDS = 15.0
CHARACTERS, ADAPTED_CHARACTERS = 1_000_000, 100_000
REPEATS = 3


def measure(bench: Bench) -> list[Figure]:
    text = bench.corpus.read_text(encoding="utf-8")
    if len(text) < CHARACTERS:
        raise NotMeasuredError(f"needs a corpus of {CHARACTERS:,} characters and more")
    return speeds(_trained(bench), text[:CHARACTERS], text[:ADAPTED_CHARACTERS])


def speeds(trained: Checkpoint, text: str, adapted_text: str) -> list[Figure]:
    """Return the figures of `text`, exact and in pieces, and of `adapted_text`, with dynamic evaluation."""
    chosen = trained.params.training
    exact, in_one = _score(trained, text, chosen)
    fast, in_pieces = _score(trained, text, chosen, "fast", repeats=REPEATS)
    dynamic, _ = _score(trained, adapted_text, chosen.model_copy(update={"threads": 1}), "adapted")
    more = (in_pieces.bits_per_char - in_one.bits_per_char) * math.log(2)
    whole, part = f"scoring {len(text):,} characters", f"scoring {len(adapted_text):,} characters"
    beside = f"; loss {more:+.1e}"
    return [
        _figure("exact", f"{whole} in one stream", exact, 25_000),
        _figure("fast", f"{whole} in pieces with {CONTEXT:,} characters of context each", fast, 150_000, beside),
        _figure("dynamic", f"{part} with dynamic evaluation, on one thread", dynamic, 6_000),
    ]


def _trained(bench: Bench) -> Checkpoint:
    """Return a model of a short training, as `charrnn score` finds it."""
    path = bench.folder / "model.ckpt"
    minutes = TRAINING_SECONDS / 60
    charrnn.fit(bench.corpus, max_minutes=minutes, overrides=overrides(bench), progress=False).save(path)
    return load_checkpoint(path)


def _score(
    trained: Checkpoint, text: str, training: TrainingParams, how: How = "exact", repeats: int = 1
) -> tuple[float, Surprisal]:
    """Return characters a second, the median of `repeats`, and the result."""
    model, vocabulary, data = trained.model(), trained.vocabulary, trained.params.data
    found: list[Surprisal] = []

    def score() -> None:
        found.append(score_text(model, vocabulary, data, text, how=how))

    with reading(training, trained.threads):
        taken = statistics.median(seconds(score) for _ in range(repeats))
    return len(text) / taken, found[-1]


def _figure(part: str, what: str, speed: float, target: int, beside: str = "") -> Figure:
    figure = f"{speed:,.0f} characters/s{beside}"
    return Figure(f"21 ({part})", what, f">= {target:,} characters/s", figure, speed >= target)
