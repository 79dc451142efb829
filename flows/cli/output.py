"""Standard output and error take every character, whatever their encoding; errors name the stream.

Imports nothing slow.
"""

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from charrnn.errors import FileError


@contextmanager
def any_character() -> Iterator[None]:
    r"""Let the block write what the encodings of standard output and error do not have: escapes such as `\u0434`.

    At the end, one line on standard error says how many characters were replaced. Bytes of names that are no UTF-8 do
    not count: no terminal can show them.
    """
    streams = [_Stream("standard output", sys.stdout), _Stream("standard error", sys.stderr)]
    try:
        yield
    finally:
        replaced = next((stream for stream in streams if stream.replaced), None)
        # Standard error may have lost its reader.
        with suppress(OSError):
            if replaced:
                print(f"warning: {replaced}; set PYTHONIOENCODING=utf-8", file=sys.stderr)


def with_escapes(text: str, escape: Callable[[str], str]) -> str:
    """Return `text` with what the encoding of standard output does not have as `escape` of it.

    For text with escapes of its own, such as JSON: nothing is lost, so nothing counts as replaced.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text if _can_encode(text, encoding) else "".join(c if _can_encode(c, encoding) else escape(c) for c in text)


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class Output(io.TextIOWrapper):
    """Standard output, which is named where it cannot be written, such as on a full disk: Python says the reason alone.

    Writing raises FileError, or BrokenPipeError where the reader went away (`| head`).
    """

    def __init__(self, stream: TextIO) -> None:
        """Take the place of `stream`."""
        assert isinstance(stream, io.TextIOWrapper)
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str, /) -> int:
        """Write `text`."""
        with _named():
            return super().write(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with _named():
            super().flush()


def drop_rest(stream: TextIO) -> None:
    """Drop what `stream` can still not write: the interpreter's last flush would complain and change the exit code."""
    try:
        stream.flush()
    except (FileError, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"cannot write standard output: {error.strerror}") from None


class _Stream:
    """Writes what the encoding of one stream does not have as escapes, and counts them."""

    def __init__(self, name: str, stream: object) -> None:
        self.replaced = 0
        self._name = name
        # What is no text stream of this process, such as the buffer of a test, is left alone; None is a closed one.
        if isinstance(stream, io.TextIOWrapper):
            self._encoding = codecs.lookup(stream.encoding).name
            codecs.register_error(f"charrnn: {name}", self._replace)
            stream.reconfigure(errors=f"charrnn: {name}")

    def __str__(self) -> str:
        characters = "character was" if self.replaced == 1 else "characters were"
        return f"{self._name} is {self._encoding}: {self.replaced} {characters} replaced"

    def _replace(self, error: UnicodeError) -> tuple[str, int]:
        """Return the escapes of what cannot be encoded, as an error handler of `codecs` does."""
        assert isinstance(error, UnicodeEncodeError)
        found = error.object[error.start : error.end]
        self.replaced += sum(not "\ud800" <= character <= "\udfff" for character in found)
        return "".join(map(_escape, found)), error.end


def _escape(character: str) -> str:
    try:
        return character.encode("ascii", "surrogateescape").decode("ascii", "backslashreplace")
    except UnicodeEncodeError:
        return character.encode("ascii", "backslashreplace").decode("ascii")
