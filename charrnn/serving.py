"""The trained model as it is served: loaded from one checkpoint, texts for rows of a table.

Nothing here imports MLflow, which loads it with a module of its own beside this package; nothing is unpickled.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_scalar

from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import ParamsError
from charrnn.generation.options import read_options
from charrnn.generation.writer import Writer
from charrnn.training.checkpoint import load_checkpoint

MAX_LENGTH = 100_000


class TextModel:
    """Writes text from primes."""

    def __init__(self, checkpoint: Path) -> None:
        """Load `checkpoint` onto the CPU. Raises CheckpointError or FileError."""
        loaded = load_checkpoint(checkpoint)
        self.writer = Writer(loaded.model(), loaded.vocabulary, loaded.params.data)

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return one text for each row.

        Args:
            frame: a column for each field of SamplingOptions, none of them required; missing values (NaN, None) take
                the field's default.
            params: not used; MLflow passes it.

        Returns:
            Two columns: `text`, what follows the prime, and `warnings`, what the model cannot use of prime and stop, in
            words; '' where it can use all.

        Raises:
            ParamsError: a column is unknown, or a value is out of range.
        """
        prepared = [self.writer.prepare(self._options(row)) for row in frame.to_dict(orient="records")]
        written = self.writer.write([options for options, _ in prepared])
        return pd.DataFrame(
            {
                "text": [one.continuation for one in written],
                "warnings": ["; ".join(warnings) for _, warnings in prepared],
            }
        )

    def _options(self, row: Mapping[Any, Any]) -> SamplingOptions:
        given = {str(name): value for name, value in row.items() if not (is_scalar(value) and pd.isna(value))}
        options = read_options(given)
        if options.length > MAX_LENGTH:
            raise ParamsError(f"length: must be <= {MAX_LENGTH}, got {options.length}")
        return options
