"""The promises of a soak, each checked on its ledger."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from tests.soak.record import Ledger, Sample, TrackedRun

ENDED = ("FINISHED", "FAILED", "KILLED")
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
DRIFTED, FULL, LATE = "drift.action stop", "No space left", "late; flow run "
# Of what may fail or be cancelled. The last is of a run that was suspended, not dead, when it was taken for crashed.
REASONS = (DRIFTED, LATE, "is still at it")
# Of what is complete without a training of its own.
NOTHING_TO_DO = ("has gone on with it", "nothing to recover")
# A service may grow by so much, or by so many megabytes, from the second third of its life to the last.
GROWTH, SLACK = 0.10, 20.0
# A folder may grow by so much more for each training in the last third than in the second.
DISK_GROWTH = 0.25


@dataclass(frozen=True)
class Outcome:
    """What was promised, what was found, and what contradicts it.

    Attributes:
        promise: in words.
        found: figures.
        wrong: what contradicts the promise; empty where it holds.
    """

    promise: str
    found: str
    wrong: tuple[str, ...] = ()


def outcomes(ledger: Ledger) -> list[Outcome]:
    """Return each promise with what came of it."""
    return [check(ledger) for check in CHECKS]


def trained(ledger: Ledger) -> Outcome:
    finished = [run for run in ledger.runs if run.status == "FINISHED"]
    wrong = () if len(finished) >= ledger.asked else (f"{len(finished)} of {ledger.asked}",)
    return Outcome("as many trainings as were asked for", f"{len(finished)} in {ledger.minutes:.0f} minutes", wrong)


def injected(ledger: Ledger) -> Outcome:
    found = f"{sum(ledger.faults.values())} faults"
    return Outcome("what is done about a fault has its effect", found, tuple(ledger.surprises))


def ended(ledger: Ledger) -> Outcome:
    """Each run has ended; what failed says why, with what crashed another went on, and what is complete has trained."""
    wrong = [f"run {run.run_id} is {run.status}" for run in ledger.runs if run.status not in ENDED]
    finished = Counter(one for run in ledger.runs if run.status == "FINISHED" for one in run.flow_runs)
    for flow in ledger.flow_runs:
        said = f"flow run {flow.flow_run_id} is {flow.state}: {flow.message}"
        explained = any(reason in flow.message for reason in REASONS) or (
            FULL in flow.message and flow.flow_run_id in ledger.full
        )
        if flow.state == "COMPLETED":
            trainings = finished[flow.flow_run_id]
            if trainings != 1 and not any(reason in flow.message for reason in NOTHING_TO_DO):
                wrong.append(f"{said}; {trainings} runs of it are FINISHED")
        elif flow.state == "CRASHED":
            if not flow.went_on:
                wrong.append(f"{said}; nothing went on with it")
        elif flow.state not in TERMINAL or not explained:
            wrong.append(said)
    states = Counter(run.status for run in ledger.runs) + Counter(flow.state for flow in ledger.flow_runs)
    found = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return Outcome("every run and flow run has its end, and its reason", found, tuple(wrong))


def rows(ledger: Ledger) -> Outcome:
    """Each finished run has each of its steps, once and in order."""
    finished = [run for run in ledger.runs if run.status == "FINISHED"]
    wrong = [
        f"run {run.run_id} of {run.max_steps} steps: {_difference(run)}"
        for run in finished
        if run.steps != tuple(range(1, run.max_steps + 1))
    ]
    found = f"{sum(len(run.steps) for run in finished):,} rows of {len(finished)} runs"
    return Outcome("no row of a curve is doubled or missing", found, tuple(wrong))


def _difference(run: TrackedRun) -> str:
    counts = Counter(run.steps)
    missing = [step for step in range(1, run.max_steps + 1) if step not in counts]
    doubled = [step for step, count in counts.items() if count > 1]
    return f"missing {missing}, doubled {doubled}"


def aliases(ledger: Ledger) -> Outcome:
    """Each version has a decision with its reason; the alias went only to those that won, and never back."""
    versions = {version.number: version for version in ledger.versions}
    promotions = {run.run_id: run.promotion for run in ledger.runs}
    wrong = [
        f"version {version.number} has no decision" for version in ledger.versions if not promotions.get(version.run_id)
    ]
    for number in ledger.champions:
        if not versions[number].description.startswith("champion: "):
            wrong.append(f"version {number} was champion: {versions[number].description or 'no reason'}")
    if ledger.champions != sorted(set(ledger.champions)):
        wrong.append(f"the alias went {ledger.champions}")
    if not ledger.champions:
        wrong.append("there was no champion")
    made = [version.number for version in ledger.versions]
    if len({version.run_id for version in ledger.versions}) != len(made):
        wrong.append("a run has registered two versions")
    found = f"{len(made)} versions, {len(ledger.champions)} champions"
    return Outcome("every version and every move of the alias has its reason", found, tuple(wrong))


def challenger(ledger: Ledger) -> Outcome:
    wrong, found = [], "left out"
    if ledger.bad_challenger is not None:
        promotion = next((run.promotion for run in ledger.runs if run.run_id == ledger.bad_challenger), "")
        found = promotion.partition(" nats")[0] or "no decision"  # both losses
        if not promotion.startswith("stays behind "):
            wrong.append(found)
    return Outcome("a bad challenger stays behind", found, tuple(wrong))


def drift(ledger: Ledger) -> Outcome:
    """The page of HTML was recognised, nothing trained on it, and no day on which the text grew was taken for one."""
    stopped = {flow.flow_run_id for flow in ledger.flow_runs if flow.state == "FAILED" and DRIFTED in flow.message}
    wrong = [f"flow run {one} is stopped for drift, and the text was as ever" for one in stopped - set(ledger.drifted)]
    wrong += [f"run {run.run_id} has trained on it" for run in ledger.runs if run.corpus == ledger.page and run.steps]
    if ledger.drifted and not stopped:
        wrong.append("the page of HTML was not recognised")
    return Outcome(
        "a page of HTML in place of the text stops its training, and only that", f"{len(stopped)} stopped", tuple(wrong)
    )


def served(ledger: Ledger) -> Outcome:
    found = f"{ledger.requests:,} requests, {len(ledger.failures)} failed, {len(ledger.models)} versions answered"
    if len(ledger.latencies) > 1:
        cuts = quantiles(ledger.latencies, n=100)
        found += f"; half within {cuts[49]:.2f} s, 99 % within {cuts[98]:.2f} s"
    wrong = ledger.failures if ledger.requests else ["nothing was asked"]
    return Outcome("no request to the served champion failed", found, tuple(wrong))


def orphans(ledger: Ledger) -> Outcome:
    wrong = (*ledger.orphans, *ledger.leftovers)
    found = f"{len(ledger.orphans)} processes, {len(ledger.leftovers)} unfinished files or unsent operations"
    return Outcome("nothing is left behind when everything has been stopped", found, wrong)


def memory(ledger: Ledger) -> Outcome:
    """The last third of the life of each service beside its second: the first warms up."""
    found, wrong = [], []
    for service, samples in ledger.memory.items():
        _, before, after = _thirds(samples)
        if not before or not after:
            continue
        first, last = (fmean(sample.megabytes for sample in part) for part in (before, after))
        found.append(f"{service} {first:.0f} to {last:.0f}")
        if last - first > max(GROWTH * first, SLACK):
            wrong.append(f"{service} has grown from {first:.0f} to {last:.0f} MB")
    if not found:
        wrong.append("nothing was measured")
    return Outcome("the memory of each service is flat after it has warmed up (MB)", ", ".join(found), tuple(wrong))


def disk(ledger: Ledger) -> Outcome:
    """Each training adds its files and rows: as much in the last third as in the second."""
    found, wrong = [], []
    for folder, samples in ledger.disk.items():
        parts = [_growth(part) for part in _thirds(samples)[1:]]
        if None in parts:
            continue
        first, last = (part or 0.0 for part in parts)
        found.append(f"{folder} {first:.2f} then {last:.2f}")
        if last > first * (1 + DISK_GROWTH) + 0.1:
            wrong.append(f"{folder}: {first:.2f} MB for each training, then {last:.2f}")
    if not found:
        wrong.append("nothing was measured")
    return Outcome("a training adds as much to each folder late as early (MB)", ", ".join(found), tuple(wrong))


def _thirds(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Divide the time from the first to the last of `samples`."""
    if not samples:
        return [[], [], []]
    begin, length = samples[0].second, samples[-1].second - samples[0].second
    parts: list[list[Sample]] = [[], [], []]
    for sample in samples:
        parts[min(2, int(3 * (sample.second - begin) / length) if length else 0)].append(sample)
    return parts


def _growth(samples: Sequence[Sample]) -> float | None:
    """Return how much was added for each training (MB); None where there was none."""
    if not samples or samples[-1].trainings == samples[0].trainings:
        return None
    return (samples[-1].megabytes - samples[0].megabytes) / (samples[-1].trainings - samples[0].trainings)


CHECKS: tuple[Callable[[Ledger], Outcome], ...] = (
    trained,
    injected,
    ended,
    rows,
    aliases,
    challenger,
    drift,
    served,
    orphans,
    memory,
    disk,
)
