from pathlib import Path

import pytest

from charrnn.data.text_file import TextFile, file_sha256
from charrnn.errors import CorpusError


def test_a_file_that_changed_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"one")
    file = TextFile("the file", path, file_sha256(path), 3)
    file.check_unchanged()
    path.write_bytes(b"two")
    with pytest.raises(CorpusError, match=r"^the file: changed while it was read; run again$"):
        file.check_unchanged()
