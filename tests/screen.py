"""A terminal of a test: a pseudo-terminal, and what a person would see on it."""

import fcntl
import logging
import os
import re
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from charrnn import terminal


class Screen:
    """What was written to a pseudo-terminal."""

    def __init__(self) -> None:
        self.bytes = b""

    @property
    def text(self) -> str:
        """All that was shown, without colours, also what was wiped away again."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.bytes.decode())

    @property
    def left(self) -> str:
        """What stands there in the end: the cursor moved, lines were written over and erased."""
        rows, row, column = [""], 0, 0
        for token in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", self.bytes.decode()):
            if token == "\r":
                column = 0
            elif token == "\n":
                row += 1
                rows += [""] * (row == len(rows))
            elif token.startswith("\x1b"):
                if token.endswith("A"):
                    row -= int(token[2:-1])
                elif token == "\x1b[2K":
                    rows[row] = ""
            else:
                rows[row] = rows[row][:column].ljust(column) + token + rows[row][column + len(token) :]
                column += len(token)
        return "\n".join(rows)


@contextmanager
def in_terminal(columns: int = 120) -> Iterator[Screen]:
    """Let the block write to a pseudo-terminal of that width."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    screen = Screen()

    def read() -> None:
        # The other end is closed: an error on Linux, an empty read elsewhere.
        with open(master, "rb", buffering=0) as file:
            try:
                while piece := file.read(4096):
                    screen.bytes += piece
            except OSError:
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with open(slave, "w", encoding="utf-8") as file, pytest.MonkeyPatch.context() as patch:
            patch.setenv("TERM", "xterm")
            patch.setenv("COLUMNS", str(columns))
            patch.setattr(terminal, "console", Console(file=file))
            yield screen
    finally:
        reader.join()


@contextmanager
def unconfigured_logger() -> Iterator[logging.Logger]:
    """The project's logger without handlers while the block runs, as it is when a script starts."""
    logger = logging.getLogger("charrnn")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    logger.handlers.clear()
    logger.setLevel(logging.INFO)
    try:
        yield logger
    finally:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
