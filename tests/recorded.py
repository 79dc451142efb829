"""What MLflow says of a run, as values that must be there: its client's types allow each of them to be missing."""

import json
from typing import Any

from mlflow.entities import Dataset, DatasetInput, LoggedModelOutput, Run


def dataset_inputs(run: Run) -> list[DatasetInput]:
    """Return the datasets that a run has read."""
    assert run.inputs is not None
    return list(run.inputs.dataset_inputs)


def profile(dataset: Dataset) -> dict[str, Any]:
    """Return the facts that are recorded of a dataset."""
    assert dataset.profile is not None
    return dict(json.loads(dataset.profile))


def model_outputs(run: Run) -> list[LoggedModelOutput]:
    """Return the models that a run has logged."""
    assert run.outputs is not None
    return list(run.outputs.model_outputs)
