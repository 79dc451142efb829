"""What a run reports: metrics, parameters, tags, artifacts, its end.

Each report is a message in the run's outbox, on disk, from which a thread sends it to the tracking store in order: a
store that is slow or away does not delay training, and a process that dies loses nothing.
"""

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from charrnn.config.redaction import redact
from charrnn.errors import CharrnnError, TrackingError
from tasks.tracking.mlflow import Delivery, Store, reason, registered_version, run_tag, system_figures
from tasks.tracking.outbox import messages
from tasks.tracking.outbox.messages import Message
from tasks.tracking.outbox.queue import Outbox
from tasks.tracking.outbox.sender import Sender
from tasks.tracking.runs import ModelVersion, RunRef

# How long a run waits at its end for a store that is away (s): a server that restarts is back within a minute. Then the
# run ends, and flows/sync.py sends the rest.
END_SECONDS = 60.0
# The same for a run that was stopped (s): a person or a scheduler kills a process that takes much longer to stop.
STOP_SECONDS = 5.0


class Tracker:
    """Reports on one run. No step of a metric is logged twice, however often a part of the run is repeated."""

    def __init__(self, run: RunRef) -> None:
        """No request is made."""
        self.run = run
        self._sender = sender_of(run)

    def metric(self, key: str, value: float, step: int) -> None:
        """Queue one value, which is sent with others every few seconds or at `flush`; drop one that is not finite."""
        self._sender.raise_refusal()
        if math.isfinite(value):
            self._sender.gather(messages.Row(key, float(value), _now(), step))

    def flush(self) -> None:
        """Return when every metric so far is on disk: from then on it is sent even if this process dies."""
        self._sender.raise_refusal()
        self._sender.flush()

    def wait(self, patience: float | None = None) -> int:
        """Flush, then wait until the store has everything, or has been away for `patience` seconds (END_SECONDS).

        Returns:
            The number of messages that still wait in the outbox.

        Raises:
            TrackingError: the store refused a message.
        """
        self.flush()
        left = self._sender.wait(END_SECONDS if patience is None else patience)
        self._sender.raise_refusal()
        return left

    def params(self, flat: Mapping[str, str]) -> None:
        """Log parameters; those that are logged already keep their values."""
        self._append(messages.LogParams(dict(flat)))

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; credentials in their values are redacted."""
        self._append(messages.SetTags({key: redact(value) for key, value in tags.items()}))

    def tag(self, key: str) -> str:
        """Return the run's tag `key`, also one that is not sent yet; '' when it has none.

        Raises:
            TrackingError: the store does not answer.
        """
        waiting = [tags.values for tags in self._sender.outbox.messages() if isinstance(tags, messages.SetTags)]
        return next((values[key] for values in reversed(waiting) if key in values), "") or run_tag(self.run, key)

    def describe(self, markdown: str) -> None:
        """Set the run's description, shown at the top of its page."""
        self.tags({"mlflow.note.content": markdown})

    def rename(self, name: str) -> None:
        """Give the run another name."""
        self._append(messages.Rename(name))

    def text(self, text: str, path: str) -> None:
        """Write `text` as the artifact `path`."""
        self._append(messages.LogText(path, text))

    def file(self, local: Path, folder: str = "") -> None:
        """Copy the file `local`, as it is now, into the artifact `folder`."""
        self._append(messages.LogFile(f"{folder}/{local.name}" if folder else local.name), local)

    def checkpoint(self, path: str, step: int) -> None:
        """Show the artifact `path`, a checkpoint of optimizer step `step`, as a model with its validation loss."""
        self.flush()
        self._append(messages.LogCheckpoint(path, step))

    def table(self, frame: pd.DataFrame, path: str) -> None:
        """Write `frame` as the artifact `path` (.json), shown as a table in the UI; replaces what was there."""
        self._append(messages.LogTable(path, frame.to_json(orient="split", index=False)))

    def curves(self, baselines: Mapping[str, float], path: str) -> None:
        """Draw the loss curves logged so far as the artifact `path` (.png); baselines in nats per character."""
        self.flush()
        self._append(messages.DrawCurves(path, dict(baselines)))

    def dataset(self, *, name: str, digest: str, source: str, profile: Mapping[str, Any], context: str) -> None:
        """Log a dataset as the run's input."""
        self._append(messages.LogDataset(name, digest[:36], redact(source), json.dumps(dict(profile)), context))

    def register(
        self,
        name: str,
        checkpoint: Path,
        sha256: str,
        requirements: Sequence[str],
        example: Mapping[str, str | int | float],
        description: str = "",
        step: int = 0,
        text: str = "",
    ) -> ModelVersion:
        """Make the file `checkpoint` a new version of the registered model `name`, once for each run.

        Args:
            name: of the registered model.
            checkpoint: the file that `charrnn.serving` loads.
            sha256: of its content.
            requirements: pinned, as for pip.
            example: one input row.
            description: of the version, in Markdown.
            step: optimizer steps that it was trained for.
            text: name of the text; where not '', the model is NAME-TEXT where `name` is of another text.

        Returns:
            The version; without name and number while the store is away, which registers it when it is back.
        """
        self.flush()
        wanted = messages.Register(name, sha256, tuple(requirements), dict(example), description, step, text)
        self._append(wanted, checkpoint)
        return ModelVersion("", "") if self.wait(patience=0) else registered_version(self.run, wanted)

    def finish(self, status: str, error: str = "", patience: float | None = None) -> int:
        """End the run as FINISHED, FAILED (with `error` as a tag) or KILLED.

        Returns:
            The number of messages that wait for a store that has been away for `patience` seconds (END_SECONDS).

        Raises:
            TrackingError: the store refused a message.
        """
        if status != "FINISHED":
            # The run ends because of the refusal, or for a reason that matters more.
            self._sender.outbox.refusals.clear()
        self.flush()
        if error:
            self.tags({"error": error[:5000]})
        self._append(messages.Terminate(status, _now()))
        left = self.wait(patience)
        self._sender.outbox.discard()
        return left

    @contextmanager
    def system_metrics(self, enabled: bool) -> Iterator[None]:
        """Log CPU, memory, disk, network and GPU use every 10 s while the block runs; a step is a second of the run."""
        if not enabled:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._log_system, args=(stop,), name="system metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _log_system(self, stop: threading.Event) -> None:
        try:
            for figures in system_figures(self.run, stop):
                step = (_now() - self.run.started) // 1000
                for key, value in figures.items():
                    self.metric(key, value, step)
        except CharrnnError:
            # The main thread meets the same error at its next report, and handles it.
            return

    def _append(self, message: Message, attachment: Path | None = None) -> None:
        self._sender.raise_refusal()
        self._sender.append(message, attachment)


_senders: dict[RunRef, Sender] = {}
_senders_lock = threading.Lock()


def sender_of(run: RunRef) -> Sender:
    """Return the sender of the run's outbox: one for the whole process, so that the order is kept."""
    with _senders_lock:
        if run not in _senders:
            _senders[run] = Sender(Outbox(run.outbox), Delivery(run), redact(run.uri), reason)
        return _senders[run]


def send_pending(run: RunRef) -> int:
    """Send the messages that wait in the run's outbox, in this thread.

    Returns:
        The number of messages sent.

    Raises:
        TrackingError: the store does not answer, or refused a message; messages that it does not have are kept.
    """
    outbox, deliver, sent = Outbox(run.outbox), Delivery(run), 0

    def send(message: Message, attachment: Path | None) -> None:
        nonlocal sent
        deliver(message, attachment)
        sent += 1

    # `deliver` translates its errors itself; reading the outbox may fail, too.
    with Store(run.uri).translating():
        outbox.drain(send)
    outbox.discard()
    if outbox.refusals:
        raise TrackingError(f"tracking.uri {redact(run.uri)}: {outbox.refusals[0]}")
    return sent


def _now() -> int:
    """Return the time (ms since 1970)."""
    return int(time.time() * 1000)
