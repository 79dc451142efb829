"""SamplingOptions: how one text is to be written. Every door derives its options from here."""

from charrnn.config.types import NonNegativeFloat, PositiveInt, Probability, Section, Seed


class SamplingOptions(Section):
    """How one text is to be written."""

    prime: str = ""
    """Text to continue; empty starts from a line break, or a random first character where there is none."""
    length: PositiveInt = 1000
    """Characters to write (count)."""
    temperature: NonNegativeFloat = 0.8
    """0 always takes the likeliest character, 1 samples as learnt, more is wilder."""
    top_k: PositiveInt | None = None
    """Draw only from the k likeliest characters; null for all."""
    top_p: Probability | None = None
    """Draw only from the likeliest characters that together have this probability (0 to 1); null for all."""
    seed: Seed = 1
    """Random seed of the draws; same seed, same text."""
