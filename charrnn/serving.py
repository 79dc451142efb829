"""The trained model as it is served: loaded from one checkpoint, texts or scores for rows of a table.

Nothing here imports MLflow, which loads it with a module of its own beside this package; nothing is unpickled.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_scalar
from pydantic import ConfigDict

from charrnn.config.messages import params_error
from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.types import Section
from charrnn.data.normalisation import normalise
from charrnn.data.vocabulary import describe
from charrnn.errors import CorpusError, ParamsError
from charrnn.evaluation.surprisal import score_text
from charrnn.generation.options import read_options, validated
from charrnn.generation.writer import Writer
from charrnn.training.checkpoint import load_checkpoint

MAX_LENGTH = 100_000
"""Characters that are written, or scored, for one row (count)."""

Row = Mapping[str, Any]


class ScoringOptions(Section):
    """How one text is scored."""

    model_config = ConfigDict(coerce_numbers_to_str=False)

    score: str
    """Text to score: how unexpected the model finds it."""
    surprisal: bool = False
    """Answer with the surprisal of each character, too."""


SCORE_COLUMNS = ("bits_per_char", "perplexity", "characters", "unknown", "warnings", "surprisal")
OPTIONS = (*SamplingOptions.model_fields, *ScoringOptions.model_fields)


class TextModel:
    """Writes text from primes and scores texts."""

    def __init__(self, checkpoint: Path) -> None:
        """Load `checkpoint` onto the CPU. Raises CheckpointError or FileError."""
        loaded = load_checkpoint(checkpoint)
        self.writer = Writer(loaded.model(), loaded.vocabulary, loaded.params.data)

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the answer to each row: all of them ask for a text, or all for a score.

        Args:
            frame: for texts, a column for each field of SamplingOptions, none of them required; for scores, those of
                ScoringOptions. Missing values (NaN, None) take the field's default.
            params: not used; MLflow passes it.

        Returns:
            For texts, two columns: `text`, what follows the prime, and `warnings`, what the model cannot use of prime
            and stop, in words; '' where it can use all.

            For scores, columns of Python's own values, with None where a text has nothing that the model predicts:
            `bits_per_char` and `perplexity` (float; None where it is beyond floats), means over the characters that
            have a surprisal; `characters`
            (int), how many those are; `unknown` (int), how many the model has never seen, which have none; `warnings`,
            which those are, or why there is no score. If any row asks for it, also `surprisal`, None for the others:
            for each character of the text, as the training text was read, its `character` and `bits` (float, or None).

        Raises:
            ParamsError: a column is unknown, a value is out of range, or texts and scores are asked for together.
            DivergedError: what the model predicts is not finite.
        """
        rows = [_given(row) for row in frame.to_dict(orient="records")]
        if unknown := [name for row in rows for name in row if name not in OPTIONS]:
            raise params_error(f"unknown option {unknown[0]!r}; there are {', '.join(OPTIONS)}")
        # By columns: a table whose only score is missing does not ask for texts.
        if any(name in frame.columns for name in ScoringOptions.model_fields):
            return self._scores(rows)
        return self._texts(rows)

    def _texts(self, rows: Sequence[Row]) -> pd.DataFrame:
        options = [read_options(row) for row in rows]
        for one in options:
            if one.length > MAX_LENGTH:
                raise ParamsError(f"length: must be <= {MAX_LENGTH}, got {one.length}")
        prepared = [self.writer.prepare(one) for one in options]
        written = self.writer.write([one for one, _ in prepared])
        return pd.DataFrame(
            {
                "text": [one.continuation for one in written],
                "warnings": ["; ".join(warnings) for _, warnings in prepared],
            }
        )

    def _scores(self, rows: Sequence[Row]) -> pd.DataFrame:
        for number, row in enumerate(rows, 1):
            if "score" not in row or row.keys() & SamplingOptions.model_fields.keys():
                raise ParamsError(
                    f"score: must stand in every row of a request, with no option but surprisal, or in none; "
                    f"row {number} has {', '.join(row) or 'nothing'}"
                )
        options = [validated(ScoringOptions, row) for row in rows]
        for one in options:
            if len(one.score) > MAX_LENGTH:
                raise ParamsError(f"score: must have at most {MAX_LENGTH} characters, has {len(one.score)}")
        # As objects: a column of floats would make NaN of None, which JSON does not have.
        answers = pd.DataFrame(
            [score_answer(self.writer, one) for one in options], columns=list(SCORE_COLUMNS), dtype=object
        )
        return answers if any(one.surprisal for one in options) else answers.drop(columns="surprisal")


def score_answer(writer: Writer, options: ScoringOptions) -> dict[str, Any]:
    """Return the answer to one text that is to be scored: see `TextModel.predict`.

    Raises:
        DivergedError: what the model predicts is not finite.
    """
    network, vocabulary, data = writer.network, writer.vocabulary, writer.data
    try:
        scored = score_text(network, vocabulary, data, options.score, of_lines=writer.of_lines)
    except CorpusError as error:
        text = normalise(options.score, data)
        return {
            "bits_per_char": None,
            "perplexity": None,
            "characters": 0,
            "unknown": sum(map(text.count, vocabulary.unknown(text))),
            "warnings": f"score: {error}",
            "surprisal": None,
        }
    characters = None
    if options.surprisal:
        bits = [None if math.isnan(value) else value for value in scored.bits.tolist()]
        characters = [{"character": c, "bits": value} for c, value in zip(scored.text, bits, strict=True)]
    unseen = scored.unseen
    return {
        "bits_per_char": scored.bits_per_char,
        "perplexity": scored.perplexity if math.isfinite(scored.perplexity) else None,
        "characters": scored.characters,
        "unknown": int(scored.unknown.sum()),
        "warnings": f"score: the model has never seen {describe(unseen)}; left out" if unseen else "",
        "surprisal": characters,
    }


def _given(row: Mapping[Any, Any]) -> Row:
    """Return what a row of a table gives: a missing value is no value."""
    return {str(name): value for name, value in row.items() if not (is_scalar(value) and pd.isna(value))}
