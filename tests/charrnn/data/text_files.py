"""Texts of several files as tests make them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from charrnn.data.corpus import Corpus
from charrnn.data.text_file import TextFile


def text_file(content: str | bytes, path: Path) -> TextFile:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return TextFile(str(path), path, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def text_files(contents: Sequence[str | bytes], folder: Path, suffix: str = ".txt") -> tuple[TextFile, ...]:
    return tuple(text_file(content, folder / f"{number}{suffix}") for number, content in enumerate(contents))


def corpus_of(contents: Sequence[str | bytes], folder: Path, suffix: str = ".txt") -> Corpus:
    files = text_files(contents, folder, suffix)
    digest = (
        files[0].sha256 if len(files) == 1 else hashlib.sha256("".join(f.sha256 for f in files).encode()).hexdigest()
    )
    return Corpus(files, digest, sum(file.size for file in files), "the text", cached=True, warnings=())
