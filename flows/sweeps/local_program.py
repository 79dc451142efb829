"""The program of a trial on this machine: `charrnn train`, which ends when the sweep's process does.

Called with a lock file and the arguments of `charrnn train`. Its standard input ends when the sweep ends in whatever
way; the training is then asked to stop, as by SIGTERM, and is killed if it does not. The lock says to another sweep
process whether this one is still there.
"""

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

from filelock import FileLock

SCRIPT = Path(__file__).resolve().parents[1] / "pipeline.py"
# How long the training may take to stop (s).
GRACE = 60.0


def main() -> None:
    """Run the script with the other arguments."""
    lock = FileLock(sys.argv[1])
    lock.acquire()
    threading.Thread(target=_follow, daemon=True).start()
    sys.argv = [str(SCRIPT), *sys.argv[2:]]
    runpy.run_path(str(SCRIPT), run_name="__main__")


def _follow() -> None:
    """Wait for the end of standard input. Not through `sys.stdin`, whose lock the interpreter wants at its end."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
