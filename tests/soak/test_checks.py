"""Each promise of a soak is found to be kept by a good ledger, and broken by one that was doctored."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.runner import write_between
from tests.soak.checks import DRIFTED, FOLDERS, FULL, LATE, SERVICES, outcomes
from tests.soak.record import FlowRun, Ledger, Sample, TrackedRun, Version
from tests.soak.table import BEGIN, END, table


def good() -> Ledger:
    """Three trainings: of a schedule, one that crashed and went on, and a bad challenger; and three that failed."""
    steps = tuple(range(1, 41))
    return Ledger(
        minutes=3.0,
        asked=3,
        runs=[
            TrackedRun("first", "FINISHED", steps, 40, "champion: the first one", ("a",)),
            TrackedRun("second", "FINISHED", steps, 40, "champion: better than version 1", ("b", "b again")),
            TrackedRun("bad", "FINISHED", (1,), 1, "stays behind version 2: worse", ("c",)),
            TrackedRun("full", "FAILED", (1, 2), 40, "", ("full",)),
            TrackedRun("over", "FINISHED", steps, 40, "stays behind version 2: worse", ("taken over", "d")),
            TrackedRun("html", "FAILED", (), 40, "", ("html",), "digest of a page"),
        ],
        flow_runs=[
            FlowRun("a", "COMPLETED", ""),
            FlowRun("b", "CRASHED", "killed", ("b again",)),
            FlowRun("b again", "COMPLETED", ""),
            FlowRun("c", "COMPLETED", ""),
            FlowRun("taken over", "COMPLETED", "flow run d has gone on with it", ("d",)),
            FlowRun("d", "COMPLETED", ""),
            FlowRun("late", "CANCELLED", f"{LATE}a stands for it"),
            FlowRun("full", "FAILED", f"[Errno 28] {FULL} left on device"),
            FlowRun("html", "FAILED", f"{DRIFTED}: the text is a page of HTML"),
        ],
        versions=[
            Version(1, "first", "champion: the first one"),
            Version(2, "second", "champion: better than version 1"),
            Version(3, "bad", "stays behind version 2: worse"),
        ],
        champions=[1, 2],
        bad_challenger="bad",
        page="digest of a page",
        drifted=["html"],
        full=["full"],
        faults={"training killed": 1},
        killed={"b": "training killed"},
        requests=4,
        latencies=[0.1, 0.2, 0.3, 0.4],
        models=["charrnn/1", "charrnn/2"],
        memory={
            service: [Sample(float(second), 300 + min(second, 30), 0) for second in range(0, 100, 10)]
            for service in SERVICES
        },
        disk={
            folder: [Sample(float(second), 2.0 * second, second) for second in range(0, 100, 10)] for folder in FOLDERS
        },
    )


def run_of(ledger: Ledger, number: int, **changes: object) -> None:
    ledger.runs[number] = replace(ledger.runs[number], **changes)  # type: ignore[arg-type]


def flow_of(ledger: Ledger, number: int, **changes: object) -> None:
    ledger.flow_runs[number] = replace(ledger.flow_runs[number], **changes)  # type: ignore[arg-type]


def test_a_good_ledger_keeps_every_promise() -> None:
    assert [(one.promise, one.wrong) for one in outcomes(good()) if one.wrong] == []


@pytest.mark.parametrize(
    ("doctor", "promise", "wrong"),
    [
        (lambda ledger: setattr(ledger, "asked", 5), "as many trainings", "4 of 5"),
        (lambda ledger: ledger.surprises.append("no end"), "its effect", "no end"),
        (lambda ledger: run_of(ledger, 0, status="RUNNING"), "has its end", "run first is RUNNING"),
        (lambda ledger: flow_of(ledger, 0, state="PENDING"), "has its end", "flow run a is PENDING"),
        (
            lambda ledger: flow_of(ledger, 0, state="FAILED", message="why?"),
            "has its end",
            "flow run a is FAILED: why?",
        ),
        (lambda ledger: flow_of(ledger, 6, message=""), "has its end", "flow run late is CANCELLED"),
        (
            lambda ledger: flow_of(ledger, 1, went_on=()),
            "has its end",
            "b is CRASHED: killed; nothing went on",
        ),
        (lambda ledger: flow_of(ledger, 2, message=FULL, state="FAILED"), "has its end", "flow run b again is FAILED"),
        (lambda ledger: ledger.full.clear(), "has its end", "flow run full is FAILED"),
        (lambda ledger: run_of(ledger, 1, flow_runs=()), "trained once", "flow runs b, b again: 0 trainings"),
        (lambda ledger: run_of(ledger, 2, flow_runs=("c", "b again")), "trained once", "b, b again: 2 trainings"),
        (lambda ledger: run_of(ledger, 4, status="KILLED"), "trained once", "flow runs taken over, d: 0 trainings"),
        (
            lambda ledger: ledger.killed.update(a="training killed"),
            "its effect",
            "killed: flow run a is COMPL",
        ),
        (lambda ledger: ledger.champions.append(9), "move of the alias", "there is no such version"),
        (lambda ledger: ledger.models.pop(), "no request", "version 2 is champion, ['charrnn/1'] answered last"),
        (lambda ledger: run_of(ledger, 5, corpus="?"), "HTML", "no run has met the page"),
        (lambda ledger: run_of(ledger, 0, steps=(), max_steps=0), "doubled or missing", "run first of 0 steps"),
        (lambda ledger: run_of(ledger, 0, steps=(1, *range(3, 41))), "doubled or missing", "missing [2], doubled []"),
        (lambda ledger: run_of(ledger, 0, steps=(1, *range(1, 41))), "doubled or missing", "missing [], doubled [1]"),
        (lambda ledger: run_of(ledger, 0, steps=(2, 1, *range(3, 41))), "doubled or missing", "of 40 steps"),
        (lambda ledger: run_of(ledger, 1, promotion=""), "move of the alias", "version 2 has no decision"),
        (lambda ledger: ledger.champions.append(3), "move of the alias", "version 3 was champion: stays behind"),
        (lambda ledger: ledger.champions.append(1), "move of the alias", "the alias went [1, 2, 1]"),
        (lambda ledger: ledger.champions.clear(), "move of the alias", "there was no champion"),
        (
            lambda ledger: ledger.versions.append(replace(ledger.versions[0], number=4)),
            "move of the alias",
            "two versions",
        ),
        (lambda ledger: run_of(ledger, 2, promotion="champion: lucky"), "bad challenger", "champion: lucky"),
        (lambda ledger: setattr(ledger, "bad_challenger", "?"), "bad challenger", "no decision"),
        (lambda ledger: flow_of(ledger, 0, state="FAILED", message=DRIFTED), "HTML", "the text was as ever"),
        (lambda ledger: run_of(ledger, 5, steps=(1,)), "HTML", "run html has trained on it"),
        (lambda ledger: flow_of(ledger, 8, message=FULL), "HTML", "was not recognised"),
        (lambda ledger: ledger.failures.append("503: no"), "no request", "503: no"),
        (lambda ledger: setattr(ledger, "requests", 0), "no request", "nothing was asked"),
        (lambda ledger: ledger.orphans.append("python"), "left behind", "python"),
        (lambda ledger: ledger.leftovers.append("a.part"), "left behind", "a.part"),
        (lambda ledger: ledger.memory["MLflow"].append(Sample(100.0, 900.0, 0)), "memory", "MLflow has grown"),
        (lambda ledger: ledger.memory.pop("worker"), "memory", "worker: was not measured"),
        (lambda ledger: ledger.disk["artifacts"].append(Sample(100.0, 400.0, 100)), "each folder", "2.00 MB for each"),
        (lambda ledger: ledger.disk.pop("data"), "each folder", "data: was not measured"),
    ],
)
def test_a_promise_that_was_broken_is_found(doctor: Callable[[Ledger], None], promise: str, wrong: str) -> None:
    ledger = good()
    doctor(ledger)
    assert any(promise in one.promise and wrong in "; ".join(one.wrong) for one in outcomes(ledger))


def test_a_version_whose_store_was_away_may_be_undecided() -> None:
    ledger = good()
    run_of(ledger, 1, promotion="")
    ledger.away.append("b again")
    assert not any(one.wrong for one in outcomes(ledger))


def test_the_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    ledger = good()
    ledger.left_out["disk full"] = "only root can mount"
    lines = table(ledger, outcomes(ledger), "2 cores")
    write_between(page, BEGIN, END, "\n".join(lines))
    text = page.read_text("utf-8")
    assert text.startswith(f"before\n\n{BEGIN}\n2 cores. Injected: training killed 1.\nLeft out: disk full (only root")
    assert text.endswith(f"| kept |\n{END}\n\nafter\n")
    assert "\nold\n" not in text
