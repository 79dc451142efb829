"""How numbers are said."""

import pytest

from charrnn.wording import counted


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 files"), (1, "1 file"), (2, "2 files"), (12345, "12,345 files"), (1.0, "1 file"), (0.5, "0.5 files")],
)
def test_one_is_singular_and_all_else_plural(number: float, said: str) -> None:
    assert counted(number, "file") == said
