"""What a person calls a trained model: a run, a checkpoint file, a registered model. Looks into no store."""

import os
import re
from pathlib import Path
from typing import Literal

from charrnn.errors import ParamsError

RUN_ID = re.compile("[0-9a-f]{32}")
NEWEST = "last"
CHAMPION = "champion"
"""The alias of the version that is served."""
# Characters of a text's name in that of a model.
LONGEST = 50


def kind_of(wanted: str) -> Literal["file", "run", "registered"]:
    """Return what `wanted` names: a checkpoint file, a run (an id, or `last`), else a registered model.

    Raises:
        ParamsError: it names a run, and there is a file of that name, too.
    """
    is_file = os.path.isfile(wanted)
    if wanted == NEWEST or RUN_ID.fullmatch(wanted):
        if is_file:
            run = "the newest run" if wanted == NEWEST else "a run"
            raise ParamsError(
                f"{wanted}: may be {run} or the file {os.path.abspath(wanted)}; write .{os.sep}{wanted} for the file, "
                "or rename it"
            )
        return "run"
    return "file" if is_file or Path(wanted).suffix == ".ckpt" else "registered"


def model_suffix(text: str) -> str:
    """Return what a text's name adds to that of a registered model: letters, digits, _ and -, at most LONGEST."""
    return re.sub(r"[^\w-]+", "-", text)[:LONGEST].strip("-") or "text"
