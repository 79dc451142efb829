"""The real pipeline, with everything on, and the same text for what it is measured against."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import tasks.train
from benchmarks.runner import Bench, Curve, NotMeasuredError
from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.training.events import Evaluation
from flows.pipeline import pipeline
from flows.summary import Summary

PROJECT = Path(__file__).resolve().parents[1]

# 90 % to train on, 10 % to validate on, by position: what published figures are quoted on.
HALVES = ("splits.val_fraction=0.1", "splits.test_fraction=0")


def overrides(bench: Bench) -> list[str]:
    """The parameters that keep a run in the benchmark's own folder, and on the CPU, as what it is compared with."""
    return [
        "training.device=cpu",
        f"data.sources={json.dumps([str(bench.corpus)])}",
        f"data.directory={bench.folder}/data",
        f"tracking.uri=sqlite:///{bench.folder}/mlruns/mlflow.db",
    ]


def run_pipeline(bench: Bench, *changes: str, overlays: tuple[str, ...] = ()) -> Summary:
    """Run the flow."""
    return pipeline(overlays=list(overlays), overrides=[*overrides(bench), *changes])


@contextmanager
def training_clock() -> Iterator[list[float]]:
    """Gather how long trainings take (s), with the handling of events: from their first checkpoint to their last."""
    taken: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments)
            taken.append(time.perf_counter() - started)
            return result

        return run

    watcher = tasks.train._Watcher
    with (
        patch.object(watcher, "save_beginning", timed(watcher.save_beginning)),
        patch.object(watcher, "watch", timed(watcher.watch)),
    ):
        yield taken


@contextmanager
def curves() -> Iterator[list[Curve]]:
    """Gather a curve for each training of the pipeline, from its evaluations of the validation split."""
    found: list[Curve] = []
    watcher = tasks.train._Watcher
    began, evaluated = watcher.save_beginning, watcher._on_evaluation

    def begin(self: tasks.train._Watcher) -> None:
        found.append([])
        began(self)

    def note(self: tasks.train._Watcher, event: Evaluation) -> None:
        if event.loss is not None:
            found[-1].append((event.elapsed, event.loss))
        evaluated(self, event)

    with patch.object(watcher, "save_beginning", begin), patch.object(watcher, "_on_evaluation", note):
        yield found


def encoded(bench: Bench, *changes: str) -> tuple[Params, Dataset]:
    params = load_params(overrides=[*overrides(bench), *changes])
    return params, encode_corpus(fetch_corpus(params.data), params.data)


def windows(ids: Tensor, batch_size: int, seq_length: int) -> Tensor:
    """Cut `ids` as the pipeline does: (number, seq_length + 1, batch_size) int64, contiguous streams."""
    length = (len(ids) - 1) // batch_size
    number = length // seq_length
    if not number:
        raise NotMeasuredError(f"needs a corpus of {batch_size * seq_length + 1} characters and more to train on")
    rows = ids[: batch_size * length + 1].long().as_strided((batch_size, length + 1), (length, 1))
    pieces = [rows[:, start * seq_length : (start + 1) * seq_length + 1].t() for start in range(number)]
    return torch.stack(pieces).contiguous()


def overlay(name: str) -> str:
    return str(PROJECT / "params" / f"{name}.yaml")
