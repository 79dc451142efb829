from pathlib import Path

import pytest

from charrnn.data.text_file import TextFile, file_sha256
from charrnn.errors import CorpusError


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a/names.txt", ".txt"),
        ("names", ""),
        ("a.d/names", ""),
        (".csv", ""),
        ("a.B.CSV", ".csv"),
        ("names.csv.gz", ".csv"),
        ("names.jsonl.XZ", ".jsonl"),
        ("names.gz", ""),
        ("names.zip: a/b.parquet", ".parquet"),
        ("names.zip: what?.tsv", ".tsv"),
        ("https://host:80/a.csv.gz?raw=1.zip#part", ".csv"),
        ("https://host/a.zip?raw=1: b.csv", ".csv"),
        ("https://host.com", ".com"),
    ],
)
def test_the_suffix_is_that_of_the_text(name: str, suffix: str) -> None:
    assert TextFile(name, Path("x"), "", 1).suffix == suffix


def test_a_file_that_changed_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"one")
    file = TextFile("the file", path, file_sha256(path), 3)
    file.check_unchanged()
    path.write_bytes(b"two")
    with pytest.raises(CorpusError, match=r"^the file: changed while it was read; run again$"):
        file.check_unchanged()
