# ruff: noqa: RUF001
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.alphabets import Evidence, evidence


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
def test_in_a_text_as_it_was_written_nothing_is_odd(text: str) -> None:
    found = evidence(text)
    assert (found.odd, found.foreign) == (0, 0)


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
        ("qui ‘ arrivato", 1),  # È, read as mac-roman, written as cp850
        ("souffl² caf²", 2),  # é, read as mac-greek, written as cp437
        ("¾elel ºokolaad", 2),  # ž and š, read as cp1252, written as latin-2 and latin-6
        ("Non pu‰, per‰", 2),
        ("la casa non è di cos\u0300, è per la pu\u0309", 2),  # Italian, read as cp1258
    ],
)
def test_in_what_another_encoding_made_of_it_something_is(text: str, expected: int) -> None:
    assert evidence(text).odd >= expected


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("the house of the king is not here", 5),
        ("Das Haus ist nicht für die Königin", 4),
        ("Он сказал, что это не его дом, но", 5),
        ("το σπίτι και ο δρόμος δεν είναι εδώ", 4),
        ("吾輩は猫である。名前はまだ無い。", 5),
        ("한국은 이 나라의", 5),
    ],
)
def test_frequent_words_tell_the_language(text: str, familiar: int) -> None:
    found = evidence(text)
    assert found.familiar >= familiar
    assert found.known


def test_letters_of_another_script_that_make_no_words_are_odd_in_a_latin_text() -> None:
    latin = "Il a dit que la maison est dans la rue des " * 3
    assert evidence(f"{latin} ж щ").odd == 2
    assert evidence(f"{latin} и он не сказал, что это его дом").odd == 0


def test_letters_of_another_script_are_odd_where_many_words_have_no_frequent_one_among_them() -> None:
    assert evidence("жщъ эюя " * 30).odd == 180  # such as Hebrew of DOS read as Cyrillic
    assert evidence("Иванов Петров " * 15).odd == 0  # a short list of names


def test_a_frequent_kanji_within_words_of_a_latin_text_is_odd_all_the_same() -> None:
    # Spanish read as Shift JIS.
    assert evidence("Para cambiar todos los viejo por nuevo en una l地ea de las l地eas, y no en la otra l地ea").odd >= 6


def test_a_letter_that_a_language_only_borrows_is_foreign() -> None:
    assert evidence("and the cafés of the town, which is in that valley with the river").foreign == 1


def test_the_text_around_tells_the_language_of_a_text_that_does_not() -> None:
    around = "The fox is in the house and it was not for you.\n" * 3
    line = "the soufflé and čevapčići"
    assert not evidence(line).known
    assert evidence(line, around) == Evidence(2, 0, 4, 4, known=True)  # of what language they are is not said
    assert not evidence("želel reči", around).known  # no word of the language around
    assert evidence("la ville n'est pas belle et il ne le sait, né là", around).foreign == 0  # tells it itself


def test_a_character_that_is_frequent_by_chance_tells_nothing() -> None:
    assert not evidence("均抖我快抗\n坏技我找\n把我抄").known  # Russian names of GB 18030, read as Big5
    assert evidence("快抖抗抆扭找把抄" * 10).odd == 80


def test_signs_are_beside_numbers_and_after_what_they_belong_to() -> None:
    assert evidence("20 m², 5 km², 1½ lb, £5, 5 €, 3 ½, 7‰, nº 1, 1ª, 25°C").odd == 0


def test_a_text_without_frequent_words_is_of_no_known_language() -> None:
    assert evidence("Müller\nJäger\nSchäfer\n") == Evidence(0, 0, 0, 3, known=False)


@given(st.text())
def test_of_what_is_beyond_ascii_every_character_is_counted(text: str) -> None:
    found = evidence(text)
    assert found.beyond == sum(not character.isascii() for character in text)
    # One may be odd for what it is, for its capital and, twice, for its neighbour.
    assert 0 <= found.odd <= 4 * found.beyond
    assert 0 <= found.foreign <= found.beyond
