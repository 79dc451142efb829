"""Where a process begins: the console script `charrnn`, and the scripts of `flows/`."""

import gc
import os
import signal
import sys
from typing import NoReturn

_STDERR = 2


def charrnn() -> NoReturn:
    """Run `charrnn` with the arguments of this process."""
    _main(None)


def script(command: str) -> NoReturn:
    """Run one command of `charrnn` with the arguments of this process, whose script it is."""
    _main(command)


def _main(command: str | None) -> NoReturn:
    if sys.stderr is None:
        # It was closed (`2>&-`); a file opened later would take its place and get what libraries print.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != _STDERR:  # the lowest number that was free, so another one where more was closed
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)
        sys.stderr = os.fdopen(_STDERR, "w")
    # Until a command has begun and when it has ended, Ctrl-C needs no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from flows.cli.errors import answer
    from flows.cli.output import Output, any_character, drop_rest

    if sys.stdout is None:
        # What a command does would be in vain, and a training takes hours.
        sys.exit(answer("cannot write standard output: it is closed", 2))
    sys.stdout = output = Output(sys.stdout)
    from flows.cli.app import run

    try:
        with any_character():
            code = run(sys.argv[1:], command)
    finally:  # also at SIGTERM, which leaves by SystemExit
        drop_rest(output)
        drop_rest(sys.stderr)
        gc.freeze()  # else the interpreter spends seconds at exit on collecting everything that was imported
    sys.exit(code)
