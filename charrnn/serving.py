"""The trained model as MLflow serves it: loaded from one checkpoint, texts for rows of a table.

`mlflow.pyfunc` calls `_load_pyfunc`; nothing here imports MLflow, and nothing is unpickled.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_scalar

from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import ParamsError
from charrnn.generation.options import read_options
from charrnn.generation.sampling import known_prime, sample_many
from charrnn.training.checkpoint import load_checkpoint

MAX_LENGTH = 100_000


class TextModel:
    """Writes text from primes."""

    def __init__(self, checkpoint: Path) -> None:
        """Load `checkpoint` onto the CPU. Raises CheckpointError or FileError."""
        loaded = load_checkpoint(checkpoint)
        self.vocabulary = loaded.vocabulary
        self.model = loaded.model()

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return one text for each row.

        Args:
            frame: a column for each field of SamplingOptions, none of them required; missing values (NaN, None) take
                the field's default. Characters of a prime that the model has never seen are dropped.
            params: not used; MLflow passes it.

        Returns:
            One column, `text`: what follows the prime.

        Raises:
            ParamsError: a column is unknown, or a value is out of range.
        """
        options = [self._options(row) for row in frame.to_dict(orient="records")]
        return pd.DataFrame({"text": sample_many(self.model, self.vocabulary, options) if options else []})

    def _options(self, row: Mapping[Any, Any]) -> SamplingOptions:
        given = {str(name): value for name, value in row.items() if not (is_scalar(value) and pd.isna(value))}
        options = read_options(given)
        if options.length > MAX_LENGTH:
            raise ParamsError(f"length: must be <= {MAX_LENGTH}, got {options.length}")
        prime, _ = known_prime(options.prime, self.vocabulary)
        return options.model_copy(update={"prime": prime})


def _load_pyfunc(path: str) -> TextModel:
    """Load the model from `path`, the checkpoint logged with it: the hook `mlflow.pyfunc` looks for."""
    return TextModel(Path(path))
