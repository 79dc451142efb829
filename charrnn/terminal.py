"""What a person sees while tasks run: log lines and a progress bar, on standard error.

Without a terminal, plain lines now and then; with `--quiet`, nothing but warnings.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from charrnn.undecodable import escaped

logger = logging.getLogger("charrnn")
console = Console(stderr=True, highlight=False)

LINE_SECONDS = 10.0


def _readable(record: logging.LogRecord) -> bool:
    """Write bytes of names that are no UTF-8 as escapes: Prefect's server takes no others, and drops the whole log."""
    record.msg, record.args = escaped(record.getMessage()), None
    return True


logger.addFilter(_readable)


def configure_logging(*, quiet: bool) -> None:
    """Send this project's log lines to standard error, warnings only when `quiet`."""
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(
            console=console, show_time=False, show_path=False, show_level=False, highlighter=NullHighlighter()
        )
    else:
        handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)


class Bar:
    """Shows the progress of a task: a bar in a terminal, a line every ten seconds elsewhere."""

    def __init__(self, label: str, progress: Progress | None) -> None:
        """Made by `bar`; `progress` is the live display, None where there is no terminal."""
        self._label = label
        self._progress = progress
        self._task: TaskID | None = progress.add_task(label, total=1.0, detail="") if progress else None
        self._said_at = time.monotonic()

    def update(self, share: float | None, detail: str) -> None:
        """Show `share` (0 to 1; None: unknown) and `detail`."""
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task, completed=share or 0.0, total=None if share is None else 1.0, detail=detail
            )
        elif time.monotonic() - self._said_at >= LINE_SECONDS:
            self._said_at = time.monotonic()
            done = "" if share is None else f"{share:4.0%}  "
            logger.info("%s  %s%s", self._label, done, detail)


@contextmanager
def bar(label: str, *, shown: bool | None = None) -> Iterator[Bar]:
    """Show a progress bar while the block runs; it leaves no trace.

    Args:
        label: what stands before it.
        shown: whether there is one, in a terminal or a notebook; None: in a terminal that shows log lines.
    """
    if shown is None:
        shown = console.is_terminal and logger.isEnabledFor(logging.INFO) and bool(logger.handlers)
    if not (shown and (console.is_terminal or console.is_jupyter)):
        yield Bar(label, None)
        return
    columns = [TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[detail]}")]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        yield Bar(label, progress)
