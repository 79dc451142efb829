"""Writer: a trained model that writes texts, with its vocabulary and how the text it has learnt was read.

Every door to sampling goes through here: command line, flow, tasks, served model, library. What a person typed is read
as the training text was, and what the model cannot use of it is said, never dropped silently. Knows no door.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import DataParams
from charrnn.data.normalisation import normalise
from charrnn.data.vocabulary import Vocabulary, describe
from charrnn.errors import VocabularyError
from charrnn.generation.sampling import sample_many, stream_many
from charrnn.model.char_rnn import CharRNN

# Texts written side by side: more need more memory, and are no faster for each.
BLOCK = 128
LINE_END = """; a line end is given as $'\\n' in bash, as "\\n" in JSON and YAML"""


@dataclass(frozen=True)
class Written:
    """A text that was written.

    Attributes:
        options: how.
        text: its prime and what was written after it.
        logprob: log-probability (nats) of what was written after the prime, the stop symbol that ended it included:
            that of the model itself, at temperature 1 and without filters. None where it was not asked for.
    """

    options: SamplingOptions
    text: str
    logprob: float | None

    @property
    def continuation(self) -> str:
        """The text without its prime."""
        return self.text[len(self.options.prime) :]


def writes_lines(vocabulary: Vocabulary, data: DataParams) -> bool:
    """Return whether a model of `vocabulary`, whose text was read as `data` says, has documents without line ends."""
    occurring = {c for c, count in zip(vocabulary.characters, vocabulary.counts, strict=True) if count}
    return data.has_documents and not occurring & {"\n", "\r"}


@dataclass(frozen=True, eq=False)
class Writer:
    """A trained model that writes texts.

    Attributes:
        network: on any device, in any mode.
        vocabulary: its characters.
        data: how its text was read.
    """

    network: CharRNN
    vocabulary: Vocabulary
    data: DataParams

    @property
    def of_lines(self) -> bool:
        """Whether it writes documents none of which has a line end."""
        return writes_lines(self.vocabulary, self.data)

    def prepare(self, options: SamplingOptions, *, strict: bool = False) -> tuple[SamplingOptions, tuple[str, ...]]:
        """Read prime and stop as the text was read, without the characters of the prime that the model has never seen.

        Args:
            options: as a person gave them.
            strict: refuse what the model cannot use.

        Returns:
            The options to write with, and a line for each thing that the model cannot use.

        Raises:
            VocabularyError: `strict`, and the prime has characters that the model has never seen, or the stop has.
        """
        prime, unknown = self.read_prime(options.prime)
        problems = []
        if unknown:
            problems.append((f"prime: the model has never seen {describe(unknown)}", "; dropped"))
        stop = None
        if options.stop is not None:
            stop, problem = self.read_stop(options.stop)
            if problem:
                hint = LINE_END if "\\" in self.vocabulary.unknown(stop) and re.search(r"\\[nt]", stop) else ""
                problems.append((f"stop (--until): {problem}", f"; it ends no text{hint}"))
        if strict and problems:
            raise VocabularyError(problems[0][0])
        prepared = options.model_copy(update={"prime": prime, "stop": stop or None})
        return prepared, tuple(problem + consequence for problem, consequence in problems)

    def read_prime(self, prime: str) -> tuple[str, str]:
        """Read a prime as the text was read.

        Returns:
            What the model can use of it, and the distinct characters that it has never seen.
        """
        prime = normalise(prime, self.data)
        unknown = self.vocabulary.unknown(prime)
        return "".join(character for character in prime if character not in unknown), unknown

    def read_stop(self, stop: str) -> tuple[str, str]:
        """Read a stop as the text was read.

        Returns:
            The stop, and why it ends no text, in words; '' where it can.
        """
        stop = normalise(stop, self.data)
        if unknown := self.vocabulary.unknown(stop):
            return stop, f"the model never writes {describe(unknown)}"
        return stop, "" if stop else "nothing but a byte-order mark"

    def write(self, options: Sequence[SamplingOptions], *, logprobs: bool = False) -> Iterator[Written]:
        """Yield the text of each of `options`, which are prepared, many written side by side.

        Args:
            options: of each text.
            logprobs: compute the log-probabilities, too.

        Raises:
            DivergedError: the model's logits are not finite.
        """
        for start in range(0, len(options), BLOCK):
            block = options[start : start + BLOCK]
            sums = np.zeros(len(block)) if logprobs else None
            texts = sample_many(self.network, self.vocabulary, block, documents=self.data.has_documents, logprobs=sums)
            found: list[float] | list[None] = [None] * len(block) if sums is None else sums.tolist()
            for one, text, logprob in zip(block, texts, found, strict=True):
                yield Written(one, one.prime + text, logprob)

    def stream(self, options: SamplingOptions) -> Iterator[str]:
        """Yield the prime of `options`, which are prepared, then each character as it is written.

        Raises:
            DivergedError: the model's logits are not finite.
        """
        yield options.prime
        documents = self.data.has_documents
        for (character,) in stream_many(self.network, self.vocabulary, [options], documents=documents):
            yield character
