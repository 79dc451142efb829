"""What a model was trained on and what was held out from it, as hashes. Knows nothing of models.

Without the texts, they tell what two models may be compared on. The hashes are of documents, or of blocks of a stream
(`charrnn.data.blocks`).
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors import numpy as tensors

from charrnn.data.blocks import content_blocks
from charrnn.data.hashing import Hashes
from charrnn.data.positions import Positions
from charrnn.data.splits import Splits
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError

CONTAINED = 0.9
"""Share of the blocks of a text that a text must have to contain it: corrections are allowed."""
FORMAT = "charrnn lineage 1"
PARTS = ("test", "val")
ARRAYS = ("text", "train", "held_out")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lineage:
    """The text of a model.

    Attributes:
        documents: whether the hashes are of documents.
        text: (any,) distinct hashes of the whole text, sorted.
        train: (any,) those of what the model was trained on, and of what the models were from whose weights it started.
        held_out: (any,) those of the test split, or of the validation split where there is no test split.
    """

    documents: bool
    text: Hashes
    train: Hashes
    held_out: Hashes

    @cached_property
    def split(self) -> str:
        """Hex SHA-256 of what was trained on and what was held out."""
        digest = hashlib.sha256()
        for part in (self.train, self.held_out):
            digest.update(len(part).to_bytes(8, "little") + part.astype("<u8").tobytes())
        return digest.hexdigest()

    def contains(self, other: "Lineage") -> bool:
        """Whether this text is the other one, or has it in it but for corrections (see CONTAINED)."""
        return self.documents == other.documents and bool(np.isin(other.text, self.text).mean() >= CONTAINED)

    def after(self, parent: "Lineage") -> "Lineage":
        """Return the lineage of a model that started from the weights of `parent`, with hashes of the same kind."""
        return replace(self, train=np.union1d(self.train, parent.train))

    def to_bytes(self) -> bytes:
        """Return a safetensors file."""
        kind = _kind(self.documents)
        return tensors.save({f"{kind}.{part}": getattr(self, part) for part in ARRAYS}, {"format": FORMAT})

    @classmethod
    def from_bytes(cls, content: bytes) -> "Lineage":
        """Read what `to_bytes` wrote. Raises CorpusError."""
        try:
            arrays = tensors.load(content)
            documents = f"{_kind(True)}.text" in arrays
            found = [arrays[f"{_kind(documents)}.{part}"] for part in ARRAYS]
        except (SafetensorError, KeyError, ValueError) as error:
            raise CorpusError(f"lineage: is damaged ({type(error).__name__})") from None
        if any(one.dtype != np.uint64 or one.ndim != 1 for one in found) or not len(found[0]):
            raise CorpusError("lineage: is damaged (not three lists of hashes)")
        return cls(documents, *found)


def _kind(documents: bool) -> str:
    return "documents" if documents else "stream"


@dataclass(frozen=True, eq=False)
class Ground:
    """What of a text a challenger and a champion are compared on.

    Attributes:
        champions: (spans, 2) first id, and past the last, of what was held out from the champion.
        clean: (spans, 2) of what was held out from either and neither was trained on.
        trained_on: share of the ids in `champions` that the challenger was trained on (0 to 1).
        is_whole: both are all that is held out from the challenger: it has the champion's split.
    """

    champions: Positions
    clean: Positions
    trained_on: float
    is_whole: bool

    @classmethod
    def whole(cls, splits: Splits) -> "Ground":
        """Return all that is held out of `splits`, as it stands there: that of two models with the same split."""
        part = held_out_part(splits)
        spans = splits.spans[part] if part else np.zeros((0, 2), dtype=np.int64)
        return cls(spans, spans, 0.0, True)


@dataclass(frozen=True, eq=False)
class TextBlocks:
    """The blocks, or documents, of a text.

    Attributes:
        documents: whether they are documents.
        spans: (blocks, 2) first id, and past the last, of each.
        hashes: (blocks,) equal for equal ones.
        train: (blocks,) whether each has text of the training split.
        held_out: (blocks,) whether each is in the split that champions are compared on.
    """

    documents: bool
    spans: Positions
    hashes: Hashes
    train: Mask
    held_out: Mask

    def lineage(self) -> Lineage:
        """Return the lineage of a model that is trained on the training split."""
        parts = (self.hashes, self.hashes[self.train], self.hashes[self.held_out])
        return Lineage(self.documents, *map(np.unique, parts))

    def repeated_share(self) -> float:
        """Return the share of the text in blocks that were in it before (0 to 1)."""
        sizes = self.spans[:, 1] - self.spans[:, 0]
        first = np.zeros(len(sizes), dtype=np.bool_)
        first[np.unique(self.hashes, return_index=True)[1]] = True
        return float(sizes[~first].sum() / max(1, sizes.sum()))

    def new_part(self, before: Lineage) -> Positions:
        """Return the spans, (spans, 2), of the blocks that the text of `before` had not."""
        return self.spans[~np.isin(self.hashes, before.text)]


def held_out_part(splits: Splits) -> str | None:
    """Return the split that champions are compared on: test, or else val; None where there is neither."""
    return next((part for part in PARTS if splits.sizes[part]), None)


def trace(splits: Splits, vocabulary: Vocabulary, hashes: Hashes) -> Lineage:
    """Return the lineage of a model that is trained on the training split of a text.

    Args:
        splits: of the text.
        vocabulary: of its ids.
        hashes: (documents,) of its documents; (0,) for a stream.
    """
    return text_blocks(splits, vocabulary, hashes).lineage()


def common_ground(
    splits: Splits, vocabulary: Vocabulary, hashes: Hashes, challenger: Lineage, champion: Lineage
) -> Ground:
    """Return what of the challenger's text, given as for `trace`, it is compared with the champion on.

    Where both have the same split of the same text, that is all of what is held out, as it stands there.
    """
    if challenger.split == champion.split:
        return Ground.whole(splits)
    blocks = text_blocks(splits, vocabulary, hashes)
    champions = np.isin(blocks.hashes, champion.held_out)
    trained = np.isin(blocks.hashes, challenger.train)
    clean = (champions | blocks.held_out) & ~trained & ~np.isin(blocks.hashes, champion.train)
    sizes = blocks.spans[:, 1] - blocks.spans[:, 0]
    trained_on = sizes[champions & trained].sum() / max(1, sizes[champions].sum())
    return Ground(blocks.spans[champions], blocks.spans[clean], float(trained_on), False)


def text_blocks(splits: Splits, vocabulary: Vocabulary, hashes: Hashes) -> TextBlocks:
    """Return the blocks of a text, given as for `trace`."""
    part = held_out_part(splits)
    if splits.documents is not None:
        names = [name for name in splits.spans if len(splits.spans[name])]
        of = np.concatenate([np.full(len(splits.spans[name]), name) for name in names])
        spans = np.concatenate([splits.spans[name] for name in names])
        numbers = np.concatenate([splits.documents[name] for name in names])
        return TextBlocks(True, spans, hashes[numbers], of == "train", of == (part or ""))
    ends, found = content_blocks(splits.text, vocabulary)
    spans = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)
    train = _inside(splits.spans["train"], spans) > 0
    held_out = _inside(splits.spans[part], spans) == spans[:, 1] - spans[:, 0] if part else np.zeros_like(train)
    return TextBlocks(False, spans, found, train, held_out)


def _inside(parts: Positions, spans: Positions) -> Positions:
    """Return how many ids of each of `spans`, (spans, 2), are in `parts`, (parts, 2), which are in order: (spans,)."""
    before = np.concatenate([[0], np.cumsum(parts[:, 1] - parts[:, 0])])

    def count(positions: Positions) -> Positions:
        """Return how many ids of `parts` are before each of `positions`."""
        last = np.searchsorted(parts[:, 0], positions, side="right") - 1
        within = np.minimum(positions - parts[last, 0], parts[last, 1] - parts[last, 0])
        counted: Positions = np.where(last < 0, 0, before[last] + within)
        return counted

    return count(spans[:, 1]) - count(spans[:, 0]) if len(parts) else np.zeros(len(spans), dtype=np.int64)
