"""The options of sampling: how a text is written.

The command line, the flow's form, the served table and the section `sampling` of params.yaml are all derived from
here; an option's docstring is its documentation in each of them, its example stands in the example row of a registered
model. Knows none of them, and not how a text is sampled.
"""

from pydantic import ConfigDict, Field

from charrnn.config.types import NonNegativeFloat, PositiveInt, PositiveShare, Section, Seed


class CommonOptions(Section):
    """What the options of one text and the section `sampling`, which has several temperatures, have in common."""

    prime: str = ""
    """Text to continue; empty starts a document, or a stream from a line break, or from a random first character where
    there is none."""
    length: PositiveInt = Field(1000, examples=[20])
    """Characters to write (count); a document ends by itself, at the latest after so many."""
    stop: str | None = Field(None, min_length=1, examples=["\n\n"], json_schema_extra={"flag": "--until"})
    """Text that ends the sample as soon as it was written; what the prime holds does not count."""
    seed: Seed = 1
    """Random seed of the draws; same seed, same text."""
    top_k: PositiveInt | None = Field(None, examples=[40])
    """Draw only from the k likeliest characters."""
    top_p: PositiveShare | None = Field(None, examples=[0.95])
    """Draw only from the likeliest characters that together have this probability (0 to 1)."""
    min_p: PositiveShare | None = Field(None, examples=[0.05])
    """Draw only from characters at least this many times as probable as the likeliest (0 to 1)."""


class SamplingOptions(CommonOptions):
    """How one text is written."""

    # In YAML the prime 1984 is a number that is meant as text; in a table or a call a number is a mistake.
    model_config = ConfigDict(coerce_numbers_to_str=False)

    temperature: NonNegativeFloat = 0.8
    """0 always takes the likeliest character, 1 samples as learnt, above 1 less likely characters come more often."""
