"""The trained model as MLflow serves it: loaded from one checkpoint, texts for rows of a table.

`mlflow.pyfunc` calls `_load_pyfunc`; nothing here imports MLflow, and nothing is unpickled.
"""

from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_scalar

from charrnn.errors import ParamsError
from charrnn.generation.sampling import SampleRequest, known_prime, sample_many
from charrnn.training.checkpoint import load_checkpoint

MAX_LENGTH = 100_000
KINDS = {"prime": str, "length": int, "temperature": float, "top_k": int, "top_p": float, "seed": int}


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
            frame: `prime` and, each optional, `length`, `temperature`, `top_k`, `top_p`, `seed`; missing values
                take the defaults of SampleRequest. Characters of a prime that the model has never seen are dropped.
            params: not used; MLflow passes it.

        Returns:
            One column, `text`: what follows the prime.

        Raises:
            ParamsError: a column is unknown, or a value is out of range.
        """
        unknown = [str(column) for column in frame.columns if column not in KINDS]
        if unknown:
            raise ParamsError(f"unknown column {unknown[0]!r}; there are {', '.join(KINDS)}")
        requests = [self._request(row) for row in frame.to_dict(orient="records")]
        return pd.DataFrame({"text": sample_many(self.model, self.vocabulary, requests) if requests else []})

    def _request(self, row: Mapping[Any, Any]) -> SampleRequest:
        given = {str(name): value for name, value in row.items() if not (is_scalar(value) and pd.isna(value))}
        values: dict[str, Any] = {name: _typed(name, value) for name, value in given.items()}
        if values.get("length", 1) > MAX_LENGTH:
            raise ParamsError(f"length: must be <= {MAX_LENGTH}, got {values['length']}")
        values["prime"], _ = known_prime(values.get("prime", ""), self.vocabulary)
        return SampleRequest(**values)


def _typed(name: str, value: Any) -> Any:
    """Return `value` as the type of column `name`; tables mix types, and hold whole numbers as floats."""
    kind = KINDS[name]
    if kind is str:
        holds, rule = isinstance(value, str), "text"
    else:
        holds, rule = isinstance(value, Real) and not isinstance(value, bool), "a number"
    if kind is int:
        holds, rule = holds and (isinstance(value, Integral) or float(value).is_integer()), "a whole number"
    if not holds:
        raise ParamsError(f"{name}: must be {rule}, got {value!r}")
    return kind(value)


def _load_pyfunc(path: str) -> TextModel:
    """Load the model from `path`, the checkpoint logged with it: the hook `mlflow.pyfunc` looks for."""
    return TextModel(Path(path))
