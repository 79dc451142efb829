"""What `import charrnn` offers: train on a text in one call, sample, score, save and load. No server, no tracking."""

import json
import logging
import math
import signal
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.corpus import fetch_corpus
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.data.encodings import guess_warnings
from charrnn.data.layout import check_shares
from charrnn.data.splits import check_length
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError, DivergedError
from charrnn.evaluation.split_comparison import compare_with_train
from charrnn.evaluation.surprisal import score_text
from charrnn.generation.options import read_options
from charrnn.generation.writer import Writer
from charrnn.stopping import stop_requests
from charrnn.terminal import bar
from charrnn.training.checkpoint import Checkpoint, checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.device import check_gpus, choose_device, computing
from charrnn.training.events import CheckpointDue, Evaluation, RolledBack, Steps, ThreadsChanged, can_stop_at
from charrnn.training.processes import joined
from charrnn.training.rollback import MemoryStates, train_with_rollback
from charrnn.training.session import new_session
from charrnn.training.threads import Threads, thread_warning

logger = logging.getLogger("charrnn")


class Model:
    """A trained model, on the CPU.

    Attributes:
        params: what it was trained with.
        vocabulary: the characters it knows.
        step: optimizer steps of its training.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Made by `fit` and `load`. Raises CheckpointError where the weights do not fit the parameters."""
        self._checkpoint = checkpoint
        self._network = checkpoint.model()
        self.params: Params = checkpoint.params
        self.vocabulary: Vocabulary = checkpoint.vocabulary
        self.step: int = checkpoint.step
        self._writer = Writer(self._network, self.vocabulary, self.params.data)

    def __repr__(self) -> str:
        shape = self.params.model
        return f"<charrnn.Model {shape.cell} {shape.num_layers}x{shape.hidden_size}, step {self.step:,}>"

    def sample(self, prime: str = "", *, strict: bool = False, **options: Any) -> str:
        """Return `prime`, read as the training text was, and the text that the model continues it with.

        Args:
            prime: text to continue; '' starts a document, or a stream from a line break, or from a random character
                where there is none.
            strict: refuse a prime, or a stop, with characters that the model has never seen; else those of the prime
                are dropped, such a stop ends no text, and a warning is logged, as everywhere.
            **options: the other fields of `SamplingOptions`: length, temperature, top_k, top_p, min_p, seed, stop.

        Raises:
            ParamsError: an option is unknown or out of range.
            VocabularyError: `strict`, and the prime, or the stop, has characters that the model has never seen.
            DivergedError: the model's logits are not finite.
        """
        prepared, warnings = self._writer.prepare(read_options({"prime": prime, **options}), strict=strict)
        for warning in warnings:
            logger.warning(warning)
        (written,) = self._writer.write([prepared])
        return written.text

    def score(self, text: str | Sequence[str]) -> float:
        """Return the mean loss of `text`, or of several that know nothing of each other (nats per character).

        It is what `charrnn score` gives in bits: the text is read as the training text was, each line is a document for
        a model of lines, and the mean is over the characters that the model has seen, without the first of a stream and
        with the stop symbol after a document.

        Raises:
            CorpusError: there is nothing to predict: all texts are empty, one is a single character of a stream, or
                they have none that the model has seen.
            DivergedError: the model's losses are not finite.
        """
        data, of_lines = self.params.data, self._writer.of_lines
        try:
            scored = score_text(self._network, self.vocabulary, data, text, of_lines=of_lines)
        except CorpusError as error:
            raise CorpusError(f"text: {error}") from None
        return scored.bits_per_char * math.log(2)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model as a checkpoint, which `load`, `charrnn sample` and `--init-from` read. Raises FileError."""
        save_checkpoint(Path(path), self._checkpoint)


def load(path: str | PathLike[str]) -> Model:
    """Return the model in a checkpoint file: one that `Model.save` wrote, or that of a run.

    Raises:
        FileError: it cannot be read.
        CheckpointError: it is not a checkpoint, of another version, truncated or damaged.
    """
    return Model(load_checkpoint(Path(path)))


def fit(
    source: str | PathLike[str],
    *,
    max_minutes: float | None = None,
    overlays: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    overrides: str | Sequence[str] = (),
    progress: bool = True,
) -> Model:
    """Train a model on a text and return the best one of the training.

    Ctrl-C, or a notebook's stop button, ends the training early and returns the best model so far. A training that
    diverges goes back to its last good state, as in the pipeline. What is fetched and encoded is kept in
    `data.directory`.

    Args:
        source: where the text is, as in `data.sources`: a path, a glob, a URL, ...
        max_minutes: training time (minutes); None for `training.max_minutes` of the parameters.
        overlays: a parameter file, or several, merged over the defaults in order, as with --params.
        overrides: a parameter, such as "model.hidden_size=512", or several, as with --set.
        progress: show a progress bar.

    Raises:
        CharrnnError: the class that says what is wrong with a parameter, the source, the text or the device.
        DivergedError: training diverged more than `training.max_rollbacks` times, before its first evaluation.
        RankError: one of several processes (`training.processes`) has ended.
    """
    overlays = [overlays] if isinstance(overlays, str | PathLike) else overlays
    overrides = [overrides] if isinstance(overrides, str) else overrides
    changes = [*overrides, f"data.sources={json.dumps([str(source)])}"]
    if max_minutes is not None:
        changes.append(f"training.max_minutes={max_minutes}")
    params = load_params([Path(overlay) for overlay in overlays], changes)
    device = choose_device(params.training)
    check_gpus(params.training, device)
    corpus = fetch_corpus(params.data)
    dataset = encode_corpus(corpus, params.data)
    for warning in (*corpus.warnings, *guess_warnings(corpus.files, params.data)):
        logger.warning(warning)
    if dataset.dropped:
        logger.warning("%s characters rarer than data.min_count were dropped", f"{dataset.dropped:,}")
    splits = dataset.splits(params.splits)
    check_length(splits, params.training)
    check_shares(splits, params.training)
    if warning := compare_with_train(splits, dataset.vocabulary()).warning(params.splits.by):
        logger.warning(warning)
    with computing(params.training):
        return Model(_train(dataset, params, device, progress))


def _train(dataset: Dataset, params: Params, device: torch.device, progress: bool) -> Checkpoint:
    """Return the best checkpoint of a training on `dataset`; where there was no evaluation, the last."""
    vocabulary = dataset.vocabulary()
    session = new_session(dataset, params, device)
    with joined(session, dataset, params):
        state, states, best = session.state, MemoryStates(), None
        threads = Threads(params.training, device)
        threads.begin(state, session.streams)
        if problem := thread_warning(torch.get_num_threads()):
            logger.warning(problem)
        states.save(state)
        with stop_requests() as stop, bar("train", shown=progress) as shown:
            try:
                for event in train_with_rollback(state, session.streams, session.val_streams, params, states, threads):
                    match event:
                        case Steps(losses=losses, progress=share, chars_per_second=speed):
                            detail = f"step {event.last_step:,}  loss {losses[-1]:.3f}  {speed:,.0f} characters/s"
                            shown.update(share, detail)
                        case Evaluation(improved=True):
                            best = checkpoint_of(state, params, vocabulary, dataset.digest, run_id="")
                        case CheckpointDue():
                            states.save(state)
                        case ThreadsChanged():
                            logger.info("%s", event)
                        case RolledBack():
                            logger.warning("%s; back to step %d", event.reason, event.to_step)
                            states.save(state)
                    if stop.signal is not None and can_stop_at(event):
                        break
            except DivergedError as error:
                if best is None:
                    raise
                logger.warning("%s; the best model of step %d is returned", error, best.step)
        if stop.signal == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)  # only Ctrl-C asks for the model as it is
        return best or checkpoint_of(state, params, vocabulary, dataset.digest, run_id="")
