# ruff: noqa: RUF001
import codecs
import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.encodings import FoundEncoding, encodings_taken, find_encoding, guess_warnings, marked_encoding
from charrnn.data.guessing import ADVICE
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError, FileError
from tests.source_fixtures import one_line
from tests.texts import JAPANESE, RUSSIAN

AUTO = DataParams(encoding="auto")
FRENCH = (
    "Longtemps, je me suis couché de bonne heure. Où êtes-vous allée cet été ? Ça ne fait rien, la fenêtre était "
    "fermée et le garçon préférait la forêt. « Je m’endors. » Et, une demi-heure après, la pensée qu’il était temps "
    "de chercher le sommeil m’éveillait ; la bougie, à peine éteinte, fumait.\n"
)
GERMAN = (
    "Er lag auf seinem panzerartig harten Rücken und sah, wenn er den Kopf ein wenig hob, seinen gewölbten, braunen, "
    "von bogenförmigen Versteifungen geteilten Bauch, auf dessen Höhe sich die Decke, zum gänzlichen Niedergleiten "
    "bereit, kaum noch erhalten konnte. Seine Füße, größer als üblich, hörten nicht auf zu zappeln.\n"
)
SWEDISH = (
    "På den tiden då jag var ung, gick jag ofta genom skogen för att hämta vatten från källan. Där såg jag en älg som "
    "stod alldeles stilla och betraktade mig. Över träden flög några fåglar och det började regna. Åren går.\n"
)
PORTUGUESE = (
    "Não tive filhos, não transmiti a nenhuma criatura o legado da nossa miséria. Três corações e duas maçãs estão à "
    "mesa. Algum tempo hesitei se devia abrir estas memórias pelo princípio ou pelo fim, isto é, se poria em primeiro "
    "lugar o meu nascimento. As ações de então são lições.\n"
)
CZECH = (
    "Tak nám zabili Ferdinanda, řekla posluhovačka panu Švejkovi, který opustiv před léty vojenskou službu, živil se "
    "prodejem psů, ošklivých nečistokrevných oblud, kterým padělal rodokmeny. Příliš žluťoučký kůň úpěl ódy.\n"
)
POLISH = (
    "Litwo! Ojczyzno moja! ty jesteś jak zdrowie. Ile cię trzeba cenić, ten tylko się dowie, kto cię stracił. Dziś "
    "piękność twą w całej ozdobie widzę i opisuję, bo tęsknię po tobie. Zażółć gęślą jaźń, źdźbło żółte.\n"
)
HUNGARIAN = (
    "Egy napon a király elküldte a fiát, hogy keressen magának feleséget. A fiú sokáig bolyongott az erdőben, míg "
    "végül egy kis házhoz ért. Árvíztűrő tükörfúrógép. Az öregasszony így szólt hozzá: hová mész, édes fiam?\n"
)
TURKISH = (
    "Bir zamanlar küçük bir köyde yaşlı bir adam yaşarmış. Her sabah güneş doğmadan kalkar, tarlasına gidermiş. "
    "Çocukları şehirde oturuyormuş. Işıl ışıl bir gökyüzü altında ağaçların gölgesinde dinlenirmiş.\n"
)
UKRAINIAN = (
    "Реве та стогне Дніпр широкий, сердитий вітер завива, додолу верби гне високі, горами хвилю підійма. Він не знав, "
    "що то було за місто, але йому здалося, як він уже був там із батьком.\n"
)
GREEK = "Σα βγεις στον πηγαιμό για την Ιθάκη, να εύχεσαι νάναι μακρύς ο δρόμος, γεμάτος περιπέτειες, γεμάτος γνώσεις.\n"
HEBREW = "בראשית ברא אלהים את השמים ואת הארץ. והארץ היתה תהו ובהו וחשך על פני תהום ורוח אלהים מרחפת על פני המים.\n"
CHINESE = "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。\n"
TAIWANESE = "話說天下大勢，分久必合，合久必分。周末七國分爭，并入於秦。及秦滅之後，楚、漢分爭，又并入於漢。\n"
KOREAN = "나랏말싸미 중국과 달라 문자와 서로 통하지 아니하므로 이런 까닭으로 어리석은 백성이 말하고자 할 바가 있어도\n"
TEXTS = {
    "cp1252": [FRENCH, GERMAN, SWEDISH, PORTUGUESE],
    "latin-1": [GERMAN, SWEDISH, PORTUGUESE],
    "mac-roman": [FRENCH],
    "cp850": [GERMAN],
    "cp1250": [CZECH, POLISH, HUNGARIAN],
    "iso8859-2": [CZECH, POLISH, HUNGARIAN],
    "cp1254": [TURKISH],
    "cp1251": [RUSSIAN, UKRAINIAN],
    "koi8-r": [RUSSIAN],
    "koi8-u": [UKRAINIAN],
    "cp866": [RUSSIAN],
    "iso8859-5": [RUSSIAN],
    "cp1253": [GREEK],
    "cp1255": [HEBREW],
    "shift_jis": [JAPANESE],
    "euc_jp": [JAPANESE],
    "iso2022_jp": [JAPANESE],
    "gb18030": [CHINESE],
    "big5": [TAIWANESE],
    "euc_kr": [KOREAN],
}
ENCODED = [(codec, text) for codec, texts in TEXTS.items() for text in texts]
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


def file_of(content: bytes, folder: Path, name: str = "text.txt") -> TextFile:
    path = folder / name
    path.write_bytes(content)
    return TextFile(name, path, hashlib.sha256(content).hexdigest(), len(content))


def found(content: bytes, folder: Path) -> FoundEncoding:
    return find_encoding(file_of(content, folder), AUTO)


def found_or_error(content: bytes, folder: Path) -> FoundEncoding | str:
    try:
        return found(content, folder)
    except CorpusError as error:
        return one_line(error)


# What the file says


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "no such codec"])
def test_an_encoding_that_is_given_is_taken_without_a_look_at_the_file(tmp_path: Path, encoding: str) -> None:
    file = TextFile("gone", tmp_path / "gone", "", 1)
    assert find_encoding(file, DataParams(encoding=encoding)) == FoundEncoding(encoding, "given")


@given(st.text(max_size=20), st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.booleans())
@example("", "utf-16", True)
@example("\ufeff", "utf-16", False)
def test_a_mark_says_the_encoding(folder: Path, text: str, name: str, big: bool) -> None:
    codec = {"utf-8": "utf-8-sig"}.get(name, f"{name}-{'be' if big else 'le'}")
    content = text.encode(codec) if name == "utf-8" else f"\ufeff{text}".encode(codec)
    # What is both UTF-16 with a mark and NUL after it, and UTF-32 with a mark, is UTF-32.
    expected = "utf-32" if content.startswith(codecs.BOM_UTF32_LE) else name
    assert marked_encoding(content) == expected
    assert found(content, folder) == FoundEncoding(expected, "mark")


@given(st.text(st.characters(exclude_characters="\0\x1b", exclude_categories=["Cs"])))
@example("\x85\x80")
@example("")
def test_what_decodes_as_utf8_and_has_no_nul_is_utf8(folder: Path, text: str) -> None:
    if not text.startswith("\ufeff"):
        assert found(text.encode(), folder) == FoundEncoding("utf-8", "utf-8")


def test_a_character_across_two_pieces_and_a_late_fault_are_seen(folder: Path) -> None:
    many = "é".encode() * 2**20
    assert found(b"a" + many, folder).name == "utf-8"
    late = b"plain text\n" * 300_000 + FRENCH.encode("cp1252")
    assert found(late, folder) == FoundEncoding("cp1252", "guessed")


# What the file shows


@pytest.mark.parametrize(("codec", "text"), ENCODED)
def test_a_paragraph_is_read_as_it_was_written(folder: Path, codec: str, text: str) -> None:
    content = text.encode(codec, "ignore")
    taken = found(content, folder)
    assert taken.how == "guessed"
    assert content.decode(taken.name) == content.decode(codec)


@pytest.mark.parametrize(("codec", "text"), ENCODED)
@pytest.mark.parametrize("length", [10, 30, 60, 100, 150])
def test_an_excerpt_is_read_as_it_was_written_or_an_error(folder: Path, codec: str, text: str, length: int) -> None:
    draw = random.Random(f"{codec} {length} {text}")
    for _ in range(6):
        start = draw.randrange(max(1, len(text) - length))
        content = text[start : start + length].encode(codec, "ignore")
        if not content.isascii():
            taken = found_or_error(content, folder)
            if isinstance(taken, FoundEncoding):
                # Two bytes may happen to be one character of UTF-8.
                assert taken.name == "utf-8" or content.decode(taken.name) == content.decode(codec)


SHORT_JAPANESE = "これは短い文です。もう一度読みます。\n"
ENGLISH = (
    "“It’s not that the price was €20,” she said – and laughed. “It’s what they didn’t tell us about the house, the "
    "garden and the river that are in the picture.” He had been to the town, and he knew that it was not for sale.\n"
)
SPANISH = (
    "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un hidalgo de los de "
    "lanza en astillero. ¿Quién lo diría? El año pasado costó 20 € la cena; mañana será más.\n"
)
ITALIAN = (
    "Quel ramo del lago di Como è una delle cose più belle che si possono vedere. La città non è lontana, perché la "
    "strada va giù per la valle; così si può arrivare in un’ora, e non costa che 20 €.\n"
)
WESTERN = [ENGLISH, FRENCH.replace("fumait", "coûtait 20 €, mon cœur"), GERMAN, SPANISH, ITALIAN]


@pytest.mark.parametrize("text", WESTERN)
@pytest.mark.parametrize("codec", ["cp1252", "latin-1", "iso8859-15", "mac-roman"])
@pytest.mark.parametrize("times", [1, 50])
def test_western_texts_are_told_apart(folder: Path, text: str, codec: str, times: int) -> None:
    plain = text.translate(str.maketrans("“”’–", '""\'-')) if codec in ("latin-1", "iso8859-15") else text
    content = (plain * times).encode(codec, "ignore")
    if content.isascii() or (text == ENGLISH and codec == "iso8859-15"):
        return  # nothing to tell; and a euro there is the section sign of a Macintosh
    taken = found(content, folder)
    assert content.decode(taken.name) == content.decode(codec)


@pytest.mark.parametrize(
    ("codec", "text"), [("cp932", JAPANESE), ("cp932", SHORT_JAPANESE), ("euc_jp", JAPANESE), ("euc_kr", KOREAN)]
)
@pytest.mark.parametrize("times", [1, 2, 20, 500])
def test_a_short_paragraph_again_and_again_is_what_it_is_once(folder: Path, codec: str, text: str, times: int) -> None:
    content = text.encode(codec, "ignore") * times
    taken = found(content, folder)
    assert content.decode(taken.name) == content.decode(codec)


def test_the_last_line_which_has_no_end_does_not_join_the_first_of_the_sample(folder: Path) -> None:
    text = "È richiesto il nome.\nQuesto non è il nome che si è dato.\nUna cosa per il re, che non ha la casa"
    content = text.replace("è", "e").encode("cp850")
    assert content.decode(found(content, folder).name) == text.replace("è", "e")


def test_a_late_line_with_new_bytes_tells_between_what_was_the_same_before(folder: Path) -> None:
    content = ("Le prix est de la même espèce que les autres, et il a été dit.\n" * 4000).encode("iso8859-15")
    assert len(content) > 2**16
    late = content + "Son cœur ne bat que pour elle.\n".encode("iso8859-15")
    assert late.decode(found(late, folder).name) == late.decode("iso8859-15")


AMONG_ENGLISH = "The quick brown fox is in the house and it was not for you.\n" * 30
ONE_LINE = "Perché la città è così bella? Non può essere più lontana, però c'è già la luce di là.\n"


@pytest.mark.parametrize("codec", ["cp1252", "latin-1", "iso8859-15", "cp850", "mac-roman"])
def test_a_line_of_another_language_is_judged_by_its_own_words(folder: Path, codec: str) -> None:
    content = (AMONG_ENGLISH + ONE_LINE).encode(codec)
    assert content.decode(found(content, folder).name) == AMONG_ENGLISH + ONE_LINE


SLOVENIAN = "To ni tisto, kar sem želel reči, ampak danes je že prepozno, da bi se kaj spremenilo, človek.\n"
NEVER_WRONG = [
    *((AMONG_ENGLISH + "želel reči\n", codec) for codec in ("iso8859-2", "cp1250", "cp852", "mac-latin2")),
    *((AMONG_ENGLISH + SLOVENIAN, codec) for codec in ("iso8859-2", "cp1250", "cp852", "mac-latin2")),
    *((f"{before}The soufflé at the café was a cliché.\n", codec)
      for before in ("", AMONG_ENGLISH) for codec in ("cp437", "cp850", "cp865", "cp1252", "mac-roman", "gbk")),
    *(("Não é possível que a ação não tenha começado; os cães estão lá.\n", codec) for codec in ("cp860", "cp850")),
    *(("Це було не так, як він думав, але для неї це був гарний день, і їхні діти.\n", codec)
      for codec in ("cp1125", "cp1251", "koi8-u", "iso8859-5")),
    *(("Александр\nДмитрий\nСергей\nАндрей\nАлексей\nМихаил\nМатвей\nЕкатерина\n", codec)
      for codec in ("gbk", "euc_jp", "cp1251", "koi8-r")),
    ("王伟\n李娜\n张敏\n刘洋\n陈静\n", "hz"),
    *((names, "cp862") for names in ("משה כהן\nדוד לוי\nשרה מזרחי\nרחל פרץ\n", "תל אביב\nחיפה\nנתניה\n" * 9)),
    *(("هذا هو الكتاب الذي كان في البيت، ولم يكن مع أحد من الناس\n", codec) for codec in ("gb18030", "cp1256")),
    *(("╔════╗\n║ Menu ║\n╚════╝\nthe quick and the dead of it is to be that you have\n", codec)
      for codec in ("koi8-r", "cp437", "gbk")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "codec"), NEVER_WRONG)
def test_what_is_easily_taken_for_another_is_what_it_is_or_an_error(folder: Path, text: str, codec: str) -> None:
    content = text.encode(codec)
    taken = found_or_error(content, folder)
    if isinstance(taken, FoundEncoding):
        assert content.decode(taken.name) == text


@pytest.mark.parametrize(
    ("text", "codec"), [("Não é a ação de São João, que não está.\n" * 3, "cp860"), (GREEK, "cp737")]
)
def test_a_rare_encoding_is_taken_where_every_common_one_is_far_worse(folder: Path, text: str, codec: str) -> None:
    assert found(text.encode(codec, "ignore"), folder) == FoundEncoding(codec, "guessed")


# Encodings of seven bits


def test_hz_is_recognised_by_its_words(folder: Path) -> None:
    text = CHINESE.replace("话说", "text: 这是我们的话，不是他们的。")
    assert found(text.encode("hz"), folder) == FoundEncoding("hz", "guessed")


@pytest.mark.parametrize(
    "text", ["(format t ~{~a~^, ~} list)", "a ~{odd~} text", "~{ ~}", "x ~{", "f ~{abcd~} g", "~{Name~}"]
)
def test_tildes_and_braces_are_ascii(folder: Path, text: str) -> None:
    assert found(text.encode(), folder) == FoundEncoding("utf-8", "utf-8")


def test_what_may_be_hz_or_ascii_is_an_error_that_names_both(folder: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        found(b"a ~{<:Ky~} text", folder)
    assert one_line(caught.value) == f"text.txt: what it is cannot be told; it may be hz, utf-8: {ADVICE}"


@pytest.mark.parametrize("escape", [b"\x1b$)A\x0e0!0!\x0f", b"\x1b$)G\x0eDFDF\x0f", b"\x1b$B"])
def test_iso_2022_that_python_cannot_read_is_an_error_that_names_it(folder: Path, escape: bytes) -> None:
    with pytest.raises(CorpusError, match=r"^text\.txt: has the escape sequences of iso-2022, .*iconv"):
        found(b"plain " + escape + b" text", folder)


def test_colours_of_a_terminal_and_escapes_among_utf8_are_utf8(folder: Path) -> None:
    for text in ("\x1b[31mred\x1b[0m\x1b(B", "\x1b$)A é"):
        assert found(text.encode(), folder) == FoundEncoding("utf-8", "utf-8")


@pytest.mark.parametrize("codec", WIDE)
@pytest.mark.parametrize("text", [FRENCH, RUSSIAN, JAPANESE, CHINESE, "ab"])
def test_utf16_and_utf32_without_a_mark_are_guessed_by_their_nul_bytes(folder: Path, codec: str, text: str) -> None:
    content = text.encode(codec)
    assert found(content, folder) == FoundEncoding(codec, "guessed")


@pytest.mark.parametrize("text", ["\xe9", "caf\xe9", "na\xefve\n", "\xe0 peine\n", "Tr\xe4ume"])
def test_what_may_be_several_encodings_is_an_error_that_names_them(folder: Path, text: str) -> None:
    with pytest.raises(CorpusError) as caught:
        found(text.encode("latin-1"), folder)
    start, _, rest = one_line(caught.value).partition(" cannot be told; it may be ")
    assert start == "text.txt: is not utf-8 text, and what it is"
    names, _, advice = rest.partition(": ")
    assert {"cp1252", "mac-roman"} & set(names.split(", "))
    assert len(names.split(", ")) > 1
    assert advice == ADVICE


def test_a_byte_far_behind_the_sample_decides_too(folder: Path) -> None:
    # 0x93 and 0x94 are no characters of latin-2: only the whole file tells.
    content = CZECH.replace("ť", "t").replace("š", "s").replace("Š", "S").replace("ž", "z").encode("cp1250") * 400
    assert len(content) > 2**16
    quoted = content + "“Dobrý den”\n".encode("cp1250")
    taken = found(quoted, folder)
    assert quoted.decode(taken.name) == quoted.decode("cp1250")


def test_a_text_without_line_ends_is_not_cut_within_a_character(folder: Path) -> None:
    content = b"a" + JAPANESE.replace("\n", "").encode("shift_jis") * 1500
    assert found(content, folder).name == "cp932"


def png() -> bytes:
    return bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")


@pytest.mark.parametrize(
    "content",
    [
        png(),
        b"text with a NUL\0 in it\n",
        "Zeile\0".encode("utf-16-le") * 3,
        b"\0",
        b"\xff\xd8\xff\xe0\x10JFIF\x01\x01",
        bytes(range(1, 256)),
        random.Random(0).randbytes(5000),
        bytes(byte or 1 for byte in random.Random(1).randbytes(5000)),
    ],
)
def test_what_is_no_text_is_an_error_that_names_the_file(folder: Path, content: bytes) -> None:
    with pytest.raises(CorpusError, match=r"^text\.txt: .*set data\.encoding"):
        found(content, folder)


@given(st.binary(max_size=60))
@example(b"\x1b$B")
@example(b"\x1b$)C\x0e")
@example(b"\xff\xfe")
def test_whatever_is_in_a_file_there_is_an_answer_that_python_knows_or_one_line(folder: Path, content: bytes) -> None:
    taken = found_or_error(content, folder)
    if isinstance(taken, FoundEncoding):
        assert codecs.lookup(taken.name)
        if taken.how == "guessed":
            content.decode(taken.name)
    else:
        assert taken.startswith("text.txt: ")
        assert "set data.encoding" in taken


def test_a_file_is_looked_at_once(tmp_path: Path) -> None:
    file = file_of(RUSSIAN.encode("koi8-r"), tmp_path)
    taken = find_encoding(file, AUTO)
    file.path.unlink()
    assert find_encoding(file, AUTO) == taken


def test_a_file_that_cannot_be_read_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone: cannot read: No such file"):
        find_encoding(TextFile("gone", tmp_path / "gone", "", 1), AUTO)


# In words


def test_what_was_taken_is_said_in_words(tmp_path: Path) -> None:
    plain = [file_of(b"plain %d" % number, tmp_path, f"{number}.txt") for number in range(3)]
    russian = file_of(RUSSIAN.encode("koi8-r"), tmp_path, "r.txt")
    assert encodings_taken(plain, AUTO) == "utf-8"
    assert encodings_taken([russian], AUTO) == "koi8-r (guessed)"
    assert encodings_taken([*plain, russian], AUTO) == "utf-8 (3 files), koi8-r (1 file, guessed)"
    assert encodings_taken([*plain, russian], DataParams(encoding="latin-1")) == "latin-1"


def test_what_was_guessed_is_one_warning_that_names_the_first_files(tmp_path: Path) -> None:
    plain = file_of(b"plain", tmp_path, "plain.txt")
    guessed = [file_of(RUSSIAN.encode("koi8-r") + b"%d" % number, tmp_path, f"{number}.txt") for number in range(5)]
    assert guess_warnings([plain], AUTO) == guess_warnings(guessed, DataParams()) == ()
    end = ": the encoding was guessed; if the text looks wrong, set data.encoding"
    assert guess_warnings([plain, guessed[0]], AUTO) == (f"0.txt (koi8-r){end}",)
    assert guess_warnings(guessed, AUTO) == (f"0.txt (koi8-r), 1.txt (koi8-r), 2.txt (koi8-r) and 2 more{end}",)
