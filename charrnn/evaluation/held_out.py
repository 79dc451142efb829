"""A text that a model was not trained on: symbols with their ids. Knows neither where it is kept nor the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charrnn.config.schema import DataParams
from charrnn.data.normalisation import normalise
from charrnn.data.splits import IN_WORDS, Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.evaluation.bootstrap import known_ids

Symbols = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A text that the model was not trained on.

    Attributes:
        name: what a person calls it.
        text: (len(ids),) characters, a line end where a stop symbol stands.
        ids: (symbols,) int64; that of the stop symbol, too, for characters that the model has never seen.
        stops: (symbols,) bool, where a stop symbol stands; documents begin and end with one, streams have none.
        unknown: (symbols,) bool, which characters the model has never seen.
        size: characters of the whole of which this is the beginning (count).
    """

    name: str
    text: str
    ids: Symbols
    stops: npt.NDArray[np.bool_]
    unknown: npt.NDArray[np.bool_]
    size: int

    def __len__(self) -> int:
        """Return the number of symbols."""
        return len(self.ids)

    def first(self, count: int) -> "HeldOut":
        """Return the first `count` symbols."""
        part = slice(count)
        return HeldOut(self.name, self.text[part], self.ids[part], self.stops[part], self.unknown[part], self.size)

    def symbols(self, part: slice) -> list[str]:
        """Return the characters in `part`, '' for stop symbols."""
        return ["" if stop else c for c, stop in zip(self.text[part], self.stops[part].tolist(), strict=True)]

    def parts(self) -> list[str]:
        """Return the whole text in parts that know nothing of each other.

        These are documents, each after a line end that stands for the stop symbol before it, or the stream.
        """
        bounds = [0, *(at for at in np.flatnonzero(self.stops).tolist() if at), len(self.text)]
        return [self.text[start:end] for start, end in pairwise(bounds)]

    def documents(self) -> list[str]:
        """Return the documents without their stop symbols, or the stream."""
        texts = [part[1:] for part in self.parts()] if self.stops.any() else [self.text]
        return [text for text in texts if text]

    def spans(self) -> list[tuple[int, int]]:
        """Return first symbol, and past the last, of each document with both its stop symbols, or of the stream."""
        ends = np.flatnonzero(self.stops)
        if not len(ends):
            return [(0, len(self))]
        bounds = np.append(ends, len(self) - 1) if ends[-1] < len(self) - 1 else ends
        return [(start, end + 1) for start, end in pairwise(bounds.tolist())]


def of_split(splits: Splits, vocabulary: Vocabulary, name: str, most: int) -> HeldOut:
    """Return the beginning of split `name`, at most `most` symbols of it.

    Args:
        splits: of the encoded text.
        vocabulary: that of its ids.
        name: val or test, with at least two characters.
        most: symbols (count).
    """
    ids = splits.ids(name)[:most].astype(np.int64)
    if splits.documents is not None:
        ids = np.concatenate([[vocabulary.stop_id], ids])
    stops = ids == vocabulary.stop_id
    letters = np.array([*map(ord, vocabulary.characters), ord("\n")], dtype="<u4")
    text = letters[ids].tobytes().decode("utf-32-le", errors="surrogatepass")
    return HeldOut(f"{IN_WORDS[name]} split", text, ids, stops, np.zeros(len(ids), dtype=bool), splits.characters[name])


def of_text(text: str | Sequence[str], name: str, data: DataParams, vocabulary: Vocabulary, most: int) -> HeldOut:
    """Return a text that a person gives, read as the training text was.

    Args:
        text: a stream, or documents.
        name: what a person calls it.
        data: how the training text was read.
        vocabulary: the model's.
        most: symbols (count); the rest is left out.

    Raises:
        CorpusError: it has fewer than two characters that the model knows.
    """
    if isinstance(text, str):
        normal = normalise(text, data)
        stops = np.zeros(len(normal), dtype=bool)
    else:
        documents = [normalise(one, data) for one in text]
        normal = "\n" + "".join(f"{document}\n" for document in documents)
        stops = np.zeros(len(normal), dtype=bool)
        stops[np.cumsum([0, *(len(document) + 1 for document in documents)])] = True
    size, normal, stops = len(normal), normal[:most], stops[:most]
    ids = known_ids(vocabulary, normal).astype(np.int64)
    ids[stops] = vocabulary.stop_id
    unknown = (ids == vocabulary.stop_id) & ~stops
    if np.count_nonzero(~unknown & ~stops) < 2:
        raise CorpusError(f"{name}: has fewer than 2 characters that the model knows")
    return HeldOut(name, normal, ids, stops, unknown, size - int(stops.sum()))
