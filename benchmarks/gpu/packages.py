"""The packages that the library needs to train, beside PyTorch and NumPy, where nothing can be installed.

`make bench-gpu-packages` unpacks them into a folder here. Must import none of them.
"""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).with_name("packages")
NEEDED = ("torch", "numpy", "pydantic", "pydantic_core", "yaml", "safetensors", "psutil")


def take() -> None:
    """Have Python find the packages of the folder, where it is there."""
    if FOLDER.is_dir():
        sys.path.insert(0, str(FOLDER))


def missing() -> str:
    """Return what is missing, in one line with the remedy; '' where nothing is."""
    names = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not names:
        return ""
    return (
        f"Python {sys.version_info.major}.{sys.version_info.minor} here has no {', '.join(names)}; PyTorch and NumPy "
        f"must be installed, `make bench-gpu-packages` unpacks the others into {FOLDER}"
    )
