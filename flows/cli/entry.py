"""Where a process begins: the console script `charrnn`, and the scripts of `flows/`."""

import gc
import os
import signal
import sys
from typing import NoReturn


def charrnn() -> NoReturn:
    """Run `charrnn` with the arguments of this process."""
    _main(None)


def script(command: str) -> NoReturn:
    """Run one command of `charrnn` with the arguments of this process, whose script it is."""
    _main(command)


def _main(command: str | None) -> NoReturn:
    for name in ("stdout", "stderr"):
        # One that was closed (`>&-`); a file opened later would take its place and get what libraries print.
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    # Until a command has begun and when it has ended, Ctrl-C needs no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from flows.cli.app import run
    from flows.cli.output import any_character

    with any_character():
        code = run(sys.argv[1:], command)
    gc.freeze()  # else the interpreter spends seconds at exit on collecting everything that was imported
    sys.exit(code)
