"""The promises of a soak, each checked on its ledger."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from tasks.promote import UNDECIDED
from tests.soak.record import FlowRun, Ledger, Sample, TrackedRun

ENDED = ("FINISHED", "FAILED", "KILLED")
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
DRIFTED, FULL, LATE = "drift.action stop", "No space left", "late; flow run "
# Why a flow run that was asked for may have no training in the end.
EXCUSES = (DRIFTED, FULL, LATE)
# Why one may be in a state. The last is of one that recovers another, which was suspended, not dead.
REASONS = {"FAILED": (DRIFTED, FULL, "is still at it"), "CANCELLED": (LATE,)}
SERVICES = ("Prefect", "MLflow", "PostgreSQL", "worker", "charrnn serve")
FOLDERS = ("database", "artifacts", "data")
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
    """Each fault could be injected, and what was killed has crashed."""
    states = {flow.flow_run_id: flow.state for flow in ledger.flow_runs}
    wrong = [
        f"{kind}: flow run {one} is {states.get(one)}"
        for one, kind in ledger.killed.items()
        if states.get(one) != "CRASHED"
    ]
    found = f"{sum(ledger.faults.values())} faults, {len(ledger.killed)} trainings killed"
    return Outcome("each fault has its effect, and nothing else", found, (*ledger.surprises, *wrong))


def ended(ledger: Ledger) -> Outcome:
    """Each run has ended, each flow run says why, and with what crashed another went on."""
    wrong = [f"run {run.run_id} is {run.status}" for run in ledger.runs if run.status not in ENDED]
    for flow in ledger.flow_runs:
        said = f"flow run {flow.flow_run_id} is {flow.state}: {flow.message}"
        if flow.state == "CRASHED" and not flow.went_on:
            wrong.append(f"{said}; nothing went on with it")
        elif flow.state not in TERMINAL or (flow.state in REASONS and not _says(ledger, flow, REASONS[flow.state])):
            wrong.append(said)
    states = Counter(run.status for run in ledger.runs) + Counter(flow.state for flow in ledger.flow_runs)
    found = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return Outcome("every run and flow run has its end, and its reason", found, tuple(wrong))


def once(ledger: Ledger) -> Outcome:
    """What was asked for has one training in the end, whatever crashed and recovered on the way."""
    flows, wrong, asked = {flow.flow_run_id: flow for flow in ledger.flow_runs}, [], 0
    recoveries = {other for flow in ledger.flow_runs for other in flow.went_on}
    for first in flows.keys() - recoveries:
        chain = [first]
        for one in chain:
            chain += [other for other in flows[one].went_on if other in flows and other not in chain]
        finished = [run.run_id for run in ledger.runs if run.status == "FINISHED" and set(run.flow_runs) & set(chain)]
        last = [flows[one] for one in chain if not flows[one].went_on]
        excused = bool(last) and all(_says(ledger, flow, EXCUSES) for flow in last)
        asked += not excused
        if len(finished) != 1 and (finished or not excused):
            wrong.append(f"flow runs {', '.join(chain)}: {len(finished)} trainings")
    return Outcome("what was asked for is trained once", f"{asked} asked for", tuple(wrong))


def _says(ledger: Ledger, flow: FlowRun, reasons: Sequence[str]) -> bool:
    """Whether the flow run names one of the reasons; that a disk is full counts while it was."""
    return any(reason in flow.message and (reason != FULL or flow.flow_run_id in ledger.full) for reason in reasons)


def rows(ledger: Ledger) -> Outcome:
    """Each finished run has each of its steps, once and in order."""
    finished = [run for run in ledger.runs if run.status == "FINISHED"]
    wrong = [
        f"run {run.run_id} of {run.max_steps} steps: {_difference(run)}"
        for run in finished
        if not run.steps or run.steps != tuple(range(1, run.max_steps + 1))
    ]
    found = f"{sum(len(run.steps) for run in finished):,} rows of {len(finished)} runs"
    return Outcome("no row of a curve is doubled or missing", found, tuple(wrong))


def _difference(run: TrackedRun) -> str:
    counts = Counter(run.steps)
    missing = [step for step in range(1, run.max_steps + 1) if step not in counts]
    doubled = [step for step, count in counts.items() if count > 1]
    return f"missing {missing}, doubled {doubled}"


def aliases(ledger: Ledger) -> Outcome:
    """Each version has a decision with its reason; the alias went only to those that won, and never back.

    One whose store was away at its end is registered, and not compared (docs/operations.md). Its tag says why, if that
    could still be sent.
    """
    versions = {version.number: version for version in ledger.versions}
    runs = {run.run_id: run for run in ledger.runs}
    undecided = [
        one
        for one in ledger.versions
        if one.run_id not in runs or runs[one.run_id].promotion.partition(":")[0] in ("", UNDECIDED)
    ]
    wrong = [
        f"version {one.number} has no decision: {runs[one.run_id].promotion if one.run_id in runs else 'no run'}"
        for one in undecided
        if one.run_id not in runs or not set(runs[one.run_id].flow_runs) & set(ledger.away)
    ]
    for number in ledger.champions:
        reason = versions[number].description if number in versions else "there is no such version"
        if not reason.startswith("champion: "):
            wrong.append(f"version {number} was champion: {reason or 'no reason'}")
    if ledger.champions != sorted(set(ledger.champions)):
        wrong.append(f"the alias went {ledger.champions}")
    if not ledger.champions:
        wrong.append("there was no champion")
    made = [version.number for version in ledger.versions]
    if len({version.run_id for version in ledger.versions}) != len(made):
        wrong.append("a run has registered two versions")
    found = f"{len(made)} versions, {len(ledger.champions)} champions, {len(undecided)} undecided"
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
    if ledger.drifted and not any(run.corpus == ledger.page for run in ledger.runs):
        wrong.append("no run has met the page")
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
    wrong = list(ledger.failures) if ledger.requests else ["nothing was asked"]
    if ledger.champions and ledger.models[-1:] != [f"charrnn/{ledger.champions[-1]}"]:
        wrong.append(f"version {ledger.champions[-1]} is champion, {ledger.models[-1:]} answered last")
    return Outcome("no request to the served champion failed", found, tuple(wrong))


def orphans(ledger: Ledger) -> Outcome:
    wrong = (*ledger.orphans, *ledger.leftovers)
    found = f"{len(ledger.orphans)} processes, {len(ledger.leftovers)} unfinished files or unsent operations"
    return Outcome("nothing is left behind when everything has been stopped", found, wrong)


def memory(ledger: Ledger) -> Outcome:
    """The last third of the life of each service beside its second: the first warms up."""
    found, wrong = [], []
    for service in SERVICES:
        _, before, after = _thirds(ledger.memory.get(service, ()))
        if not before or not after:
            wrong.append(f"{service}: was not measured")
            continue
        first, last = (fmean(sample.megabytes for sample in part) for part in (before, after))
        found.append(f"{service} {first:.0f} to {last:.0f}")
        if last - first > max(GROWTH * first, SLACK):
            wrong.append(f"{service} has grown from {first:.0f} to {last:.0f} MB")
    return Outcome("the memory of each service is flat after it has warmed up (MB)", ", ".join(found), tuple(wrong))


def disk(ledger: Ledger) -> Outcome:
    """Each training adds its files and rows: as much in the last third as in the second."""
    found, wrong = [], []
    for folder in FOLDERS:
        parts = [_growth(part) for part in _thirds(ledger.disk.get(folder, ()))[1:]]
        if None in parts:
            wrong.append(f"{folder}: was not measured")
            continue
        first, last = (part or 0.0 for part in parts)
        found.append(f"{folder} {first:.2f} then {last:.2f}")
        if last > first * (1 + DISK_GROWTH) + 0.1:
            wrong.append(f"{folder}: {first:.2f} MB for each training, then {last:.2f}")
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
    once,
    rows,
    aliases,
    challenger,
    drift,
    served,
    orphans,
    memory,
    disk,
)
