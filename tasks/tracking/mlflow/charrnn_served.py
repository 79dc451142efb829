"""A registered model as MLflow loads it: `charrnn.serving`, whose errors MLflow's scoring server answers in words.

This file lies beside the package `charrnn` in the code of a registered model, and imports nothing else of this project.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from charrnn.errors import CharrnnError
from charrnn.serving import TextModel


class ServedModel:
    """Writes text from primes and scores texts."""

    def __init__(self, model: TextModel) -> None:
        """Serve `model`."""
        self._model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """See `TextModel.predict`; a table may also come as MLflow parses `inputs` and `instances`: a list or map.

        Raises:
            MlflowException: a value is out of range; of other errors the scoring server hides the message.
        """
        try:
            return self._model.predict(_table(data), params)
        except CharrnnError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None


def _table(data: Any) -> pd.DataFrame:
    """Return `data` as a table: a map of columns, a map that is one row, or a list of rows.

    Raises:
        MlflowException: it is none of these.
    """
    if isinstance(data, pd.DataFrame):
        return data
    try:
        rows = [data] if isinstance(data, Mapping) and not any(map(np.ndim, data.values())) else data
        return pd.DataFrame([_plain(row) for row in rows] if isinstance(rows, list) else rows)
    except (ValueError, TypeError) as error:
        raise MlflowException.invalid_parameter_value(f"the input is no table: {error}") from None


def _plain(row: Any) -> Any:
    """Return `row` with its values as they were sent: MLflow makes an array without dimensions of each."""
    if not isinstance(row, Mapping):
        return row
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}


def _load_pyfunc(path: str) -> ServedModel:
    """Load the model from `path`, the checkpoint logged with it: the hook `mlflow.pyfunc` looks for."""
    return ServedModel(TextModel(Path(path)))
