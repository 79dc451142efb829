"""Runs beside each other: the parameters that differ, their results, loss curves and samples.

Knows no MLflow: what it shows was read through `tasks.tracking.mlflow`, from any store.
"""

import base64
import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from charrnn.evaluation.metrics import METRICS, PREFIXES
from charrnn.evaluation.plots import compared_curves
from tasks.tracking.runs import RunRecord

# Parameters that say where things are, not what was done.
NOT_COMPARED = ("data.directory", "tracking.", "tasks.", "evaluation.", "checkpoint.", "report.")
SHOWN = 400


def compared_metrics() -> tuple[str, ...]:
    """Return the names, as runs log them, of all the metrics that a comparison reads."""
    return (*(name for name, _, _ in _results()), "train/loss", "val/loss", "train/chars_per_second_so_far")


def _results() -> list[tuple[str, str, str]]:
    """Return name, title and format of each metric whose last value is shown, in order."""
    scores = [
        (f"{prefix}/{key}", f"{split} {metric.title}", metric.title_format)
        for split, prefix in PREFIXES.items()
        for key, metric in METRICS.items()
        if metric.title
    ]
    return [*scores, ("probe/loss_sum", "probe", "{:.4f}")]


@dataclass(frozen=True)
class Comparison:
    """Some runs, in the order they are to be shown."""

    runs: Sequence[RunRecord]

    def differences(self) -> pd.DataFrame:
        """Return the parameters that are not the same in all runs: a row each, a column a run."""
        frame = pd.DataFrame({self._label(run): run.params for run in self.runs}).fillna("")
        kept = [name for name in frame.index if not name.startswith(NOT_COMPARED)]
        frame = frame.loc[kept]
        return frame[frame.nunique(axis=1) > 1].sort_index().map(_one_line)

    def results(self) -> pd.DataFrame:
        """Return the results of each run: a row a result, a column a run; '' where a run has none."""
        columns = {}
        for run in self.runs:
            column = {title: _shown(run.last(name), form) for name, title, form in _results()}
            column["steps"] = _shown(run.last("train/loss", of="step"), "{:,.0f}")
            column["characters/s"] = _shown(run.last("train/chars_per_second_so_far"), "{:,.0f}")
            column["time (s)"] = _shown(run.seconds, "{:,.0f}")
            column["status"] = run.status
            columns[self._label(run)] = column
        frame = pd.DataFrame(columns)
        return frame[(frame != "").any(axis=1)]

    def samples(self) -> dict[str, str]:
        """Return the beginning of each run's middle sample, '' where it has none."""
        return {self._label(run): run.sample[:SHOWN] for run in self.runs}

    def picture(self) -> bytes:
        """Return a PNG of the loss curves of all runs."""
        return compared_curves(
            {self._label(run): (run.curve("train/loss"), run.curve("val/loss")) for run in self.runs}
        )

    def markdown(self) -> str:
        """Return everything but the picture as Markdown."""
        parts = ["## Results", _table(self.results()), "## Parameters that differ", _table(self.differences())]
        parts += ["## Samples"]
        # Indented, so that nothing in the text can end the code block.
        parts += [
            f"### {name}\n\n" + textwrap.indent(text, "    ", lambda _: True) for name, text in self.samples().items()
        ]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """Return everything as one HTML page, which contains the picture."""
        image = base64.b64encode(self.picture()).decode("ascii")
        samples = "".join(
            f"<section><h3>{html.escape(name)}</h3><pre>{html.escape(text)}</pre></section>"
            for name, text in self.samples().items()
        )
        return PAGE.format(
            results=self.results().to_html(border=0),
            differences=self.differences().to_html(border=0),
            image=image,
            samples=samples,
        )

    def _label(self, run: RunRecord) -> str:
        """Return the run's name, with its id where another has the same."""
        same = [other for other in self.runs if other.name == run.name]
        return _one_line(run.name if len(same) == 1 else f"{run.name} ({run.run_id[:8]})")


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Runs compared</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 0 0 1rem; }}
th, td {{ padding: .25rem .9rem .25rem 0; text-align: left; border-bottom: 1px solid #ddd; }}
img {{ max-width: 100%; }}
main {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }}
pre {{ white-space: pre-wrap; background: #f6f6f4; padding: 1rem; }}
</style></head><body>
<h1>Runs compared</h1>
<h2>Results</h2>{results}
<img alt="loss curves" src="data:image/png;base64,{image}">
<h2>Parameters that differ</h2>{differences}
<h2>Samples</h2><main>{samples}</main>
</body></html>
"""


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _one_line(text: str) -> str:
    """Return `text` with an escape for what would end a line or steer a terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _table(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "none"
    header = ["", *map(str, frame.columns)]
    rows = [[str(name), *map(str, row)] for name, row in zip(frame.index, frame.to_numpy(), strict=True)]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
