"""What the readers of tables have in common. Knows no format."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from charrnn.config.schema import DataParams
from charrnn.data.text_file import TextFile

Row = dict[str, Any]
"""Column -> value as the file has it."""
Choose = Callable[[Sequence[str], str, str], tuple[str, ...]]
"""From the columns that there are, what messages begin with, and what says that these are the columns (with a blank
before it), to those that are wanted. Raises CorpusError."""
Rows = Iterator[tuple[str, Row]]
"""Each row, and where it is, for messages."""
Reader = Callable[[TextFile, DataParams, Choose, int], Rows]
"""Yields the rows of a file, with the columns that are chosen; reads about so many bytes at once. Raises CorpusError
where the file is damaged, FileError."""
