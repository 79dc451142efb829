"""Bytes of names that are no UTF-8."""

import json
import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from charrnn.undecodable import decoded, escaped, original, portable

ANY = st.text() | st.binary().map(lambda name: name.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (b"zy\xef.txt", r"zy\xef.txt"),
        (b"\x80\xff", r"\x80\xff"),
        ("дом é".encode(), "дом é"),
        (b"", ""),
    ],
)
def test_people_read_each_such_byte_as_an_escape(name: bytes, read: str) -> None:
    assert escaped(name.decode("utf-8", "surrogateescape")) == read


def test_bytes_that_a_process_without_utf8_got_are_what_they_mean() -> None:
    assert escaped("дом".encode().decode("ascii", "surrogateescape") + "\udcef") == r"дом\xef"


def test_surrogates_that_are_no_bytes_are_replaced() -> None:
    assert escaped("a\ud800b\udc7fc\udd00") == "a�b�c�"


def test_text_that_a_process_without_utf8_got_is_what_it_means_and_other_bytes_stay() -> None:
    got = "a дом é".encode().decode("ascii", "surrogateescape")
    assert decoded(f"{got}\udcef b\ud800") == "a дом é\udcef b\ud800"
    assert decoded("дом") == "дом"


@given(ANY)
def test_what_people_read_can_be_encoded_and_is_read_the_same_again(text: str) -> None:
    escaped(text).encode("utf-8")
    assert escaped(escaped(text)) == escaped(text)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert escaped(text) == text


@given(st.binary().map(lambda name: name.decode("utf-8", "surrogateescape")))
def test_what_travels_as_json_or_yaml_comes_back_as_the_same_name(text: str) -> None:
    sent = portable(text)
    assert original(json.loads(json.dumps(sent, ensure_ascii=False).encode())) == text
    assert original(yaml.safe_load(yaml.safe_dump(sent))) == text
    assert os.fsencode(original(sent)) == os.fsencode(text)
