"""Registered models: made from a checkpoint, found, promoted."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import ColSpec, Schema
from mlflow.utils import get_results_from_paginated_fn

import charrnn
from charrnn.config.redaction import redact
from charrnn.errors import TrackingError
from tasks.tracking.mlflow.lineages import find_kinship, run_or_none
from tasks.tracking.mlflow.logged_models import VALIDATION, add_metrics, logged_model
from tasks.tracking.mlflow.store import Store, StoreError
from tasks.tracking.naming import CHAMPION
from tasks.tracking.outbox.messages import Register
from tasks.tracking.runs import CARD_HEADING, LINEAGE_TAGS, SHA256_TAG, SOURCE_TAG, Champion, ModelVersion, RunRef

# The code of a registered model that knows MLflow: a module of its own there.
SERVED = Path(__file__).with_name("charrnn_served.py")
# Metrics of the best checkpoint on a whole split.
EVALUATED = ("best/", "test/")
# Models asked for at once.
PAGE = 100


class ModelMissingError(TrackingError):
    """The store has no such model, alias or version."""


def register_model(client: MlflowClient, run: RunRef, wanted: Register, checkpoint: Path) -> None:
    """Log a pyfunc model loaded from code (`charrnn_served`, which comes with it) and register it.

    May be called again after it failed or was interrupted: what is there is not made again. `Model.log` would make
    another model each time.
    """
    if _find_version(client, run.run_id, wanted).number:
        return
    name = _name(client, run, wanted)
    _create_registered_model(client, name)
    tags = {SHA256_TAG: wanted.sha256}
    model = logged_model(client, run, "model", SHA256_TAG, tags, wanted.step)
    found = client.get_run(run.run_id)
    evaluated = [key for key in found.data.metrics if key.startswith(EVALUATED)]
    add_metrics(client, run, model.model_id, [*evaluated, *VALIDATION], wanted.step)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        mlflow.pyfunc.save_model(
            folder,
            loader_module=SERVED.stem,
            data_path=str(checkpoint),
            code_paths=[str(Path(charrnn.__file__).parent), str(SERVED)],
            mlflow_model=Model(
                artifact_path=model.artifact_location,
                run_id=run.run_id,
                model_uuid=model.model_id,
                model_id=model.model_id,
            ),
            signature=_signature(),
            input_example=pd.DataFrame([wanted.example]),
            pip_requirements=list(wanted.requirements),
        )
        client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    source = f"models:/{model.model_id}"
    with _set_process_wide(run.uri):
        client.create_model_version(
            name,
            source,
            run_id=run.run_id,
            tags={**tags, **{key: found.data.tags[key] for key in LINEAGE_TAGS if key in found.data.tags}},
            description=wanted.description or None,
            model_id=model.model_id,
        )


def download_model(store: Store, wanted: str, folder: Path) -> Path:
    """Copy the files of registered model `NAME`, `NAME@alias` or `NAME/VERSION` into `folder`; return where.

    Raises:
        ModelMissingError: there is no such model, alias or version.
        TrackingError: the store does not answer.
    """
    name, version = find_version(store, wanted)
    try:
        location = store.ask(MlflowClient.get_model_version_download_uri, name, version)
        return Path(store.ask(lambda _: download_artifacts(location, dst_path=str(folder), tracking_uri=store.uri)))
    except StoreError as error:
        raise _not_had(wanted, store, error) from None


def find_version(store: Store, wanted: str) -> tuple[str, str]:
    """Return the name and the version of registered model `NAME` (its newest), `NAME@alias` or `NAME/VERSION`.

    Raises:
        ModelMissingError: there is no such model or alias. Whether there is such a VERSION is not asked.
        TrackingError: the store does not answer.
    """
    name, _, alias = wanted.partition("@")
    try:
        if alias:
            return name, str(store.ask(MlflowClient.get_model_version_by_alias, name, alias).version)
        if "/" in name:
            name, version = name.split("/", 1)
            return name, version
        newest = max((version for version, _ in model_versions(store, name)), default=0)
    except StoreError as error:
        raise _not_had(wanted, store, error) from None
    if not newest:
        raise ModelMissingError(f"model {wanted}: no model of that name is registered in {redact(store.uri)}")
    return name, str(newest)


def _not_had(wanted: str, store: Store, error: StoreError) -> TrackingError:
    """Return the error that says whether model `wanted` is not there, or the store does not answer."""
    if _is_not_there(error):
        return ModelMissingError(f"model {wanted}: not found in {redact(store.uri)}: {error.reason}")
    return TrackingError(f"model {wanted}: {error}")


def _is_not_there(error: StoreError) -> bool:
    """Whether the store has answered that it has no such model, version or alias."""
    # Of an alias that no version has, MLflow says that it is no valid one.
    return error.missing or (error.refused and "not found" in error.reason)


def model_versions(store: Store, name: str) -> list[tuple[int, int]]:
    """Return each version of model `name` and when it was made (Unix time, s). Raises TrackingError."""
    versions = store.ask(MlflowClient.search_model_versions, f"name = '{name}'")
    try:
        return [(int(item.version), int(item.creation_timestamp / 1000)) for item in versions]
    except (TypeError, ValueError):
        found = redact(store.uri)
        raise TrackingError(f"model {name}: {found} answers with a version that has no number or no time") from None


def alias_version(store: Store, name: str, alias: str) -> str:
    """Return the version of model `name` that has `alias`; '' if none has. Raises TrackingError."""
    try:
        return str(store.ask(MlflowClient.get_model_version_by_alias, name, alias).version)
    except StoreError as error:
        if not _is_not_there(error):
            raise
        return ""


def aliased_runs(store: Store) -> set[str]:
    """Return the ids of the runs whose model has an alias, in any registered model. Raises TrackingError."""
    models = get_results_from_paginated_fn(
        lambda size, token: store.ask(MlflowClient.search_registered_models, max_results=size, page_token=token), PAGE
    )
    return {
        str(store.ask(MlflowClient.get_model_version, model.name, version).run_id)
        for model in models
        for version in model.aliases.values()
    }


def describe_version(store: Store, name: str, version: str, sentence: str) -> None:
    """Write `sentence` on a version of model `name`, in place of another one, above its model card if it has one.

    Raises:
        TrackingError: there is no such version, or the store does not answer.
    """
    before = store.ask(MlflowClient.get_model_version, name, version).description or ""
    at = before.find(CARD_HEADING)
    description = f"{sentence}\n\n{before[at:]}" if at >= 0 else sentence
    store.ask(MlflowClient.update_model_version, name, version, description=description)


def set_alias(store: Store, name: str, version: str, alias: str) -> None:
    """Give `alias` to a version of model `name`; the version that had it loses it. Raises as `describe_version`."""
    store.ask(MlflowClient.set_registered_model_alias, name, alias, version)


def registered_version(run: RunRef, wanted: Register) -> ModelVersion:
    """Return the version that `run` has registered as `wanted`; one without name and number where there is none.

    Raises:
        TrackingError: the store does not answer.
    """
    return Store(run.uri).ask(_find_version, run.run_id, wanted)


def run_version(run: RunRef) -> ModelVersion | None:
    """Return the newest version that `run` has registered; None where there is none yet. Raises TrackingError."""
    found = Store(run.uri).ask(MlflowClient.search_model_versions, f"run_id = '{run.run_id}'")
    newest = max(found, key=lambda item: int(item.creation_timestamp or 0), default=None)
    return ModelVersion(newest.name, str(newest.version)) if newest else None


def version_run(store: Store, name: str, version: str) -> str:
    """Return the id of the run that a version of model `name` is of; '' where it is of none. Raises TrackingError."""
    return str(store.ask(MlflowClient.get_model_version, name, version).run_id or "")


def find_champions(store: Store, name: str, text: str) -> list[Champion]:
    """Return the champions of model `name` and, where `text` is not '', of NAME-TEXT, NAME-TEXT-2, ... if there are.

    Raises:
        TrackingError: the store does not answer.
    """
    return store.ask(_find_champions, name, text)


def _find_champions(client: MlflowClient, name: str, text: str) -> list[Champion]:
    named = re.compile(rf"{re.escape(name)}(-{re.escape(text)}(-\d+)?)?" if text else re.escape(name))
    models = get_results_from_paginated_fn(
        lambda size, token: client.search_registered_models(max_results=size, page_token=token), PAGE
    )
    found = (model for model in models if named.fullmatch(model.name))
    return [_champion(client, model.name, str(model.aliases[CHAMPION])) for model in found if CHAMPION in model.aliases]


def _champion(client: MlflowClient, name: str, version: str) -> Champion:
    run_id = str(client.get_model_version(name, version).run_id or "")
    run = run_or_none(client, run_id)
    if run is None:
        return Champion(name, version, "", "", None)
    loss = run.data.metrics.get("test/loss", run.data.metrics.get("best/loss"))
    return Champion(name, version, run_id, run.data.tags.get(SOURCE_TAG, ""), loss)


def _find_version(client: MlflowClient, run_id: str, wanted: Register) -> ModelVersion:
    versions = client.search_model_versions(f"run_id = '{run_id}'")
    named = [
        item for item in versions if item.name == wanted.name or (wanted.text and item.name.startswith(wanted.name))
    ]
    found = (item for item in named if item.tags.get(SHA256_TAG) == wanted.sha256)
    return next((ModelVersion(item.name, str(item.version)) for item in found), ModelVersion("", ""))


def _name(client: MlflowClient, run: RunRef, wanted: Register) -> str:
    """Return the model that a version is to be of.

    Where the parameters leave it open, that is the first of NAME, NAME-TEXT, NAME-TEXT-2, ... that is not of another
    text. A model is of the text of its champion, or else of that of its newest version.
    """
    if not wanted.text:
        return wanted.name
    named = f"{wanted.name}-{wanted.text}"
    names = chain([wanted.name, named], (f"{named}-{number}" for number in count(2)))
    return next(name for name in names if not _is_of_another_text(client, run, name))


def _is_of_another_text(client: MlflowClient, run: RunRef, name: str) -> bool:
    versions = client.search_model_versions(f"name = '{name}'")
    if not versions:
        # Where a run of another text is the first to register one meanwhile, this run's version stands without the
        # alias, and the next run of its text finds another name.
        return False
    try:
        defender = client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.get_http_status_code() >= 500:
            raise
        defender = max(versions, key=lambda item: int(item.version))
    return find_kinship(client, run, defender).text == "another"


def _create_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@contextmanager
def _set_process_wide(uri: str) -> Iterator[None]:
    """Set the tracking URI of the process: a SQLite store looks for models:/<id> there, not where it is itself."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it


def _signature() -> ModelSignature:
    """Return the columns of the answer where texts are asked for. Those of the input are not in it.

    MLflow drops every column that a signature does not name before the model is called: a misspelt option would be
    ignored. Without them, the model gets what was sent and refuses it by name. The columns of scores are not in it,
    either: MLflow's Spark UDF looks for every column that is named in every answer.
    """
    return ModelSignature(outputs=Schema([ColSpec("string", "text"), ColSpec("string", "warnings")]))
