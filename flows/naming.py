"""What a person types for a command: `charrnn train`, or its script in `flows/`. Imports nothing slow."""

import shlex
import sys
from pathlib import Path

from charrnn.config.loading import load_params
from charrnn.undecodable import escaped

SCRIPTS = Path(__file__).resolve().parent
# Each script has the name of its command, except that of `train`, which also holds the flow `pipeline`.
FILES = {"train": "pipeline"}


def typed(command: str) -> str:
    """Return what a person types for `command`: a script where this process runs one, else `charrnn COMMAND`."""
    if Path(sys.argv[0]).resolve().parent == SCRIPTS:
        return f"python flows/{FILES.get(command, command)}.py"
    return f"charrnn {command}"


def sync_command(directory: Path) -> str:
    """Return what a person types to send what waits under the data folder `directory`."""
    usual = directory == Path(load_params().data.directory)
    return typed("sync") + ("" if usual else f" --set {_quoted(f'data.directory={directory}')}")


def _quoted(text: str) -> str:
    """Return `text` as one word of a shell, bytes that are no UTF-8 as the escapes that bash and zsh read."""
    if escaped(text) == text:
        return shlex.quote(text)
    return "$'" + escaped(text.replace("\\", r"\\").replace("'", r"\'")) + "'"
