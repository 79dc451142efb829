"""The packages that the library needs to train, beside PyTorch and NumPy, where nothing can be installed.

`make bench-gpu-packages` unpacks them into a folder of the project. Must import none of them before they are taken.
"""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench-gpu-packages"
NEEDED = ("torch", "numpy", "pydantic", "yaml", "safetensors", "psutil")


def take() -> str:
    """Import the packages, from the folder where Python lacks one; return what is missing, '' for nothing.

    The one line that is returned says what to do.
    """
    if not _missing():
        return ""
    if FOLDER.is_dir():
        # First, since one of them may need a newer typing_extensions than PyTorch brought.
        sys.path.insert(0, str(FOLDER))
    if not (names := _missing()):
        return ""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"Python {python} cannot import {', '.join(names)}; torch and numpy must be installed, "
        f"`make bench-gpu-packages BARE_PYTHON={python}` unpacks the others into {FOLDER}"
    )


def _missing() -> list[str]:
    missing = []
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    return missing
