"""The splits of a text, by position: training first, then validation, then test. Knows nothing of files."""

from collections.abc import Mapping
from dataclasses import dataclass

from charrnn.config.schema import SplitParams, TrainingParams
from charrnn.data.vocabulary import Ids
from charrnn.errors import CorpusError

# A split that was asked for has at least this many characters, or a tenth of a text too small for that.
SMALLEST_SPLIT = 65


@dataclass(frozen=True, eq=False)
class Splits:
    """The ids of a text and where it is divided.

    Attributes:
        text: (length,) ids of the whole text, of the vocabulary's dtype.
        sizes: split (train, val, test, in this order) -> characters in it; 0 where none was asked for.
    """

    text: Ids
    sizes: Mapping[str, int]

    def ids(self, split: str) -> Ids:
        """Return the ids of `split` (train, val or test): (sizes[split],), a view of `text`."""
        names = list(self.sizes)
        start = sum(self.sizes[name] for name in names[: names.index(split)])
        return self.text[start : start + self.sizes[split]]


def split(ids: Ids, params: SplitParams) -> Splits:
    """Divide `ids`, (length,), of a text.

    Raises:
        CorpusError: the text is too short to be split as asked.
    """
    length = len(ids)
    smallest = min(SMALLEST_SPLIT, length // 10)
    sizes = {}
    for name, fraction in (("val", params.val_fraction), ("test", params.test_fraction)):
        sizes[name] = max(int(length * fraction), smallest) if fraction else 0
        if fraction and sizes[name] < 2:
            raise CorpusError(
                f"the text has {length} characters, too few for splits.{name}_fraction {fraction}: "
                "use at least 20 characters, or set it to 0"
            )
    return Splits(ids, {"train": length - sum(sizes.values()), **sizes})


def check_length(splits: Splits, params: TrainingParams) -> None:
    """Check that the training split fills at least one window.

    Raises:
        CorpusError: it does not; says what to change.
    """
    length = splits.sizes["train"]
    if length - 1 < params.seq_length:
        shorter = f", or set training.seq_length to at most {length - 1}" if length > 1 else ""
        raise CorpusError(
            f"the training split has {length} characters, fewer than one window of training.seq_length "
            f"{params.seq_length} and the character after it: use a longer text{shorter}"
        )
