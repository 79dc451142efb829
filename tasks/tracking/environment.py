"""The environment of a run: its code, packages and hardware."""

import getpass
import platform
import subprocess
from functools import cache
from importlib.metadata import distributions, version

import psutil

from charrnn.config.loading import PROJECT

PACKAGES = ("torch", "mlflow", "prefect", "numpy", "pandas", "pydantic")


def environment_tags() -> dict[str, str]:
    """Return tags for the run: who and what started it, git commit and dirty flag, versions, hardware."""
    tags = {"mlflow.source.name": "flows/pipeline.py", "mlflow.source.type": "LOCAL", "mlflow.user": _user()}
    tags |= {"python": platform.python_version(), "platform": platform.platform()}
    tags["cpu"] = f"{_cpu_name()}, {psutil.cpu_count()} cores"
    tags["memory_gb"] = f"{psutil.virtual_memory().total / 1e9:.1f}"
    tags |= {f"version.{package}": version(package) for package in PACKAGES}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = tags["git.commit"] = commit
        tags["git.dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    return tags


@cache  # it takes a third of a second, and a program may train many times
def installed_packages() -> str:
    """Return `name==version` of every installed package, a line each, as of the first call in this process."""
    found = {f"{item.metadata['Name']}=={item.version}" for item in distributions()}
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def _git(*arguments: str) -> str:
    """Return what git prints about the project's folder; '' where there is no git or no repository."""
    try:
        result = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return ""


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
