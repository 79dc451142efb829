"""The vocabulary: characters <-> ids, sorted by code point, with a stop symbol that is no character.

Knows nothing of where the text comes from or what the ids are used for.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import VocabularyError
from charrnn.files import explain, write_text

if TYPE_CHECKING:
    import pandas as pd

Ids = npt.NDArray[np.unsignedinteger]
CodePoints = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]

NOTHING = np.zeros(0, dtype=np.int64)
"""No positions."""
CODE_POINTS = 0x110000
UNKNOWN = np.uint32(0xFFFFFFFF)


def code_points(text: str) -> CodePoints:
    """Return the code points of `text`: (len(text),) uint8 where it is ASCII, else uint32; they may be written to."""
    if text.isascii():
        return np.frombuffer(bytearray(text, "ascii"), dtype=np.uint8)
    return np.frombuffer(bytearray(text, "utf-32-le", "surrogatepass"), dtype="<u4")


@dataclass(frozen=True)
class Vocabulary:
    """The characters a model knows.

    Attributes:
        characters: the distinct characters, sorted by code point; a character's position is its id.
        counts: how often each occurs in the text; 0 for those only the model it starts from has seen.
        first_seen: position (characters) of each one's first occurrence; -1 where there is none. Stop symbols are not
            counted.
    """

    characters: str
    counts: tuple[int, ...]
    first_seen: tuple[int, ...]

    def __post_init__(self) -> None:
        if list(self.characters) != sorted(set(self.characters)) or not self.characters:
            raise VocabularyError("vocabulary: must be distinct characters sorted by code point")
        if not len(self.characters) == len(self.counts) == len(self.first_seen):
            raise VocabularyError("vocabulary: must have one count and one first position for each character")

    @property
    def stop_id(self) -> int:
        """The id of the stop symbol, which is no character, after all that are.

        It has two uses: it ends each document, and it fills up the last streams of a text (`training.padding`). The
        Flux reference adds `_` to its alphabet for this; here `_` is a character like any other.
        """
        return len(self.characters)

    @property
    def size(self) -> int:
        """Number of ids, the stop symbol's included: the width of the model's output."""
        return len(self.characters) + 1

    @property
    def occurring(self) -> int:
        """Number of characters that occur in the text."""
        return sum(count > 0 for count in self.counts)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest of uint8, uint16 and uint32 that holds every id."""
        return np.min_scalar_type(self.stop_id)

    @cached_property
    def table(self) -> npt.NDArray[np.uint32]:
        """Code point -> id, UNKNOWN where there is none: (0x110000,) uint32."""
        table = np.full(CODE_POINTS, UNKNOWN, dtype=np.uint32)
        table[code_points(self.characters)] = np.arange(len(self.characters), dtype=np.uint32)
        return table

    def unknown(self, text: str) -> str:
        """Return the distinct characters of `text` that have no id, in order of appearance."""
        return "".join(dict.fromkeys(character for character in text if character not in self.characters))

    def encode(self, text: str) -> Ids:
        """Return the ids of `text`: (len(text),) of `dtype`.

        Raises:
            VocabularyError: names the characters that have no id.
        """
        points = code_points(text)
        if not self.knows(points).all():
            raise VocabularyError(f"not in the vocabulary: {describe(self.unknown(text))}")
        return self.encode_points(points)

    def knows(self, points: CodePoints) -> npt.NDArray[np.bool_]:
        """Return which of `points`, (characters,), have an id."""
        if points.dtype == np.uint8:
            in_bytes = (self.table[:256] != UNKNOWN).tobytes()
            return np.frombuffer(bytearray(points).translate(in_bytes), dtype=np.bool_)
        known: npt.NDArray[np.bool_] = self.table[points] != UNKNOWN
        return known

    def encode_points(self, points: CodePoints, left_out: npt.NDArray[np.int64] = NOTHING) -> Ids:
        """Return the ids of `points`, which all have one, without those at the positions `left_out`.

        Args:
            points: (characters,) as `code_points` gives them.
            left_out: (any,) positions in `points`; what is there need not have an id.

        Returns:
            (characters - any,) of `dtype`.
        """
        if points.dtype == self.dtype == np.uint8:
            # Four times as fast as looking them up in an array. No ASCII character has this code.
            characters, none = bytearray(points), 0xFF
            np.frombuffer(characters, dtype=np.uint8)[left_out] = none
            ids = characters.translate(self.table[:256].astype(np.uint8).tobytes(), bytes([none]))
            return np.frombuffer(ids, dtype=np.uint8)
        found = self.table[points].astype(self.dtype)
        return np.delete(found, left_out) if len(left_out) else found

    def decode(self, ids: Sequence[int] | npt.NDArray[Any]) -> str:
        """Return the text of `ids`; the stop symbol is no character and vanishes.

        Raises:
            VocabularyError: an id that is neither a character's nor the stop symbol's.
        """
        array = np.asarray(ids, dtype=np.int64)
        if array.size and not (array.min() >= 0 and array.max() <= self.stop_id):
            raise VocabularyError(f"ids must be 0 to {self.stop_id}, got {array.min()} to {array.max()}")
        points = np.frombuffer(self.characters.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
        found: bytes = points[array[array != self.stop_id]].tobytes()
        return found.decode("utf-32-le", errors="surrogatepass")

    def to_frame(self) -> "pd.DataFrame":
        """Return the data-quality table: one row a character with its name, count, share and first position, if any."""
        import pandas as pd  # imported here: training needs the vocabulary, and no tables

        total = sum(self.counts)
        return pd.DataFrame(
            {
                "id": range(len(self.characters)),
                "character": [printable(character) for character in self.characters],
                "code_point": [f"U+{ord(character):04X}" for character in self.characters],
                "name": [character_name(character) for character in self.characters],
                "category": [unicodedata.category(character) for character in self.characters],
                "count": self.counts,
                "share": [count / total for count in self.counts],
                "first_seen_at": pd.array([None if place < 0 else place for place in self.first_seen], dtype="Int64"),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON and checkpoints."""
        return {
            # One by one: JSON would read two surrogates that follow each other as one character.
            "characters": list(self.characters),
            "counts": list(self.counts),
            "first_seen": list(self.first_seen),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Vocabulary":
        """Return the vocabulary that `to_dict` gave. Raises VocabularyError when it is damaged."""
        try:
            characters = "".join(values["characters"])
            counts, first_seen = (tuple(map(int, values[name])) for name in ("counts", "first_seen"))
        except (KeyError, TypeError, ValueError) as error:
            raise VocabularyError(f"vocabulary: is damaged ({error})") from None
        return cls(characters, counts, first_seen)

    def save(self, path: Path) -> None:
        """Write JSON, atomically."""
        write_text(path, json.dumps(self.to_dict(), ensure_ascii=True))

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read what `save` wrote. Raises FileError or VocabularyError."""
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise explain(error, "read", path) from error
        except ValueError as error:
            raise VocabularyError(f"{path}: is not a vocabulary ({error})") from None


def character_name(character: str) -> str:
    """Return the Unicode name, or a description for characters without one (controls, private use)."""
    controls = {"\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\t": "TABULATION", "\x00": "NULL"}
    if character in controls:
        return controls[character]
    return unicodedata.name(character, f"<{unicodedata.category(character)}>")


def printable(character: str) -> str:
    """Return a visible form: the character itself, or its escape."""
    return character if character.isprintable() and character != " " else repr(character)[1:-1].replace(" ", "␣")


def describe(characters: str, most: int = 10) -> str:
    """Return `'é' (LATIN SMALL LETTER E WITH ACUTE), ...`, at most `most` of them, for a message."""
    named = [f"'{printable(character)}' ({character_name(character)})" for character in characters[:most]]
    more = len(characters) - most
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
