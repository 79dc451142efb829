import pytest

from charrnn.data.sources.source import split_checksum
from charrnn.errors import SourceError

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("text", ["https://host/b.txt", "https://host/b.txt?x=1#part", "pypi:a==1", "a#b.txt", ""])
@pytest.mark.parametrize("mark", ["#sha256=", "#SHA256:"])
def test_a_checksum_at_the_end_is_taken_off_in_lower_case(text: str, mark: str) -> None:
    assert split_checksum(text + mark + DIGEST.upper(), "x") == (text, DIGEST)
    assert split_checksum(text, "x") == (text, None)


@pytest.mark.parametrize("checksum", ["sha256=123", f"sha256={'g' * 64}", f"sha512={'0' * 64}", f"md5={'0' * 32}"])
def test_a_checksum_that_is_none_is_an_error_that_names_the_source(checksum: str) -> None:
    with pytest.raises(SourceError, match=r"^the text: a checksum must be #sha256= and 64 hexadecimal digits$"):
        split_checksum(f"text.txt#{checksum}", "the text")
