"""The figures as JSON, written anew with each that is made, so that a run that is cut keeps those it had."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charrnn.files import write_text


class Results:
    """The file of figures, and how much time there is to make them.

    Attributes:
        figures: name -> figure, in the order in which they were made; one that failed has its `error`.
    """

    def __init__(self, path: Path, about: dict[str, Any], seconds: float) -> None:
        """Begin the file at `path`; there are `seconds` from now on. Raises FileError."""
        self._path, self._about, self._seconds = path, about, seconds
        self._began = time.monotonic()
        self.figures: dict[str, dict[str, Any]] = {}
        self._left_out: dict[str, str] = {}
        self._write(finished=False)

    @property
    def left(self) -> float:
        """Time that is left (s)."""
        return self._seconds - (time.monotonic() - self._began)

    def make(self, name: str, takes: float, measure: Callable[[], dict[str, Any]]) -> None:
        """Keep the figure that `measure` returns, or its error; leave it out where fewer than `takes` seconds are left.

        Raises:
            FileError: the file cannot be written.
        """
        if self.left < takes:
            self._left_out[name] = f"needs about {takes:.0f} s, {max(0.0, self.left):.0f} s were left"
            self._write(finished=False)
            return
        began = time.monotonic()
        try:
            figure = measure()
        except Exception as error:  # the other figures are worth having, whatever this is
            figure = {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
        figure["took"] = round(time.monotonic() - began, 2)
        self.figures[name] = figure
        print(f"{name}: {json.dumps(figure)}", file=sys.stderr, flush=True)
        self._write(finished=False)

    def finish(self) -> str:
        """Note that nothing was cut off; return the whole as JSON. Raises FileError."""
        return self._write(finished=True)

    def _write(self, finished: bool) -> str:
        whole = {
            "about": self._about,
            "finished": finished,
            "seconds": round(time.monotonic() - self._began, 1),
            "left_out": self._left_out,
            "figures": self.figures,
        }
        text = json.dumps(whole, indent=1) + "\n"
        write_text(self._path, text)
        return text
