# ruff: noqa: RUF001
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.alphabets import misfits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "Les élèves n’ont “rien” dit… – où ça ?",
        "På den tiden då jag såg en älg för första gången",
        "Não, três corações e duas maçãs",
        "Žluťoučký kůň; ŽLUŤOUČKÝ KŮŇ",
        "Árvíztűrő tükörfúrógép",
        "Işıl ışıl, İstanbul'a",
        "Все счастливые семьи похожи",
        "בְּרֵאשִׁית ברא אלהים",
        "吾輩は猫である。名前はまだ無い。",
        "café 猫 and Россия",
    ],
)
def test_a_text_as_it_was_written_has_no_misfits(text: str) -> None:
    assert misfits(text) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pĺ den tiden dĺ jag sĺg en älg för första gĺngen", 2),  # Swedish read as cp1250: no Slovak ö
        ("cafй", 1),  # French read as cp1251
        ("cafÈ", 1),  # read as mac-roman
        ("m‚me chose", 1),  # read as cp1252, written as cp850
        ("c½ur", 1),
        ("Tr≈ume", 1),
        ("бЯЕ семьи", 1),
        ("塗t was", 1),  # a quotation mark and a letter, read as Shift JIS
        ("\ufffd\x85", 2),
    ],
)
def test_what_another_encoding_made_of_it_has_some(text: str, expected: int) -> None:
    assert misfits(text) == expected


@given(st.text())
def test_there_are_at_most_as_many_as_characters_beyond_ascii(text: str) -> None:
    # A capital may be a misfit by what it is and by where it stands.
    assert 0 <= misfits(text) <= 2 * sum(not character.isascii() for character in text)
