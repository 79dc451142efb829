"""The flow `pipeline`: download, encode, drift, train, evaluate, sample, report, register, promote, in one tracked run.

`charrnn train`, or this file as a script, runs it here; Prefect deployments run the flow.
"""

import glob
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    # Before the imports below, which take seconds: the command makes them once its arguments are checked.
    from flows.cli.entry import script

    script("train")

from prefect import flow
from prefect.exceptions import TerminationSignal
from prefect.runtime import deployment, flow_run
from prefect.states import Completed

from charrnn.config.loading import load_params
from charrnn.config.redaction import redact
from charrnn.config.resume_rules import check_resumable, load_warm_start_params
from charrnn.config.schema import Params
from charrnn.config.writing import flatten, to_yaml
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import Dataset, find_encoded
from charrnn.data.encodings import encodings_taken
from charrnn.data.splits import Splits, divided_by
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ChangedError, CheckpointError, ParamsError
from charrnn.evaluation.split_comparison import compare_with_train
from charrnn.stopping import StopRequest, signals_noted, stop_requests
from charrnn.training.device import check_gpus, choose_device
from charrnn.training.launched import launched
from charrnn.training.store import note_run, noted_run
from charrnn.undecodable import original
from flows.artifacts import leave_link, leave_page
from flows.deployed.approval import ask, carry_out, was_asked
from flows.deployed.late_runs import drop_late_runs
from flows.deployed.recovery import (
    check_again,
    count_recovery,
    nothing_to_recover,
    read_crashed,
    recover_missed,
    taken_over,
)
from flows.ending import ending
from flows.retrying import options
from flows.summary import Summary
from tasks.download import download
from tasks.drift import drift
from tasks.encode import encode
from tasks.evaluate import evaluate
from tasks.promote import promote
from tasks.register import register
from tasks.report import report
from tasks.sample import sample
from tasks.tracking.checkpoints import CheckpointFolder
from tasks.tracking.environment import environment_tags, installed_packages
from tasks.tracking.lineage import record_lineage
from tasks.tracking.mlflow import Experiment, run_params, take_over
from tasks.tracking.runs import (
    BYTES_TAG,
    CORPUS_TAG,
    DATA_TAG,
    FLOW_RUN_TAG,
    FLOW_RUNS_TAG,
    PARAMS_FILE,
    SOURCE_TAG,
    RunRef,
    is_flow_run_id,
)
from tasks.tracking.tracker import Tracker, send_pending
from tasks.tracking.trained_models import Origin, TrainedModel, find_model, initial_model
from tasks.train import train

logger = logging.getLogger("charrnn")

# Of a run's flow runs, in a tag: a tag of MLflow has 8,000 characters at most.
MOST_FLOW_RUNS = 100


@flow(name="pipeline")
def pipeline(
    overlays: list[str] | None = None,
    overrides: list[str] | None = None,
    resume: str | None = None,
    init_from: str | None = None,
) -> Summary:
    """Train a character-level language model on a text and track everything about it.

    A deployed run is suspended where a person is to approve the new champion, and called again with the answer.

    Args:
        overlays: parameter files merged over params.yaml, in order, such as params/smoke.yaml.
        overrides: single parameters, such as training.learning_rate=0.002.
        resume: the id of a run to go on with, or last, or the id of a Prefect flow run that crashed.
        init_from: a trained model to start a new run from: the id of a run, last, a checkpoint file, or a registered
            model as NAME, NAME@alias or NAME/VERSION.
    """
    files, changes = ([original(text) for text in texts or []] for texts in (overlays, overrides))
    if deployment.id and was_asked(str(flow_run.id)):
        params = load_params(files, changes)
        run = Experiment(params.tracking, params.data).find_run(str(flow_run.id))
        decision = carry_out(run, str(flow_run.id), _ui(run), params.tracking.approval_hours)
        return _ended(decision)
    if deployment.id and is_flow_run_id(resume) and (reason := nothing_to_recover(resume, str(flow_run.id))):
        return _ended(f"nothing to recover: {reason}")
    if deployment.id and (other := taken_over(str(flow_run.id))):
        return _ended(f"flow run {other} has gone on with it")
    drop_late_runs(str(flow_run.id), deployment.id)
    if deployment.id and (missed := recover_missed()):
        logger.warning("warning   %d flow runs had crashed and the server had not heard of it: they go on", missed)
    with signals_noted(TerminationSignal) as noted:
        summary = _pipeline(files, changes, resume, init_from and original(init_from), noted)
    if deployment.id and summary.promotion and summary.promotion.waiting:
        ask(summary.run, summary.promotion.waiting, _ui(summary.run), summary.params.tracking.approval_hours)
    return summary


def _pipeline(
    overlays: list[str], overrides: list[str], resume: str | None, init_from: str | None, noted: StopRequest
) -> Summary:
    started = time.monotonic()
    place = launched()
    if place is not None and place.has_store and (earlier := noted_run(place)):
        resume, init_from = earlier, None
    params, run, parent, crashed = _prepare(overlays, overrides, resume, init_from)
    known = parent.checkpoint.vocabulary.characters if parent else ""
    origin = parent.origin if parent else None
    again = options(params.tasks)
    flow_runs = _flow_runs(run, crashed)
    if run is not None and crashed and (kept := _kept(run)):
        corpus, dataset = kept
    else:
        corpus, dataset = _fetch(params, known)
        if run is not None:
            _check_text(run, corpus, dataset)
    with stop_requests(overlooked=True) as stop:  # a stop waits until it is known which run it stops
        tags = {FLOW_RUN_TAG: str(flow_run.id), FLOW_RUNS_TAG: flow_runs, **(origin.tags if origin else {})}
        run = run or Experiment(params.tracking, params.data).start_run(_run_name(params, corpus, origin), tags)
    if place is not None and place.has_store:
        note_run(place, run.run_id)
    with ending(run, "train"):
        stop.raise_if_requested(TerminationSignal)
        if parent:
            CheckpointFolder(Tracker(run), params.tracking.upload_checkpoints).keep_initial(parent.checkpoint)
        _record(run, params, corpus, dataset, origin, flow_runs)
        drift.with_options(**again)(corpus, dataset, params, run, _text_name(corpus))
        training = train.with_options(**again)(dataset, params, run)
        scores = evaluate.with_options(**again)(dataset, params, run)
        samples = sample.with_options(**again)(dataset, params, run)
        card = report.with_options(**again)(dataset, params, run)
        version = register.with_options(**again)(params, run, _text_name(corpus), card)
        promotion = promote.with_options(**again)(dataset, params, run, version)
        noted.raise_if_requested(TerminationSignal)
        seconds = time.monotonic() - started
        summary = Summary(run, params, origin, corpus, dataset, training, scores, samples, version, promotion, seconds)
        Tracker(run).describe(summary.markdown())
        leave_page(summary.markdown(ui=_ui(run)), key="summary", description=f"MLflow run {run.run_id}")
    return summary


def _fetch(params: Params, known: str, times: int = 3) -> tuple[Corpus, Dataset]:
    """Fetch the text and encode it, up to `times` times where somebody replaces it meanwhile."""
    again = options(params.tasks)
    corpus = download.with_options(**again)(params.data)
    try:
        return corpus, encode.with_options(**again)(corpus, params, known)
    except ChangedError:
        if times == 1:
            raise
    logger.warning("warning   %s changed while it was read; it is read again", corpus.label)
    return _fetch(params, known, times - 1)


def _ended(message: str) -> Summary:
    """Return what a deployed flow run ends with that has no summary: its state, whose message says why."""
    return Completed(message=message)  # type: ignore[return-value]  # Prefect takes a state for how the flow run ends


def _flow_runs(run: RunRef | None, crashed: Sequence[str]) -> str:
    """Return what `FLOW_RUNS_TAG` is to be: the flow runs that a run is of, this one the last.

    Those that `crashed` before there was a run are among them, so that it is found by each, and none is done twice.
    """
    # A run of before 0.2 has only the other tag.
    earlier = (Tracker(run).tag(FLOW_RUNS_TAG) or Tracker(run).tag(FLOW_RUN_TAG)) if run else ""
    return " ".join(list(dict.fromkeys([*earlier.split(), *reversed(crashed), str(flow_run.id)]))[-MOST_FLOW_RUNS:])


def _prepare(
    overlays: list[str], overrides: list[str], resume: str | None, init_from: str | None
) -> tuple[Params, RunRef | None, TrainedModel | None, Sequence[str]]:
    """Resolve the parameters and check what can be checked before anything is computed.

    Returns:
        The parameters, the run to go on with, the model to start from, and the flow runs that crashed, the newest
        first, where what is to go on is named by one, as `pipeline/recover` does.
    """
    if resume is not None and init_from is not None:
        raise ParamsError("init_from starts a new run, resume goes on with one: only one of them can be given")
    crashed = None
    if is_flow_run_id(resume):
        crashed = read_crashed(resume)
        # What it was asked for says where its run is, and is done from the beginning where it had not come to one.
        params = load_params(overlays or crashed.overlays, overrides or crashed.overrides)
    else:
        params = load_params(overlays, overrides)
    experiment = Experiment(params.tracking, params.data)
    run = parent = None
    if crashed is not None:
        experiment.open()  # which makes the store where not even that was there
        found = map(experiment.runs_of_flow_run, crashed.flow_run_ids)
        run = next((runs[0] for runs in found if runs), None)
        resume = run.run_id if run else crashed.resume
        if run is None:
            check_again(crashed, params.tasks)
            init_from = crashed.init_from
            overlays, overrides = overlays or crashed.overlays, overrides or crashed.overrides
    if resume is not None:
        run = experiment.find_run(resume)
        take_over(run)
        # The run's own parameters may wait to be sent, and they name its data folder if the command line does not.
        send_pending(run)
        if before := run_params(run):
            params = load_params(overlays, overrides, base=before)
            check_resumable(before, params)
        else:
            logger.warning("warning   run %s ended before its parameters were kept: it takes those given", run.run_id)
        experiment = Experiment(params.tracking, params.data)
        run = replace(run, data=experiment.data)
        send_pending(run)
        parent = initial_model(experiment, run)
    if init_from is not None:
        parent = find_model(experiment, init_from)
        params = load_warm_start_params(overlays, overrides, parent.checkpoint.params.model)
        logger.info("init      from %s", parent.origin.words())
    experiment.open()
    check_gpus(params.training, choose_device(params.training))
    if run is not None and crashed:
        count_recovery(run, params.tasks)
    return params, run, parent, crashed.flow_run_ids if crashed else ()


def _kept(run: RunRef) -> tuple[Corpus, Dataset] | None:
    """Return the text that a run began with, from the data folder; None where it is not there, or not sound.

    A run that recovers by itself needs no source, which may be away, or have another text by now: nobody is there to
    say what is meant.
    """
    tracker = Tracker(run)
    dataset = find_encoded(run.data, tracker.tag(DATA_TAG))
    if dataset is None:
        return None
    logger.info("download  nothing: run %s goes on with the text it began with", run.run_id)
    size = int(tracker.tag(BYTES_TAG) or 0)
    return Corpus((), tracker.tag(CORPUS_TAG), size, tracker.tag(SOURCE_TAG), cached=True, warnings=()), dataset


def _check_text(run: RunRef, corpus: Corpus, dataset: Dataset) -> None:
    """Check that a run goes on with the text that it was started with."""
    if (before := Tracker(run).tag(DATA_TAG)) not in ("", dataset.digest):
        raise CheckpointError(
            f"run {run.run_id}: was trained on another text (digest {before[:12]}, that of {corpus.label} is "
            f"{dataset.digest[:12]}); start a new run, or train on from its weights: --init-from {run.run_id}"
        )


def _record(
    run: RunRef,
    params: Params,
    corpus: Corpus,
    dataset: Dataset,
    origin: Origin | None,
    flow_runs: str,
) -> None:
    """Log what goes into the run before it starts."""
    tracker = Tracker(run)
    vocabulary = dataset.vocabulary()
    tracker.text(to_yaml(params), PARAMS_FILE)  # first: what a resume needs
    by = divided_by(params.splits, dataset.documents is not None)
    tracker.params({**flatten(params), "splits.by": by})  # what was used, where the parameter is null
    tracker.text(installed_packages(), "environment/packages.txt")
    tracker.file(dataset.vocabulary_path, "vocabulary")
    tracker.table(vocabulary.to_frame(), "vocabulary/characters.json")
    prefect = {FLOW_RUN_TAG: str(flow_run.id), FLOW_RUNS_TAG: flow_runs, "prefect.flow_run_name": str(flow_run.name)}
    if corpus.files:  # else the run goes on with what it has encoded, of which all is told
        facts = {SOURCE_TAG: corpus.source, CORPUS_TAG: corpus.sha256, BYTES_TAG: str(corpus.size)}
        facts["corpus.encoding"] = encodings_taken(corpus.files, params.data)
        tracker.tags({**facts, DATA_TAG: dataset.digest})
    tracker.tags({**prefect, **environment_tags()})
    splits = dataset.splits(params.splits)
    record_lineage(tracker, splits, vocabulary, dataset.hashes(), origin)
    for name, size in splits.characters.items():
        if size:
            profile = {"characters": size, "distinct": vocabulary.occurring, "sha256": corpus.sha256}
            if splits.documents is not None:
                profile["documents"] = len(splits.documents[name])
            tracker.dataset(
                name=_text_name(corpus),
                digest=f"{corpus.sha256[:12]}-{name}",
                source=corpus.source,
                profile=profile,
                context=name,
            )
    _compare(tracker, params, splits, vocabulary)
    leave_link(_ui(run) + run.ui_path, text="the run in MLflow", key="mlflow-run")


def _compare(tracker: Tracker, params: Params, splits: Splits, vocabulary: Vocabulary) -> None:
    """Log how validation and test split compare with the training text; warn where they do not resemble it."""
    comparison = compare_with_train(splits, vocabulary)
    for key, value in comparison.metrics.items():
        tracker.metric(key, value, step=0)
    if comparison.rows:
        tracker.table(comparison.to_frame(), "splits/comparison.json")
    if warning := comparison.warning(params.splits.by):
        logger.warning("warning   %s", warning)


def _ui(run: RunRef) -> str:
    """Return the address of the MLflow UI that shows `run`, credentials redacted."""
    return redact(run.uri).rstrip("/") if run.uri.startswith(("http:", "https:")) else "http://127.0.0.1:5000"


def _run_name(params: Params, corpus: Corpus, origin: Origin | None) -> str:
    model, training = params.model, params.training
    shape = f"{model.cell} {model.num_layers}x{model.hidden_size}"
    start = f" from {origin.run_id[:8]}" if origin and origin.run_id else ""
    default = f"{_text_name(corpus)} {shape} b{training.batch_size} t{training.seq_length}{start}"
    return params.tracking.run_name or default


def _text_name(corpus: Corpus) -> str:
    """Return a short name for the text: that of its file or package, of several files that of their folder."""
    path = Path(corpus.label.removeprefix("pypi:").partition("==")[0])
    parts = [part for part in (path.stem, *reversed(path.parts[:-1])) if not glob.has_magic(part)]
    return parts[0] if parts and parts[0] else "text"
