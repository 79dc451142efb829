"""The pipeline: download, encode, train, evaluate, sample, register, in one tracked run.

`python flows/pipeline.py` runs it here; Prefect deployments run the flow `pipeline`.
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    # Help, a dry run, mistakes and Ctrl-C are answered before the seconds that the imports below take.
    from flows.command_line import interruptible
    from flows.preflight import preflight

    interruptible()
    ARGUMENTS = preflight(sys.argv[1:])

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from prefect.task_engine import TaskRunTimeoutError

from charrnn.corpus import Corpus
from charrnn.dataset import Dataset, split
from charrnn.device import choose_device
from charrnn.errors import CheckpointError, ServerError, TimeLimitError, TrackingError
from charrnn.param_files import check_resumable, flatten, load_params, to_yaml
from charrnn.params import Params
from charrnn.redaction import redact
from flows.command_line import guarded
from tasks.download import download
from tasks.encode import encode
from tasks.environment import environment_tags, installed_packages
from tasks.evaluate import evaluate
from tasks.register import register
from tasks.retrying import options
from tasks.sample import sample
from tasks.summary import Summary
from tasks.tracking import PARAMS_FILE, RunRef, Tracker, connect, find_run, reopen_run, run_params, run_tags, start_run
from tasks.train import train

logger = logging.getLogger("charrnn")


@flow(name="pipeline")
def pipeline(
    overlays: list[str] | None = None,
    overrides: list[str] | None = None,
    resume: str | None = None,
) -> Summary:
    """Train a character-level language model on a text and track everything about it.

    Args:
        overlays: parameter files merged over params.yaml, in order, such as params/smoke.yaml.
        overrides: single parameters, such as training.learning_rate=0.002.
        resume: the id of a run to go on with, or last.
    """
    started = time.monotonic()
    params, run = _prepare(overlays or [], overrides or [], resume)
    again = options(params.tasks)
    corpus = download.with_options(**again)(params.data)
    if run is not None:
        _check_text(run, corpus)
    dataset = encode.with_options(**again)(corpus, params)
    run = run or start_run(params.tracking, _run_name(params), {})
    with _ending(run):
        _record(run, params, corpus, dataset)
        training = train.with_options(**again)(dataset, params, run)
        scores = evaluate.with_options(**again)(dataset, params, run)
        samples = sample.with_options(**again)(params, run)
        version = register.with_options(**again)(params, run)
        seconds = time.monotonic() - started
        summary = Summary(run, params, corpus, dataset, training, scores, samples, version, seconds)
        Tracker(run).describe(summary.markdown())
        create_markdown_artifact(summary.markdown(), key="summary", description=f"MLflow run {run.run_id}")
    return summary


def _prepare(overlays: list[str], overrides: list[str], resume: str | None) -> tuple[Params, RunRef | None]:
    """Resolve the parameters and check what can be checked before anything is computed."""
    params = load_params(overlays, overrides)
    run = None
    if resume is not None:
        run = find_run(params.tracking, resume)
        before = run_params(run)
        params = load_params(overlays, overrides, base=before)
        check_resumable(before, params)
    connect(params.tracking)
    choose_device(params.training)
    return params, run


def _check_text(run: RunRef, corpus: Corpus) -> None:
    """Check, before anything is written to it, that a run that goes on does so with the text it was started with."""
    before = run_tags(run).get("corpus.sha256", corpus.sha256)
    if before != corpus.sha256:
        raise CheckpointError(
            f"run {run.run_id}: was trained on another text (sha256 {before[:12]}, that of {corpus.label} is "
            f"{corpus.sha256[:12]}); start a new run"
        )


@contextmanager
def _ending(run: RunRef) -> Iterator[None]:
    """End the MLflow run as what becomes of the block: FINISHED, FAILED with the error, or KILLED."""
    tracker = Tracker(run)
    try:
        reopen_run(run)
        yield
        tracker.finish("FINISHED")
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | TerminationSignal | SystemExit)
        try:
            tracker.finish("KILLED" if stopped else "FAILED", "" if stopped else f"{type(error).__name__}: {error}")
        except TrackingError as problem:
            logger.warning("warning   the run's end could not be recorded: %s", problem)
        if stopped:
            logger.warning("stopped   go on with: python flows/pipeline.py --resume %s", run.run_id)
        raise


def _record(run: RunRef, params: Params, corpus: Corpus, dataset: Dataset) -> None:
    """Log what goes into the run before it starts."""
    tracker = Tracker(run)
    vocabulary = dataset.vocabulary()
    tracker.params(flatten(params))
    tracker.text(to_yaml(params), PARAMS_FILE)
    tracker.text(installed_packages(), "environment/packages.txt")
    tracker.file(dataset.vocabulary_path, "vocabulary")
    tracker.table(vocabulary.to_frame(), "vocabulary/characters.json")
    facts = {"corpus.source": corpus.source, "corpus.sha256": corpus.sha256, "corpus.bytes": str(corpus.size)}
    prefect = {"prefect.flow_run_id": str(flow_run.id), "prefect.flow_run_name": str(flow_run.name)}
    tracker.tags({**facts, **prefect, **environment_tags()})
    for name, size in split(dataset.length, params.splits).sizes.items():
        if size:
            tracker.dataset(
                name=Path(corpus.label).name or "corpus",
                digest=f"{corpus.sha256[:12]}-{name}",
                source=corpus.source,
                profile={"characters": size, "distinct": vocabulary.size - 1, "sha256": corpus.sha256},
                context=name,
            )
    base = run.uri.rstrip("/") if run.uri.startswith(("http:", "https:")) else "http://127.0.0.1:5000"
    create_link_artifact(base + run.ui_path, link_text="the run in MLflow", key="mlflow-run")


def _run_name(params: Params) -> str:
    model, training = params.model, params.training
    default = f"{model.cell}-{model.num_layers}x{model.hidden_size}-b{training.batch_size}-t{training.seq_length}"
    return params.tracking.run_name or default


def main(arguments: argparse.Namespace) -> int:
    """Run the flow here and print what came of it. Raises CharrnnError for what a person can put right."""
    _check_server()
    try:
        summary = pipeline(overlays=arguments.params, overrides=arguments.overrides, resume=arguments.resume)
    except TaskRunTimeoutError as error:
        raise TimeLimitError(
            "a task took longer than tasks.timeout_minutes; raise it and go on with --resume last"
        ) from error
    if arguments.quiet:
        print(summary.run.run_id)
    else:
        print(f"\n{summary.text()}")
    return 0


def _check_server() -> None:
    url = PREFECT_API_URL.value()
    if not url:
        return  # the flow starts a server for itself
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise ServerError(f"PREFECT_API_URL {redact(url)}: the Prefect server does not answer: {redact(str(problem))}")


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(ARGUMENTS)))
