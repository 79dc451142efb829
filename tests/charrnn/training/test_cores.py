import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from charrnn.training import cores
from charrnn.training.cores import cpu_quota, usable_cores


def quota(folder: Path, membership: str, files: Mapping[str, str]) -> float | None:
    (folder / "membership").write_text(membership)
    for name, content in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return cpu_quota(folder / "membership", folder / "cgroup")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("200000 100000\n", 2.0),
        ("50000 100000\n", 0.5),
        ("150000 50000\n", 3.0),
        ("max 100000\n", None),
        ("", None),
        ("nonsense\n", None),
        ("100000 0\n", None),
    ],
)
def test_a_quota_of_version_2_is_read_in_cores(content: str, expected: float | None, tmp_path: Path) -> None:
    assert quota(tmp_path, "0::/\n", {"cpu.max": content}) == expected


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("content", "expected"), [("150000\n", 1.5), ("-1\n", None), ("0\n", None), ("x\n", None)])
def test_a_quota_of_version_1_is_read_in_cores(
    mounted: str, content: str, expected: float | None, tmp_path: Path
) -> None:
    files = {f"{mounted}/cpu.cfs_quota_us": content, f"{mounted}/cpu.cfs_period_us": "100000\n"}
    membership = "7:memory:/elsewhere\n4:cpu,cpuacct:/\n0::/\n"
    assert quota(tmp_path, membership, files) == expected


def test_the_lowest_quota_of_the_group_and_those_above_it_counts(tmp_path: Path) -> None:
    files = {"a/b/c/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}
    assert quota(tmp_path, "0::/a/b/c\n", {**files, "a/x/cpu.max": "100000 100000"}) == 3.0


def test_in_a_container_the_quota_is_found_where_the_path_is_the_hosts(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}
    assert quota(tmp_path, "3:cpu:/docker/0123\n", files) == 1.0


def test_a_path_that_leads_out_of_what_is_mounted_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000")
    assert quota(tmp_path, "0::/../..\n", {"cpu.max": "200000 100000"}) == 2.0
    assert quota(tmp_path, "0::/..\n", {"cpu.max": "max 100000"}) is None


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none", tmp_path) is None


@pytest.fixture
def one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
@pytest.mark.usefixtures("one_core")
def test_a_process_bound_to_one_core_has_one() -> None:
    assert usable_cores() == 1


@pytest.mark.parametrize(
    ("given", "expected"), [(0.25, 1), (1.0, 1), (1.9, 1), (2.0, 2), (2.5, 2), (100.0, 4), (None, 4)]
)
def test_part_of_a_core_counts_for_none_but_there_is_one_at_least(
    given: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda: given)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    assert usable_cores() == expected
