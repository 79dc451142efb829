"""Experiments and stores that tests of the MLflow room name, and what their errors say."""

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.errors import CharrnnError
from tasks.tracking.mlflow import Experiment


def at_store(uri: str) -> Params:
    """Return parameters that name the store `uri`."""
    return load_params([], [f"tracking.uri={uri}"])


def of_experiment(params: Params, name: str) -> Params:
    """Return `params` with another experiment of the same store."""
    return params.model_copy(update={"tracking": params.tracking.model_copy(update={"experiment": name})})


def experiment_of(params: Params) -> Experiment:
    return Experiment(params.tracking, params.data)


def one_line(error: CharrnnError) -> str:
    text = str(error)
    assert "\n" not in text
    return text
