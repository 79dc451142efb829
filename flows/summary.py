"""The summary of a finished run: text for the terminal, Markdown for the run's description and for Prefect."""

import os
import shlex
import sys
from dataclasses import dataclass

from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import Dataset
from charrnn.data.splits import divided_by
from charrnn.evaluation.metrics import METRICS
from charrnn.evaluation.scores import Scores
from charrnn.generation.formats import as_line
from charrnn.wording import counted
from tasks.promote import Promotion
from tasks.tracking.runs import ModelVersion, RunRef
from tasks.tracking.trained_models import Origin
from tasks.train import Training

# Characters of a text that are shown; documents, and characters of each.
SHOWN = 300
LINES, LINE = 10, 100


@dataclass(frozen=True)
class Summary:
    """What is known at the end of a run, and the texts that say it; `samples` are those of each temperature."""

    run: RunRef
    params: Params
    origin: Origin | None
    corpus: Corpus
    dataset: Dataset
    training: Training
    scores: dict[str, Scores]
    samples: list[list[str]]
    version: ModelVersion | None
    promotion: Promotion | None
    seconds: float

    @property
    def model_version(self) -> str:
        """The number of the registered version; '' where there is none, or none yet."""
        return self.version.number if self.version else ""

    def markdown(self, ui: str = "") -> str:
        """Return a list: the text, its splits, the model, its origin, if any, the training, its results, what is kept.

        Args:
            ui: address of the MLflow UI, for links into it; '' where it is read there.
        """
        model, training = self.params.model, self.training
        per_stream = f"{counted(training.batch_size, 'stream')}, windows of {self.params.training.seq_length}"
        lines = [
            f"**Text** {self.corpus.label}, {self.dataset.characters:,} characters, sha256 `{self.corpus.sha256[:12]}`",
            f"**Splits** by {self._splits()}",
            f"**Model** {model.cell} {model.num_layers}x{model.hidden_size}, {training.num_parameters:,} parameters",
            *self._started_from(ui),
            f"**Training** {counted(training.steps, 'step')} ({training.epochs:.2f} epochs) of {per_stream} in "
            f"{training.seconds:.0f} s{self._speed()} on {training.device}, {training.precision}; "
            f"{training.dropped} characters left over" + self._rollbacks(),
            f"**Result** {'; '.join(self._results())}",
            f"**Kept** best checkpoint of step {training.best_step}, {self._registered()}",
        ]
        return "\n".join(f"- {line}" for line in lines)

    def text(self) -> str:
        """Return the summary for a terminal, with the beginning of a sample and the command that opens the UI."""
        sample, part = self._sample()
        rows = [
            ("corpus", f"{self.corpus.label}, {self.corpus.size / 1e6:.2f} MB"),
            *([("init from", self.origin.words())] if self.origin else []),
            *(tuple(result.split(": ", 1)) for result in self._results()),
            *self._decided(),
            ("time", f"{self.seconds:.0f} s, of which training {self.training.seconds:.0f} s"),
            ("run", self.run.run_id),
            ("sample", part),
        ]
        width = max(len(name) for name, _ in rows) + 2
        table = "\n".join(f"{name:<{width}}{value}" for name, value in rows)
        return f"{table}\n\n{sample}\n\n{self.ui_command()}"

    def _sample(self) -> tuple[str, str]:
        """Return the beginning of what the middle temperature wrote, and in words which part of it that is."""
        middle = len(self.samples) // 2
        texts = self.samples[middle]
        if self.params.data.has_documents:
            part = f"the first {min(len(texts), LINES)} of {counted(len(texts), 'document')}"
            sample = "\n".join(as_line(text[:LINE]) for text in texts[:LINES])
        else:
            part = f"the first {min(len(texts[0]), SHOWN):,} of {len(texts[0]):,} characters"
            sample = texts[0][:SHOWN].strip("\n")
        return sample, f"temperature {self.params.sampling.temperatures[middle]:g}, {part}"

    def ui_command(self) -> str:
        """Return the command that starts the MLflow UI, and the address of this run in it."""
        if self.run.uri.startswith(("http:", "https:")):
            return f"open {redact(self.run.uri).rstrip('/')}{self.run.ui_path}"
        # This environment's MLflow, whether or not it is activated.
        python = min(sys.executable, os.path.relpath(sys.executable), key=len)
        store = shlex.quote(redact(self.run.uri))
        command = f"{shlex.quote(python)} -m mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri {store}"
        return f"{command}\nthen open http://127.0.0.1:5000{self.run.ui_path}"

    def _started_from(self, ui: str) -> list[str]:
        if self.origin is None:
            return []
        # Without its first slash, the path is relative to the server that shows it.
        page = (ui + self.origin.ui_path).lstrip("/")
        link = f"[{self.origin.run_id}]({page})" if self.origin.ui_path else ""
        return [f"**Started from** the weights of {self.origin.words(link)}, optimizer and schedule anew"]

    def _registered(self) -> str:
        if self.version is None:
            return "not registered"
        if not self.model_version:
            return "registered when the tracking store is back"
        reason = f"; {self.promotion.reason}" if self.promotion else ""
        return f"registered as `{self.version.name}` version {self.model_version}{reason}"

    def _decided(self) -> list[tuple[str, str]]:
        if self.version is None or self.promotion is None:
            return []
        return [("model", f"{self.version.name} version {self.model_version}, {self.promotion.reason}")]

    def _results(self) -> list[str]:
        results = []
        for split, scores in self.scores.items():
            name = "best val loss" if split == "val" else "test loss"
            metrics = [metric.summary.format(scores.metrics[key]) for key, metric in METRICS.items() if metric.summary]
            baselines = [f"{baseline} {loss:.3f}" for baseline, loss in reversed(scores.baselines.items())]
            results.append(f"{name}: {', '.join(metrics)} ({', '.join(baselines)})")
        if self.training.probe_loss is not None:
            window, steps = self.params.evaluation.probe_window, self.params.training.seq_length
            results.append(f"probe: {self.training.probe_loss:.1f} nats over the {steps} steps of window {window}")
        return results or ["loss: not evaluated, there is no validation or test split"]

    def _splits(self) -> str:
        splits = self.dataset.splits(self.params.splits)
        sizes = {name: f"{count:,} characters" for name, count in splits.characters.items()}
        if splits.documents is not None:
            sizes = {
                name: f"{counted(len(splits.documents[name]), 'document')}, {size}" for name, size in sizes.items()
            }
        by = divided_by(self.params.splits, splits.documents is not None)
        return f"{by}: {'; '.join(f'{name} {size}' for name, size in sizes.items() if splits.sizes[name])}"

    def _speed(self) -> str:
        training = self.training
        return f" ({training.characters / training.seconds:,.0f} characters/s)" if training.seconds else ""

    def _rollbacks(self) -> str:
        times = self.training.rollbacks
        return f"; diverged and went back to a checkpoint {counted(times, 'time')}" if times else ""
