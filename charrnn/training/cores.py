"""How many processor cores this process gets: by its affinity and by the CPU quota of its control groups."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Where Linux says which control groups a process is in, and where their files are.
MEMBERSHIP, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the whole cores that this process gets, at least 1.

    Part of a core counts for none: a thread on it makes the others wait.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


def cpu_quota(membership: Path = MEMBERSHIP, cgroups: Path = CGROUPS) -> float | None:
    """Return the lowest CPU quota (cores, in fractions) of this process's control groups; None for no quota.

    A group is bound by the quotas of all groups above it, and of version 1 and 2 there may be both.

    Args:
        membership: the file that names the groups, a line a hierarchy: `0::/path`, or `4:cpu,cpuacct:/path`.
        cgroups: the folder in which the hierarchies are mounted.
    """
    return min((quota for folder in _folders(membership, cgroups) for quota in _quotas(folder)), default=None)


def _folders(membership: Path, cgroups: Path) -> Iterator[Path]:
    """Yield the folders of the groups that may have a quota, and of all groups above them."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, hierarchy = line.partition(":")
        controllers, _, path = hierarchy.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part]
        for mounted in {cgroups, cgroups / "cpu", cgroups / controllers} if controllers else {cgroups}:
            yield mounted
            # In a container the path may be that of the host, which is not mounted, or lead out of what is.
            yield from (mounted.joinpath(*parts[: end + 1]) for end in range(len(parts)) if ".." not in parts)


def _quotas(folder: Path) -> Iterator[float]:
    """Yield the quota (cores) of version 2 and that of version 1, where `folder` has one."""
    # Files that are not there or hold `max`, and the -1 that version 1 has for no quota, are none.
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = map(int, (folder / "cpu.max").read_text(encoding="ascii").split())
        yield quota / period
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        if quota > 0:
            yield quota / int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
