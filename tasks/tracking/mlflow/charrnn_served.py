"""A registered model as MLflow loads it: `charrnn.serving`, whose errors MLflow's scoring server answers in words.

This file lies beside the package `charrnn` in the code of a registered model, and imports nothing else of this project.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException

from charrnn.errors import CharrnnError
from charrnn.serving import TextModel


class ServedModel:
    """Writes text from primes."""

    def __init__(self, model: TextModel) -> None:
        """Serve `model`."""
        self._model = model

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """See `TextModel.predict`.

        Raises:
            MlflowException: a value is out of range; of other errors the scoring server hides the message.
        """
        try:
            return self._model.predict(frame, params)
        except CharrnnError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None


def _load_pyfunc(path: str) -> ServedModel:
    """Load the model from `path`, the checkpoint logged with it: the hook `mlflow.pyfunc` looks for."""
    return ServedModel(TextModel(Path(path)))
