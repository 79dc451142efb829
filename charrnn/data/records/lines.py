"""The lines of a text file. Knows no table."""

from collections.abc import Iterator

from charrnn.config.schema import DataParams
from charrnn.data.decoding import read_file
from charrnn.data.separator import Splitter
from charrnn.data.text_file import TextFile


def read_lines(file: TextFile, params: DataParams, chunk_bytes: int) -> Iterator[str]:
    """Yield the lines of `file`, each with its line feed; reads about `chunk_bytes` at once. Raises as `read_file`."""
    splitter = Splitter("\n")
    for text in read_file(file, params, chunk_bytes):
        for line in splitter.feed(text):
            yield line + "\n"
    if last := splitter.finish():
        yield last
