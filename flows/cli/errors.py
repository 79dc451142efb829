"""How a command ends: mistakes and signals become one line and an exit code. Imports nothing slow."""

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from charrnn.errors import CharrnnError
from charrnn.undecodable import escaped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the process at once, without a traceback, while slow modules are imported.

    The garbage collector waits meanwhile: what modules make stays, and to look through it takes a fifth of the time.
    """
    handlers = [signal.signal(number, signal.SIG_DFL) for number in SIGNALS]
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        for number, handler in zip(SIGNALS, handlers, strict=True):
            signal.signal(number, handler)


def guarded(main: Callable[[], int]) -> int:
    """Run `main`; answer mistakes with one line on standard error and the error's exit code.

    Returns:
        The exit code: 2 for bad input, 130 and 143 after SIGINT and SIGTERM, 141 when the output lost its reader.
    """
    # Prefect, too, uses this handler: at SIGTERM it first ends the flow, then calls the handler that it found.
    terminated = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main()
        sys.stdout.flush()
        return code
    except CharrnnError as error:
        return answer(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader went away (`| head`).
        return 128 + signal.SIGPIPE
    except OSError as error:
        # Errors of files and of standard output are a CharrnnError that names them; this one is of something else.
        return answer(str(error), 2)
    finally:
        signal.signal(signal.SIGTERM, terminated)
        signal.signal(signal.SIGINT, interrupted)


def answer(message: str, code: int) -> int:
    """Print `message` as one line on standard error, without what a terminal would obey; return `code`."""
    line = "".join(character if character.isprintable() else "�" for character in " ".join(escaped(message).split()))
    with suppress(OSError):  # where standard error cannot be written either, the code is all that is left
        print(f"error: {line}", file=sys.stderr)
    return code
