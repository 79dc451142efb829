"""Task: train, and send each event of the training where it belongs.

Metrics, samples and checkpoints go to the run, a bar to the terminal, a progress artifact to Prefect. When the run has
a checkpoint already (a retry, a resume) training goes on from it, else from the trained model it keeps, if any.
"""

import logging
import time
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import TerminationSignal

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.data.vocabulary import Vocabulary
from charrnn.data.windows import Windows
from charrnn.errors import CheckpointError, DivergedError
from charrnn.evaluation.metrics import bits_per_char
from charrnn.generation.formats import default_format, fitting, listed
from charrnn.generation.writer import Writer
from charrnn.stopping import StopRequest, stop_requests
from charrnn.terminal import Bar, bar
from charrnn.training.checkpoint import Checkpoint, checkpoint_of
from charrnn.training.device import choose_device, choose_precision, computing
from charrnn.training.events import CheckpointDue, Evaluation, RolledBack, Steps, ThreadsChanged, can_stop_at
from charrnn.training.limits import is_finished, run_progress
from charrnn.training.processes import joined
from charrnn.training.rollback import train_with_rollback
from charrnn.training.session import Session, new_session
from charrnn.training.state import TrainState
from charrnn.training.threads import Threads, thread_warning
from charrnn.training.warm_start import warm_start
from charrnn.wording import counted
from tasks.events import announce
from tasks.tracking.checkpoints import CheckpointFolder
from tasks.tracking.runs import TRAINING_SAMPLES, TRIAL_TAG, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")

PROGRESS_SECONDS = 5.0
# Most documents in the sample of an evaluation.
MOST_DOCUMENTS = 20
ROLLBACKS, THREADS, PROGRESS = "train/rollbacks", "train/threads", "train/progress"


@dataclass(frozen=True)
class Training:
    """The result of a training.

    Attributes:
        steps: optimizer steps done.
        epochs: passes through the training text.
        seconds: training time (s).
        characters: predictions that the steps were made from.
        best_loss: lowest validation loss during training (nats per character); None without a validation split.
        best_step: the step of the best checkpoint.
        probe_loss: the newest probe; None when none was asked for.
        rollbacks: times it went back to a checkpoint because the loss diverged.
        batch_size: streams used.
        dropped: characters of the training split that no stream has.
        num_parameters: of the model.
        device: in words.
        precision: of its arithmetic.
    """

    steps: int
    epochs: float
    seconds: float
    characters: int
    best_loss: float | None
    best_step: int | None
    probe_loss: float | None
    rollbacks: int
    batch_size: int
    dropped: int
    num_parameters: int
    device: str
    precision: str


@task(cache_policy=NO_CACHE)
def train(dataset: Dataset, params: Params, run: RunRef) -> Training:
    """Train until the parameters say it is enough.

    Raises:
        DivergedError: training diverged once more than `training.max_rollbacks`; the best and the last good checkpoint
            are kept.
        DeviceError: the device asked for is not there, or out of memory.
        RankError: another process that trains with this one has ended or cannot be reached.
        KeyboardInterrupt, TerminationSignal: a stop was asked for; everything is saved.
    """
    tracker, vocabulary, training = Tracker(run), dataset.vocabulary(), params.training
    device = choose_device(training)
    with computing(training):
        session = new_session(dataset, params, device)
        with joined(session, dataset, params):
            state, streams = session.state, session.streams
            folder = CheckpointFolder(tracker, params.tracking.upload_checkpoints)
            if parent := folder.initial():
                state.load_weights(warm_start(parent, vocabulary, state.model))
            trained_on = _resume(state, folder, dataset, tracker)
            threads = Threads(training, device)
            if is_finished(training, state.progress, streams.num_windows):
                logger.info("train     is over; for more, raise training.epochs, max_steps, max_minutes or patience")
            else:
                _begin_threads(threads, state, streams, tracker)
                if trained_on not in ("", state.computed_on):
                    logger.warning(
                        "warning   trained on %s, now on %s: from here on not bit for bit what it would have been",
                        trained_on,
                        state.computed_on,
                    )
            _introduce(params, streams, state)
            watcher = _Watcher(params, vocabulary, dataset, tracker, folder, state, streams.num_windows)
            with (
                stop_requests(overlooked=True) as stop,
                bar("train") as progress,
                tracker.system_metrics(params.tracking.system_metrics),
            ):
                watcher.save_beginning()
                watcher.watch(session, threads, stop, progress)
            at = state.progress
            return Training(
                steps=at.step,
                epochs=at.epoch + at.window / streams.num_windows,
                seconds=at.elapsed,
                characters=at.characters,
                best_loss=at.best_loss,
                best_step=at.best_step,
                probe_loss=at.probe_loss,
                rollbacks=at.rollbacks,
                batch_size=streams.batch_size,
                dropped=streams.dropped,
                num_parameters=state.model.num_parameters,
                device=state.computed_on,
                precision=choose_precision(training, device),
            )


def _resume(state: TrainState, folder: CheckpointFolder, dataset: Dataset, tracker: Tracker) -> str:
    """Go on from the run's last checkpoint; return what it was trained on, in words, '' where there is none."""
    checkpoint = folder.last()
    if checkpoint is None:
        return ""
    if checkpoint.data_digest != dataset.digest:
        raise CheckpointError(
            f"run {tracker.run.run_id}: was trained on another text or encoding (digest {checkpoint.data_digest[:12]}, "
            f"now {dataset.digest[:12]}); start a new run, or train on from its weights: "
            f"--init-from {tracker.run.run_id}"
        )
    state.load_dict(checkpoint.state)
    logger.info("train     goes on from step %d", state.progress.step)
    return checkpoint.device


def _begin_threads(threads: Threads, state: TrainState, streams: Windows, tracker: Tracker) -> None:
    at, before = state.progress, state.progress.threads
    threads.begin(state, streams)
    if threads.speeds:
        (fewest, speed), *others = sorted(threads.speeds.items())
        tried = f"{speed:,.0f} characters/s with {counted(fewest, 'thread')}"
        tried += "".join(f", {speed:,.0f} with {number}" for number, speed in others)
        logger.info("threads   %d: in a trial, %s", at.threads, tried)
    if at.threads is not None:
        if problem := thread_warning(at.threads):
            logger.warning("warning   %s", problem)
        # A resumed run has the same rows as one that was not stopped.
        if at.threads != before:
            tracker.metric(THREADS, at.threads, at.step)


def _introduce(params: Params, streams: Windows, state: TrainState) -> None:
    model, training = params.model, params.training
    logger.info(
        "train     %s %dx%d, %s parameters, %s of %s characters, windows of %d, %s, %s",
        model.cell,
        model.num_layers,
        model.hidden_size,
        f"{state.model.num_parameters:,}",
        counted(streams.batch_size, "stream"),
        f"{streams.characters // streams.batch_size:,}",
        streams.seq_length,
        state.computed_on,
        choose_precision(training, state.device),
    )
    if streams.batch_size < training.batch_size:
        logger.warning(
            "warning   training.batch_size %d is more than this text can fill: it trains on %s",
            training.batch_size,
            counted(streams.batch_size, "stream"),
        )


class _Watcher:
    """Sends the events of one training where they belong."""

    def __init__(
        self,
        params: Params,
        vocabulary: Vocabulary,
        dataset: Dataset,
        tracker: Tracker,
        folder: CheckpointFolder,
        state: TrainState,
        num_windows: int,
    ) -> None:
        self.params = params
        self.vocabulary = vocabulary
        self.dataset = dataset
        self.tracker = tracker
        self.folder = folder
        self.state = state
        self.num_windows = num_windows
        self.val_loss = state.progress.best_loss
        self.train_loss: float | None = None
        # Prefect's functions answer a sync caller at once; their type also names the async answer.
        self.artifact = cast(UUID, create_progress_artifact(0.0, key="training", description="training"))
        self.reported_at = time.monotonic()

    def save_beginning(self) -> None:
        """Have a checkpoint to go back to from the first step on."""
        if self.folder.last_here() is None:
            self.folder.save_last(self._checkpoint())

    def watch(self, session: Session, threads: Threads, stop: StopRequest, progress: Bar) -> None:
        """Go through the events; leave early, with everything saved, when a stop is asked for."""
        streams, val_streams = session.streams, session.val_streams
        try:
            for event in train_with_rollback(
                self.state, streams, val_streams, self.params, self.folder.last_here, threads
            ):
                match event:
                    case Steps():
                        self._on_steps(event, progress)
                    case Evaluation():
                        self._on_evaluation(event)
                    case CheckpointDue(keep=keep):
                        self._on_checkpoint_due(keep)
                    case ThreadsChanged():
                        self._on_threads_changed(event)
                    case RolledBack():
                        self._on_rolled_back(event)
                if stop.signal is not None and can_stop_at(event):
                    self.folder.save_last(self._checkpoint())
                    break
        except DivergedError as error:
            self.tracker.flush()
            if TRIAL_TAG not in self.params.tracking.tags:  # a sweep tries what diverges
                announce("diverged", self.tracker.run, str(error))
            raise
        self.tracker.flush()
        self.folder.upload_at_end(self.state.progress.step)
        stop.raise_if_requested(TerminationSignal)
        update_progress_artifact(self.artifact, 100.0)

    def _on_checkpoint_due(self, keep: bool) -> None:
        if keep:
            self.folder.keep(self._checkpoint())
        self.folder.save_last(self._checkpoint())

    def _on_threads_changed(self, event: ThreadsChanged) -> None:
        self.tracker.metric(THREADS, event.threads, event.step)
        logger.info("  step %6d  %s", event.step, event)

    def _on_rolled_back(self, event: RolledBack) -> None:
        self.tracker.flush()
        self.tracker.metric(ROLLBACKS, event.times, event.step)
        logger.warning("warning   %s", event.reason)
        logger.warning(
            "warning   back to the checkpoint of step %d, on at %g times the learning rate (%d of at most %d times)",
            event.to_step,
            event.rate_factor,
            event.times,
            self.params.training.max_rollbacks,
        )
        self.folder.save_last(self._checkpoint())

    def _on_steps(self, event: Steps, progress: Bar) -> None:
        for offset, loss in enumerate(event.losses):
            self.tracker.metric("train/loss", loss, event.first_step + offset)
        last = event.last_step
        # At steps that depend on neither a stop nor the clock, so that a resumed run has the same rows.
        if last % self.params.training.log_every == 0 or event.progress == 1.0:
            self.tracker.metric("train/grad_norm", event.grad_norms[-1], last)
            self.tracker.metric("train/learning_rate", event.learning_rates[-1], last)
            self.tracker.metric("train/chars_per_second", event.chars_per_second, last)
            self.tracker.metric("train/chars_per_second_so_far", event.characters / event.elapsed, last)
            self.tracker.metric("train/epoch", event.epoch, last)
        self.train_loss = loss = sum(event.losses) / len(event.losses)
        val = "" if self.val_loss is None else f"  val {self.val_loss:.3f}"
        left = ""
        if event.progress:
            left = f"  {event.elapsed * (1 / event.progress - 1):.0f} s left"
        detail = f"step {last}  loss {loss:.3f}{val}  {event.chars_per_second:,.0f} characters/s{left}"
        progress.update(event.progress, detail)
        if time.monotonic() - self.reported_at >= PROGRESS_SECONDS:
            self.reported_at = time.monotonic()
            update_progress_artifact(self.artifact, 100 * (event.progress or 0.0), description=detail)

    def _on_evaluation(self, event: Evaluation) -> None:
        if event.loss is not None:
            self.val_loss = event.loss
            self.tracker.metric("val/loss", event.loss, event.step)
            self.tracker.metric("val/bits_per_char", bits_per_char(event.loss), event.step)
            progress = run_progress(self.params.training, self.state.progress, self.num_windows)
            if progress is not None:
                self.tracker.metric(PROGRESS, progress, event.step)
        if event.probe_loss is not None:
            self.tracker.metric("probe/loss_sum", event.probe_loss, event.step)
        # At once: a sweep ends the trials whose losses are the worst, and each second that it knows later is lost.
        self.tracker.flush()
        self._sample(event.step)
        if event.improved:
            self.folder.save_best(self._checkpoint())
        split, shown = ("val", event.loss) if event.loss is not None else ("train", self.train_loss)
        figures = [f"{split} loss {shown:.4f}"] if shown is not None else []
        figures += [f"probe {event.probe_loss:.1f}"] if event.probe_loss is not None else []
        best = " (best)" if event.improved and event.loss is not None else ""
        if not figures:  # a run that was stopped just before its evaluation has gone on: it has made no step yet
            return
        logger.info("  step %6d  %5.0f s  %s%s", event.step, event.elapsed, "  ".join(figures), best)

    def _sample(self, step: int) -> None:
        length = self.params.evaluation.sample_length
        if length:
            sampling, documents = self.params.sampling, self.params.data.has_documents
            writer = Writer(self.state.best_model, self.vocabulary, self.params.data)
            options, _ = writer.prepare(SamplingOptions(prime=sampling.prime, length=length, seed=sampling.seed))
            seeds = [(sampling.seed + number) % 2**63 for number in range(MOST_DOCUMENTS if documents else 1)]
            texts = list(writer.write([options.model_copy(update={"seed": seed}) for seed in seeds]))
            shown = listed(fitting(texts, length), default_format(writer)) if documents else texts[0].text
            self.tracker.text(shown, f"{TRAINING_SAMPLES}/step-{step:08d}.txt")

    def _checkpoint(self) -> Checkpoint:
        return checkpoint_of(self.state, self.params, self.vocabulary, self.dataset.digest, self.tracker.run.run_id)
