"""`charrnn export` as a script: see `python flows/export.py --help`."""

import sys
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows.cli.entry import script

if __name__ == "__main__":
    script("export")
