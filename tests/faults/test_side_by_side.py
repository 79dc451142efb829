"""Pipelines that start at once on one store and one data folder do each its own work, and the common work once."""

import subprocess
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.faults.ledger import FACTOR, record
from tests.faults.twins import differences, read_run
from tests.source_fixtures import Site
from tests.texts import made_up_play
from tests.workplace import Workplace, call

# Started at once: eight are minutes of work for two cores.
TOGETHER = 8 if FACTOR > 1 else 3
STEPS = 40


def options(workplace: Workplace, site: Site, seed: int) -> list[str]:
    texts = [f"data.sources=['{site.url()}']", f"training.max_steps={STEPS}", f"training.seed={seed}"]
    texts.append("evaluation.adaptive_seconds=300")  # a busy machine leaves these figures out of one run sooner
    return [*workplace.options, *(part for text in texts for part in ("--set", text)), "--name", f"run {seed}"]


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the pipeline's end, which must be a good one; return its log."""
    _, log = process.communicate(timeout=540)
    assert process.returncode == 0, log
    return log


@pytest.mark.timeout(600)
@pytest.mark.parametrize("server", ["one Prefect server", "a temporary Prefect server each"])
def test_pipelines_side_by_side_do_their_own_work_and_the_common_work_once(
    workplace: Workplace, site: Site, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder, so that they meet over the store's tables, the experiment and Prefect's database, too."""
    (workplace.folder / "runs here" / "mlflow.db").unlink()
    site.content = made_up_play(20_000).encode()
    together = workplace
    if server != "one Prefect server":
        together = replace(workplace, api_url="")
        monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    processes = [together.start(*options(together, site, seed)) for seed in range(TOGETHER)]
    try:
        logs = [finish(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert len(site.requests) == 1
    assert sum(", fetched" in log for log in logs) == 1
    assert sum("prepared earlier" in log for log in logs) == TOGETHER - 1
    assert workplace.unfinished_files() == []
    assert list(workplace.data_folder.glob("outbox/*/*")) == []

    client = workplace.client
    runs = {client.get_run(run_id).info.run_name: run_id for run_id in workplace.runs()}
    assert sorted(runs) == [f"run {seed}" for seed in range(TOGETHER)]
    folder = workplace.data_folder / "checkpoints"
    found = {name: read_run(client, run_id, folder / run_id) for name, run_id in runs.items()}
    for name, one in found.items():
        steps = Counter(figure.split(" of step")[0] for figure in one.figures)
        assert (one.status, one.repeated, steps["metric train/loss"]) == ("FINISHED", (), STEPS), name
    for one, other in combinations(found.values(), 2):
        assert one.figures.keys() == other.figures.keys()
        assert one.figures["metric train/loss of step 1"] != other.figures["metric train/loss of step 1"]
    versions = [version for one in found.values() for version in one.versions]
    assert sorted(versions, key=int) == [str(number) for number in range(1, TOGETHER + 1)]

    twin = call(*options(workplace, site, seed=0), "--quiet")
    expected = read_run(client, twin.out.strip(), folder / twin.out.strip())
    different = differences(found["run 0"].figures, expected.figures)
    record(
        f"pipelines at once, {server}",
        injected=TOGETHER,
        survived=0 if different else TOGETHER,
        rows=len(expected.figures),
        differences=len(different),
    )
    assert different == []
