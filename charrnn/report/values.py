"""The values of a report's page: what was measured, as JSON. Knows neither HTML nor how a value is shown."""

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.data.vocabulary import character_name
from charrnn.report.baseline import ORDER
from charrnn.report.cells import SHIFTS
from charrnn.report.characters import MOST
from charrnn.report.contents import NO_TRAINING_TEXT, Contents
from charrnn.report.copying import LENGTHS, Copied
from charrnn.report.facts import facts
from charrnn.report.memory import LENGTHS as CONTEXTS
from charrnn.report.memory import REACH
from charrnn.report.subject import Curve

MOST_ACTIVATION_BYTES = 600_000
FEWEST_SHOWN = 300
"""Characters whose activations are in the page, at least; of a larger model fewer units are."""
NO_RUN = "The run that trained this model is not at hand."
_MOST_POINTS = 400  # of a curve
_DECADES = 3  # of gradients that are told apart
_MOST_SAMPLES = 12


def page_values(contents: Contents) -> dict[str, Any]:
    """Return the data of the page by id; texts in it are as the corpus has them."""
    return {
        "alphabet": [*contents.vocabulary.characters, ""],
        "facts": facts(contents),
        "surprisal": _surprisal(contents),
        "cells": _cells(contents),
        "memory": _memory(contents),
        "copying": _copying(contents),
        "history": _history(contents),
        "characters": _characters(contents),
    }


def _surprisal(contents: Contents) -> dict[str, Any]:
    passages = contents.passages
    return {
        "order": ORDER,
        "counted": contents.baseline.counted if contents.baseline else 0,
        "training": contents.splits.sizes["train"] if contents.splits else 0,
        "missing": "" if contents.baseline else f"{NO_TRAINING_TEXT} So there is no {ORDER}-gram beside the model.",
        "heldOut": contents.reading.held_out.name,
        "typical": _passage(contents, passages.typical),
        "costliest": [_passage(contents, part) for part in passages.costliest],
        "cheapest": [_passage(contents, part) for part in passages.cheapest],
    }


def _passage(contents: Contents, part: slice) -> dict[str, Any]:
    reading = contents.reading
    found: dict[str, Any] = {
        "start": part.start,
        "mean": _number(float(np.nanmean(reading.bits[part]))) if np.isfinite(reading.bits[part]).any() else None,
        "symbols": reading.held_out.symbols(part),
        "bits": [_number(bits) for bits in reading.bits[part].tolist()],
        "likeliest": reading.likeliest[part].tolist(),
        "probabilities": _rounded(reading.probabilities[part]),
    }
    if contents.baseline:
        likeliest, probabilities = contents.baseline.likeliest(reading.held_out, part)
        found["ngram"] = {
            "bits": [_number(bits) for bits in contents.baseline.bits[part].tolist()],
            "likeliest": likeliest.tolist(),
            "highest": _rounded(probabilities),
        }
    return found


def _cells(contents: Contents) -> dict[str, Any]:
    activations, layers = contents.reading.activations, contents.reading.layers
    typical, units = contents.passages.typical, activations.shape[1]
    length = min(typical.stop - typical.start, max(FEWEST_SHOWN, MOST_ACTIVATION_BYTES // units))
    part = slice(typical.start, typical.start + length)
    shown = np.arange(units)
    if length * units > MOST_ACTIVATION_BYTES:
        # Those that change most, and those that were found.
        spread = activations[part].astype(np.float32).std(axis=0)
        spread[[found.unit for found in contents.found]] = math.inf
        shown = np.sort(np.argsort(-spread, kind="stable")[: MOST_ACTIVATION_BYTES // length])
    scaled = np.rint(activations[part][:, shown].astype(np.float32) * 127).astype(np.int8)
    return {
        "symbols": contents.reading.held_out.symbols(part),
        "layers": layers,
        "perLayer": units // layers,
        "units": shown.tolist(),
        "activations": _base64(scaled.T),
        "found": [
            {
                "feature": found.feature,
                "unit": found.unit,
                "correlation": _number(found.correlation),
                "control": _number(found.control),
                "beyond": found.is_beyond_chance,
            }
            for found in contents.found
        ],
        "measured": len(contents.reading.bits) // 2,
        "shifts": SHIFTS,
    }


def _memory(contents: Contents) -> dict[str, Any]:
    context, depends, held_out = contents.context, contents.gradients, contents.reading.held_out
    ngram = contents.baseline.bits[context.targets].mean() if contents.baseline and len(context.targets) else None
    start = max(0, int(depends.targets[0]) - REACH) if len(depends.targets) else 0
    stop = int(depends.targets[-1]) + 1 if len(depends.targets) else 0
    highest = depends.norms.max(axis=1, keepdims=True, initial=1e-30)
    with np.errstate(divide="ignore"):
        share = np.clip(1 + np.log10(depends.norms / highest) / _DECADES, 0, 1)
    return {
        "rows": [
            {
                "length": row.length,
                "bits": _number(row.bits),
                "error": _number(row.error),
                "excess": _number(row.excess),
                "excessError": _number(row.excess_error),
            }
            for row in context.rows
        ],
        "needed": context.needed,
        "characters": len(context.targets),
        "blocks": context.blocks,
        "ngram": None if ngram is None else _number(float(ngram)),
        "order": ORDER,
        "symbols": held_out.symbols(slice(start, stop)),
        "targets": (depends.targets - start).tolist(),
        "reach": REACH,
        "wanted": depends.wanted,
        "longest": CONTEXTS[-1],
        "decades": _DECADES,
        "shares": _base64(np.rint(share * 255).astype(np.uint8)),
        "byDistance": [float(f"{norm:.3g}") for norm in depends.by_distance],
    }


def _copying(contents: Contents) -> dict[str, Any]:
    copying = contents.copying
    return {
        "missing": "" if copying else f"{NO_TRAINING_TEXT} So nothing can be said of copying.",
        "lengths": list(LENGTHS),
        "samples": [_sample(one) for one in contents.samples[:_MOST_SAMPLES]],
        "written": len(contents.samples),
        "longest": max((one.written.options.length for one in contents.samples), default=0),
        "wanted": contents.subject.checkpoint.params.sampling.length,
        "ofSamples": list(copying.of_samples) if copying else [],
        "ofHeldOut": list(copying.of_held_out) if copying else [],
        "searched": copying.searched if copying else 0,
        "training": contents.splits.sizes["train"] if contents.splits else 0,
    }


def _sample(copied: Copied) -> dict[str, Any]:
    written, passage = copied.written, copied.passage
    found: dict[str, Any] = {
        "temperature": written.options.temperature,
        "seed": written.options.seed,
        "prime": list(written.options.prime),
        "text": list(written.continuation),
    }
    if passage and passage.length:
        found["passage"] = {
            "start": passage.sample_position,
            "length": passage.length,
            "at": passage.train_position,
            "before": copied.before,
            "after": copied.after,
        }
    return found


def _history(contents: Contents) -> dict[str, Any]:
    history = contents.subject.history
    if history is None:
        return {"missing": NO_RUN, "train": [], "val": [], "baselines": [], "samples": []}
    return {
        "missing": "",
        "train": _curve(history.train),
        "val": _curve(history.val),
        "baselines": [[name, _number(loss)] for name, loss in history.baselines.items()],
        "samples": [[step, text] for step, text in history.samples],
    }


def _curve(curve: Curve) -> list[list[float | None]]:
    """Return the curve in at most so many points: each the mean of some in a row, at the step of the last."""
    size = max(1, math.ceil(len(curve) / _MOST_POINTS))
    groups = [curve[start : start + size] for start in range(0, len(curve), size)]
    return [[group[-1][0], _number(sum(loss for _, loss in group) / len(group))] for group in groups]


def _characters(contents: Contents) -> dict[str, Any]:
    vocabulary, plane = contents.vocabulary, contents.plane
    total = sum(vocabulary.counts) or 1
    commonest = sorted(range(len(vocabulary.characters)), key=lambda index: (-vocabulary.counts[index], index))[:MOST]
    return {
        "source": plane.source,
        "shares": [_number(share) for share in plane.shares],
        "ids": plane.ids.tolist(),
        "points": _rounded(plane.points),
        "all": len(vocabulary.characters),
        "rows": [
            [
                index,
                f"U+{ord(vocabulary.characters[index]):04X}",
                character_name(vocabulary.characters[index]),
                vocabulary.counts[index],
                vocabulary.counts[index] / total,
            ]
            for index in commonest
        ],
    }


def _number(value: float) -> float | None:
    """Return `value` with three decimals; None where it is not finite."""
    return round(value, 3) if math.isfinite(value) else None


def _rounded(values: npt.NDArray[np.floating]) -> Any:
    return np.round(values.astype(np.float64), 4).tolist()


def _base64(values: npt.NDArray[np.integer]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
