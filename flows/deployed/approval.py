"""A person's approval of a new champion, asked for in Prefect's UI while no process waits.

The flow run is suspended with a form: its process ends, and its worker is free for other runs. When the form is sent,
Prefect starts the flow run again, which then finds the answer.
"""

import logging
import textwrap
from itertools import zip_longest
from uuid import UUID

import httpx
from prefect.exceptions import FlowPauseTimeout, NotPausedError, ObjectNotFound, PrefectHTTPStatusError
from prefect.flow_runs import resume_flow_run, suspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import read_flow_run_input
from prefect.settings import PREFECT_API_URL
from pydantic import Field

from charrnn.config.redaction import one_line, redact
from charrnn.generation.formats import as_line
from flows.deployed.server import answered
from tasks.events import announce
from tasks.tracking.approval import Waiting, settle, waiting_version
from tasks.tracking.mlflow import Store, read_run, run_at, run_tag, version_run
from tasks.tracking.runs import FLOW_RUN_TAG, FLOW_RUNS_TAG, REPORT, RunRef, is_flow_run_id

logger = logging.getLogger("charrnn")

KEY = "approval"
# Lines of each sample that the form shows, and characters of each line.
LINES, WIDTH = 10, 26
# Characters that turn the direction of those after them.
_TURNS = "".join(map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_ENDS = str.maketrans(
    f"`|{_TURNS}",
    "\N{MODIFIER LETTER GRAVE ACCENT}\N{BROKEN BAR}" + "\N{REPLACEMENT CHARACTER}" * len(_TURNS),
)


class Approval(RunInput):
    """The form."""

    approve: bool = Field(False, description="Make this version the champion, which is served.")
    reason: str = Field("", description="Kept with the version.")


def was_asked(flow_run_id: str) -> bool:
    """Whether this flow run was suspended for a person's approval before."""
    return bool(_questions(flow_run_id))


def ask(run: RunRef, waiting: Waiting, ui: str, hours: float, key: str = KEY) -> None:
    """Suspend this flow run until a person answers; does not return.

    Args:
        run: the run of the version.
        waiting: the version.
        ui: address of the MLflow UI.
        hours: how long the person may take. Then Prefect ends the flow run as FAILED, and the champion stays.
        key: of the question; another one for each.
    """
    form = Approval.with_initial_data(description=question(run, waiting, ui))
    suspend_flow_run(wait_for_input=form, timeout=max(1, int(3600 * hours)), key=key)


def carry_out(run: RunRef, flow_run_id: str, ui: str, hours: float) -> str:
    """Do what the person has answered; return it in one sentence. Ask again where nobody has.

    That is so where the time was over, and a person has let the failed flow run start again.

    Args:
        run: the run of the version.
        flow_run_id: this flow run.
        ui: as for `ask`.
        hours: as for `ask`.

    Raises:
        TrackingError: as `settle`.
    """
    waiting = waiting_version(run)
    if waiting is None:
        return "was decided already"
    asked = _questions(flow_run_id)
    key = asked[-1]
    if read_flow_run_input(f"suspended-{key}-response", UUID(flow_run_id)) is None:
        ask(run, waiting, ui, hours, f"{KEY}-{len(asked) + 1}")
    # This flow run was suspended with this key before, so that the call returns the answer.
    answer = suspend_flow_run(wait_for_input=Approval, key=key)
    said = "approved in Prefect" if answer.approve else "declined in Prefect"
    decision = settle(run, waiting, answer.approve, f"{said}: {answer.reason}" if answer.reason else said)
    if answer.approve:
        announce("promoted", run, f"{waiting.name} version {waiting.version} is the champion. {decision}")
    logger.info("promote   %s", decision)
    return decision


def _questions(flow_run_id: str) -> list[str]:
    """Return the keys of the questions that this flow run has asked, in order."""
    this = answered(lambda client: client.read_flow_run(UUID(flow_run_id)))
    keys = this.empirical_policy.pause_keys or set()
    return sorted((key for key in keys if key.startswith(KEY)), key=lambda key: (len(key), key))


def answer(run: RunRef) -> None:
    """End the suspended flow runs of `run`, if there are any, after its version was approved elsewhere.

    There is another one where somebody has gone on with the run meanwhile. Where no Prefect server is named or it does
    not answer, the flow run ends by itself when its time is over.
    """
    if not PREFECT_API_URL.value():
        return
    flow_runs = f"{run_tag(run, FLOW_RUNS_TAG)} {run_tag(run, FLOW_RUN_TAG)}".split()
    for flow_run_id in filter(is_flow_run_id, dict.fromkeys(flow_runs)):
        try:
            resume_flow_run(UUID(flow_run_id), {"approve": True})
        except (ObjectNotFound, NotPausedError, FlowPauseTimeout):
            continue  # it was not suspended, or is over
        except (RuntimeError, PrefectHTTPStatusError, httpx.HTTPError) as error:
            logger.warning("warning   flow run %s still waits for an answer: %s", flow_run_id, one_line(str(error)))


def question(run: RunRef, waiting: Waiting, ui: str) -> str:
    """Return what the form says, in Markdown: both losses, confidence, samples side by side, the report's address.

    Args:
        run: the run of the version.
        waiting: the version.
        ui: address of the MLflow UI.
    """
    heads, runs = [f"version {waiting.version} (new)"], [run]
    if waiting.champion:
        champion = version_run(Store(run.uri), waiting.name, waiting.champion)
        heads.append(f"version {waiting.champion} (champion)")
        runs.append(run_at(run.uri, champion, run.data))
    columns = [_beginning(read_run(one, ()).sample) for one in runs]
    rows = [heads, ["---"] * len(heads)]
    rows += [[code(cell) for cell in row] for row in zip_longest(*columns, fillvalue="")]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    page = f"{REPORT}/report.html"
    kept = Store(run.uri).ask(lambda client: {item.path for item in client.list_artifacts(run.run_id, REPORT)})
    address = f"{redact(ui)}{run.ui_path.partition('?')[0]}/artifacts/{page}"
    report = f"[Report of version {waiting.version}]({address})" if page in kept else "There is no report."
    return (
        f"**Shall version {waiting.version} of {code(waiting.name)} be the champion?**\n\n"
        f"Losses: {waiting.figures}.\n\n{report}\n\n{table}\n"
    )


def _beginning(sample: str) -> list[str]:
    """Return the first lines of `sample`, cut into what the form has room for."""
    lines = [as_line(line) for line in sample.strip("\n").split("\n")[:LINES]]
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, drop_whitespace=False)][:LINES]


def code(text: str) -> str:
    """Return one line for Markdown, in which nothing is markup: as code, without what would end that or a cell.

    >>> code("a|b `c` <i>")
    '`a¦b ˋcˋ <i>`'
    """
    return f"`{text.translate(_ENDS)}`" if text.strip() else ""
