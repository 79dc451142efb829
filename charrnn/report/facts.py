"""The facts of a model, in words: what text, how split, which figures. The page and the model card show the same."""

import math
from collections.abc import Mapping

import numpy as np

from charrnn.data.splits import IN_WORDS, divided_by
from charrnn.report.baseline import ORDER
from charrnn.report.contents import Contents
from charrnn.wording import counted


def facts(contents: Contents) -> list[tuple[str, str]]:
    """Return (name, value) of each fact, in the order in which they are shown; a value may quote what was typed."""
    subject, checkpoint, reading = contents.subject, contents.subject.checkpoint, contents.reading
    params, history = checkpoint.params, subject.history
    model, size = params.model, reading.held_out.size
    read = len(reading.bits) - int(reading.held_out.stops.sum())
    part = f"the first {read:,} of its {size:,} characters" if read < size else f"{size:,} characters"
    result = f"{reading.bits_per_character:.3f} bits per character"
    if contents.baseline:
        # Of the same characters: the model's surprisal is NaN where it predicts none, or one that it has never seen.
        same = np.isfinite(reading.bits)
        result += f" ({ORDER}-gram {float(contents.baseline.bits[same].mean()):.3f})"
    found = [
        ("Model", f"{model.cell} {model.num_layers}x{model.hidden_size}, {contents.parameters:,} parameters"),
        ("Text", history.source if history and history.source else ", ".join(map(str, params.data.sources))),
        ("Vocabulary", counted(len(checkpoint.vocabulary.characters), "character")),
        ("Digest of the encoded text", checkpoint.data_digest),
        ("Splits", _splits(contents)),
        ("Trained for", f"{checkpoint.step:,} steps on {checkpoint.device}"),
        *([("Run", f"{history.name} ({history.run_id})")] if history else []),
        *([("Results of the run", _losses(history.results))] if history and history.results else []),
        *([("Baselines of the run", _losses(history.baselines))] if history and history.baselines else []),
        (f"Read for this report: {reading.held_out.name}", f"{result}, on {part}"),
        ("Made in", f"{contents.seconds:.1f} s, without writing this page"),
    ]
    return [(name, value) for name, value in found if value]


def _splits(contents: Contents) -> str:
    if contents.splits is None:
        return ""
    params = contents.subject.checkpoint.params
    by = divided_by(params.splits, params.data.has_documents)
    sizes = [f"{IN_WORDS[name]} {size:,}" for name, size in contents.splits.characters.items() if size]
    return f"by {by}: {', '.join(sizes)} characters"


def _losses(losses: Mapping[str, float]) -> str:
    return "; ".join(f"{name} {loss:.4f} nats, {loss / math.log(2):.3f} bits" for name, loss in losses.items())
