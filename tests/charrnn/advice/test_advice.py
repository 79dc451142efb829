"""What is chosen for which text, and why."""

import hashlib
import itertools
import json
import random
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.advice import advise
from charrnn.advice.sizes import split_share
from charrnn.config.loading import load_params
from charrnn.config.overlay import Value, overlay
from charrnn.config.schema import Params
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import encode_corpus
from charrnn.data.splits import check_length
from charrnn.data.survey import records
from charrnn.errors import CharrnnError, CorpusError
from tests import kinds
from tests.charrnn.data.survey.files import text_file


class Advice:
    """What is said of a text in files of these names."""

    def __init__(self, folder: Path, files: dict[str, str | bytes], minutes: float | None = None) -> None:
        (folder / "source").write_text("text")
        corpus = corpus_in(folder, files)
        base = load_params([], [f"data.directory={folder / 'data'}"])
        self.facts, choices = advise(corpus, base, "model", "source", "as typed", minutes)
        self.values: dict[str, Value] = {choice.key: choice.value for choice in choices}
        self.reasons = {choice.key: choice.reason for choice in choices}
        assert len(self.values) == len(choices)
        self.text = overlay(self.facts, choices)
        (folder / "overlay.yaml").write_text(self.text, encoding="utf-8")
        self.params: Params = load_params([folder / "overlay.yaml"], [f"data.directory={folder / 'data'}"])
        # What training does with it: it must take what advice was given.
        self.dataset = encode_corpus(corpus, self.params.data)
        splits = self.dataset.splits(self.params.splits)
        check_length(splits, self.params.training)
        assert all(splits.sizes.values())


def corpus_in(folder: Path, files: dict[str, str | bytes]) -> Corpus:
    written = tuple(text_file(folder / name, content) for name, content in files.items())
    digests = [file.sha256 for file in written]
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return Corpus(written, digest, sum(file.size for file in written), "source", cached=True, warnings=())


def plain_prose() -> str:
    """Return prose in wrapped lines without capitals, commas and stops."""
    return re.sub(r"[^a-z\n ]", "", kinds.prose().lower()).replace("\n\n", "\n")


def test_a_list_is_documents_of_a_line_drawn_at_random(tmp_path: Path) -> None:
    advice = Advice(tmp_path, {"a.txt": kinds.names()})
    assert (advice.params.data.documents, advice.params.splits.by) == ("lines", "documents")
    assert advice.reasons["data.documents"].startswith("The lines look like a list of names, words or short phrases")
    assert "half of them at most 6 characters long" in advice.reasons["data.documents"]
    assert "The documents are sorted (100% of neighbours are in order)" in advice.reasons["splits.by"]
    assert "It has no capital letters, so a prime must have none." in advice.facts
    assert advice.params.sampling.length == 20


def test_an_unsorted_list_is_not_called_sorted(tmp_path: Path) -> None:
    shuffled = kinds.names().splitlines(keepends=True)
    random.Random(1).shuffle(shuffled)
    advice = Advice(tmp_path, {"a.txt": "".join(shuffled)})
    assert advice.params.data.documents == "lines"
    assert "sorted" not in advice.reasons["splits.by"]


def test_a_few_lines_may_be_in_order_by_chance(tmp_path: Path) -> None:
    assert "sorted" not in Advice(tmp_path, {"a.txt": kinds.names(85)}).reasons["splits.by"]


@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_sentences_and_phrases_of_a_line_are_lists(tmp_path: Path, between: str) -> None:
    draw = random.Random(1)
    taken = iter(kinds.words(6000))
    phrases = [" ".join(next(taken) for _ in range(draw.randint(3, 14))).title() for _ in range(300)]
    for made in (kinds.sentences(300), phrases):
        assert Advice(tmp_path, {"a.txt": between.join(made)}).params.data.documents == "lines"


@pytest.mark.parametrize("number", ["{}. ", "{}) "])
def test_the_number_of_a_sentence_ends_none(tmp_path: Path, number: str) -> None:
    lines = [number.format(place) + sentence for place, sentence in enumerate(kinds.sentences(300), 1)]
    advice = Advice(tmp_path, {"a.txt": "\n".join(lines)})
    assert advice.reasons["data.documents"].startswith("The lines look like a list of sentences")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (kinds.prose(), "begin with a small letter, as in prose whose lines are wrapped"),
        (kinds.verse(), "of the lines are blank, as between stanzas"),
        (kinds.verse().replace("\n\n", "\n"), "of the lines end in punctuation, as in verse"),
        (kinds.prose().replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n"), "as where a line is a paragraph"),
        (
            kinds.verse().lower().replace("\n\n", "\n").replace(" ", ",\n"),
            "of the lines end in punctuation, as in verse",
        ),
        (plain_prose(), "most lines are about as long as the longest ones"),
        ("def f(x):\n    if x:\n        return 1\n\n    return 2\n\n\n" * 20, "of the lines are indented, as in code"),
    ],
)
def test_prose_verse_and_code_are_one_stream_cut_by_position(tmp_path: Path, text: str, reason: str) -> None:
    advice = Advice(tmp_path, {"a.txt": text})
    assert (advice.params.data.documents, advice.params.splits.by) == ("none", "position")
    assert reason in advice.reasons["data.documents"]
    assert "is complete in itself, set documents: " in advice.reasons["data.documents"]
    assert advice.reasons["data.documents"].endswith(" here and by: documents under splits.")


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-{day:02} 07:{minute:02}:00 INFO  worker {n} finished job {m} in {n}{m} ms",
        "Nov {day:>2} 07:{minute:02}:12 host daemon[{m}]: connection from 10.0.0.{n} closed.",
        '10.0.{n}.{m} - - [{day}/Nov/2026:07:{minute:02}:12 +0000] "GET /page/{m} HTTP/1.1" 200 {n}{m}',
        "[07:{minute:02}:12.{m:03}] user{n}: are you there",
    ],
)
def test_each_line_of_a_log_is_a_document(tmp_path: Path, line: str) -> None:
    draw = random.Random(1)
    values = ({name: draw.randint(1, 28) for name in ("day", "minute", "n", "m")} for _ in range(2000))
    entries = [line.format(**of_line) for of_line in values]
    entries[100:100] = ["Traceback (most recent call last):", '  File "job.py", line 17, in run', "ValueError: 17"]
    advice = Advice(tmp_path, {"a.log": "\n".join(entries)})
    assert advice.params.data.documents == "lines"
    assert advice.reasons["data.documents"].startswith("The lines look like a log, since 99% begin with numbers in")


@pytest.mark.parametrize(
    "row", ["{n}.{m},{m}.{n},1.{m},0.{n}", "{n}.{m};{m}.{n};1.{m};setosa", "{n}.{m} {m}.{n} 1.{m}"]
)
def test_rows_of_numbers_are_no_log(tmp_path: Path, row: str) -> None:
    draw = random.Random(1)
    rows = [row.format(n=draw.randint(1, 9), m=draw.randint(1, 9)) for _ in range(2000)]
    assert "a log" not in Advice(tmp_path, {"a.txt": "\n".join(rows)}).reasons["data.documents"]


@pytest.mark.parametrize("rule", ["%", "---"])
def test_a_line_that_comes_again_and_again_separates_documents(tmp_path: Path, rule: str) -> None:
    advice = Advice(tmp_path, {"a.txt": kinds.fortunes().replace("%", rule)})
    assert advice.params.data.documents == f"\n{rule}\n"
    assert advice.reasons["data.documents"].startswith(f'A line "{rule}" separates entries')


def test_scene_breaks_of_a_book_separate_no_documents(tmp_path: Path) -> None:
    book = "* * *\n".join(kinds.prose(200, seed=seed) for seed in range(12))
    assert Advice(tmp_path, {"a.txt": book}).params.data.documents == "none"


def test_paragraphs_that_begin_alike_are_documents(tmp_path: Path) -> None:
    draw = random.Random(1)
    tunes = [f"X:{number}\nK:{draw.choice('CDEFG')}\n{' '.join(draw.choices('ABCDEFG', k=20))}" for number in range(50)]
    advice = Advice(tmp_path, {"a.abc": "\n\n".join(tunes)})
    assert advice.params.data.documents == "\n\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", kinds.table(kinds.rows())),
        ("a.tsv", kinds.table(kinds.rows(), "\t")),
        ("a.jsonl", kinds.json_lines(kinds.rows())),
    ],
)
def test_a_table_is_records_that_begin_with_their_kind(tmp_path: Path, name: str, content: str) -> None:
    advice = Advice(tmp_path, {name: content})
    assert (advice.params.data.documents, advice.params.data.template) == ("records", "{kind}: {name}")
    assert 'with the columns "id", "kind", "name". Each row is a document.' in advice.reasons["data.documents"]
    assert "in 500 documents." in advice.facts[0]
    assert "Begin with a kind to ask for it, such as " in advice.reasons["sampling.prime"]


def test_a_prime_of_true_or_false_is_as_the_documents_have_it(tmp_path: Path) -> None:
    lines = [json.dumps({"ok": number % 2 == 0, "text": f"a text of number {number}"}) for number in range(200)]
    advice = Advice(tmp_path, {"a.jsonl": "\n".join(lines)})
    assert advice.values["data.template"] == "{ok}: {text}"
    assert "true: " in " ".join(advice.reasons.values())
    assert "True" not in advice.text


def test_a_table_of_long_texts_has_their_titles(tmp_path: Path) -> None:
    made = kinds.sentences(400)
    rows = [{"Title": made[n], "year": str(1900 + n % 90), "text": " ".join(made[n : n + 4])} for n in range(300)]
    assert Advice(tmp_path, {"a.csv": kinds.table(rows)}).params.data.template == "{Title}\n{text}"


def test_a_table_of_one_column_needs_no_template(tmp_path: Path) -> None:
    advice = Advice(tmp_path, {"a.csv": "name\n" + kinds.names()})
    assert (advice.params.data.documents, advice.params.data.template) == ("records", None)
    assert "data.template" not in advice.values


def test_a_template_names_only_columns_that_it_can(tmp_path: Path) -> None:
    rows = [{"a{b}": row["name"] * 3, "c:d": row["name"] * 2, "e": row["name"]} for row in kinds.rows()]
    assert Advice(tmp_path, {"a.csv": kinds.table(rows)}).params.data.template == "{e}"
    with pytest.raises(CorpusError, match="as typed: none of the 2 columns"):
        Advice(tmp_path, {"a.csv": "a{b},c:d\n" + "one,two\n" * 500})


def test_many_small_files_are_documents_and_large_ones_are_held_out_whole(tmp_path: Path) -> None:
    small = Advice(tmp_path, {f"{n:02}": kinds.verse(20, seed=n) for n in range(30)})
    assert (small.params.data.documents, small.params.splits.by) == ("files", "documents")
    large = Advice(tmp_path, {f"{n:02}": f"{n}\n{kinds.prose(900)}" for n in range(20)})
    assert (large.params.data.documents, large.params.splits.by) == ("none", "files")


def test_a_few_files_are_split_in_blocks(tmp_path: Path) -> None:
    text = kinds.prose()
    advice = Advice(tmp_path, {"a": text[: len(text) // 2], "b": text[len(text) // 2 :]})
    assert (advice.params.data.documents, advice.params.splits.by) == ("none", "blocks")
    assert "By position, validation and test would be parts of the last files" in advice.reasons["splits.by"]
    assert "2 files, too few to learn how a file begins and ends" in advice.reasons["data.documents"]


def test_two_languages_one_after_the_other_are_split_in_blocks(tmp_path: Path) -> None:
    one, other = kinds.prose(), kinds.prose(200, kinds.FINNISH).translate(str.maketrans("äöy", "aou"))
    for files in ({"a": one + other}, {"a": one, "b": other}):
        advice = Advice(tmp_path, dict(files))
        assert advice.params.splits.by == "blocks"
        assert "Beginning, middle and end of the text differ as different languages do" in advice.reasons["splits.by"]


def test_other_encodings_and_line_ends_are_mentioned(tmp_path: Path) -> None:
    advice = Advice(tmp_path, {"a": kinds.prose(sounds=kinds.FINNISH).replace("\n", "\r\n").encode("cp1252")})
    assert (advice.params.data.encoding, advice.params.data.documents) == ("auto", "none")
    assert "Some lines or all end in CR LF, which is read as LF (data.newline)." in advice.facts
    assert "data.encoding" not in Advice(tmp_path, {"a": kinds.prose(sounds=kinds.FINNISH)}).values


@pytest.mark.parametrize(("times", "unique"), [(1, None), (2, True)])
def test_many_repeated_documents_are_left_out(tmp_path: Path, times: int, unique: bool | None) -> None:
    advice = Advice(tmp_path, {"a": kinds.names() * times})
    assert advice.values.get("data.unique") is unique


def test_some_repeated_documents_may_stay(tmp_path: Path) -> None:
    advice = Advice(tmp_path, {"a": kinds.names() + kinds.names(100)})
    assert advice.values["data.unique"] is False
    assert "are equal to an earlier one. They may stay" in advice.reasons["data.unique"]


def test_characters_too_rare_to_learn_are_left_out(tmp_path: Path) -> None:
    advice = Advice(tmp_path, {"a": kinds.prose() + "{}[]<>@#$^&*\x1b"})
    assert advice.params.data.min_count == 3
    assert "\x1b" not in advice.text


# Sizes


@pytest.mark.parametrize(
    ("characters", "documents", "share"),
    [
        (10_000, None, 0.1),
        (1_115_394, None, 0.05),
        (50_000_000, None, 0.03),
        (228_146, 32_033, 0.1),
        (50_000_000, 20_000, 0.05),
    ],
)
def test_small_texts_hold_out_a_larger_share(characters: int, documents: int | None, share: float) -> None:
    assert split_share(characters, documents) == share


def test_how_large_the_splits_are_is_said_with_what_is_enough(tmp_path: Path) -> None:
    reason = Advice(tmp_path, {"a": kinds.names()}).reasons["splits.val_fraction"]
    assert reason.startswith("Validation and test have 10% of the text each, about ")
    aim = "init aims at 50,000 characters and 1,000 documents, and takes at least 3% and at most 10% of the text."
    assert reason.endswith(f" documents. {aim}")
    assert "documents" not in Advice(tmp_path, {"a": kinds.prose()}).reasons["splits.val_fraction"]


def test_a_text_that_is_read_often_is_trained_with_dropout_and_weight_decay(tmp_path: Path) -> None:
    small = Advice(tmp_path, {"a": kinds.prose()}).params
    assert (small.model.hidden_size, small.training.optimizer, small.training.weight_decay) == (128, "adamw", 0.05)
    assert small.model.dropout == 0.4
    why = Advice(tmp_path, {"a": kinds.prose()}).reasons
    assert re.match(r"In 1 minute, two idle cores make at most about [\d,]+ passes", why["model.dropout"])
    assert "; so many would teach the model the text by heart, and dropout counteracts that." in why["model.dropout"]
    assert re.search(r": at most about [\d,]+ passes over .* on two idle cores\.$", why["training.max_minutes"])
    middle = Advice(tmp_path, {"a": kinds.prose(20_000)}).params
    assert (middle.model.hidden_size, middle.model.dropout, middle.training.weight_decay) == (256, 0, 0.05)
    large = Advice(tmp_path, {"a": kinds.prose(20_000) * 6}).params
    assert (large.model.hidden_size, large.training.optimizer, large.training.weight_decay) == (256, "adam", 0)


def test_the_minutes_asked_for_are_used_and_long_ones_make_a_deeper_model(tmp_path: Path) -> None:
    text = kinds.prose(20_000)
    short, long = (Advice(tmp_path, {"a": text}, minutes).params for minutes in (0.5, 15))
    assert (short.training.max_minutes, short.model.num_layers) == (0.5, 1)
    assert (long.training.max_minutes, long.model.num_layers, long.model.hidden_size) == (15, 2, 384)
    assert long.training.learning_rate == 0.004


@pytest.mark.parametrize("count", [10, 30, 100, 300])
def test_even_the_smallest_text_fills_ten_windows_of_each_stream(tmp_path: Path, count: int) -> None:
    text = kinds.prose(count)
    training = Advice(tmp_path, {"a": text}).params.training
    assert 0.8 * len(text) >= 10 * training.seq_length * training.batch_size


# What is no text to learn from


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a", "Anna\nBob\n", "as typed: has 9 characters; at least 500"),
        ("a.csv", "text\n" + "word " * 200, "source: only 1 document is left of 1"),
        ("a.csv", "text\n" + "word " * 99 + "\n" + "more " * 99, "as typed: its 2 documents .* cannot be divided"),
        ("a", "the same line\n" * 100, "source: only 1 document is left of 100 .*: 99 repeated"),
        ("a", "x" * 1000, "1 distinct characters"),
    ],
)
def test_too_little_text_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Advice(tmp_path, {name: content})


def test_equal_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"only 1 document is left of 25 .*: 24 repeated"):
        Advice(tmp_path, {f"{n:02}": kinds.prose(30) for n in range(25)})


@pytest.mark.parametrize("damage", ['7,"hill,name\n', "7,hill,name,4\n"])
def test_a_table_that_training_refuses_is_refused_with_the_line_also_past_the_rows_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    for most in (1000, 100):
        monkeypatch.setattr(records, "MOST_ROWS", most)
        with pytest.raises(CorpusError, match=r"a\.csv: line 502: "):
            Advice(tmp_path, {"a.csv": kinds.table(kinds.rows()) + damage})


# What is said


def test_a_line_without_an_end_is_one_text(tmp_path: Path) -> None:
    advice = Advice(tmp_path, {"a": "a paragraph and no line end " * 50})
    assert advice.params.data.documents == "none"
    assert advice.reasons["data.documents"] == "One text to be read from beginning to end: it is a single line."


def test_sizes_are_those_of_the_whole_text_where_a_part_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_ROWS", 100)
    advice = Advice(tmp_path, {"a.csv": kinds.table(kinds.rows())})
    assert "in 500 documents." in advice.facts[0]
    assert "What is said below of columns and repeated documents is from its first 100 rows." in advice.facts
    assert "below" not in " ".join(Advice(tmp_path, {"a.csv": kinds.table(kinds.rows(100))}).facts)


@pytest.mark.parametrize(("delimiter", "remedy"), [("|", "save it with commas, as .csv"), (";", "end in .csv")])
def test_another_delimiter_than_that_of_the_format_is_mentioned(tmp_path: Path, delimiter: str, remedy: str) -> None:
    why = Advice(tmp_path, {"a.tsv": kinds.table(kinds.rows(), delimiter)}).reasons["data.documents"]
    assert "seem to separate its cells, but TSV files are read with tabs" in why
    assert remedy in why
    with pytest.raises(CorpusError, match=r"its first line has '\|', and cells of CSV are separated by ',' or ';'"):
        Advice(tmp_path, {"a.csv": "id|text\n1|one, two\n" * 100})


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (kinds.table(kinds.rows()).partition("\n")[2], "put a row of names before it"),
        ("hill\nriver\nhill\ntown\n" * 100 + kinds.names(100), "set documents: lines"),
        ("".join(f'"{a} {b}"\n' for a, b in itertools.pairwise(kinds.sentences(200))), "set documents: lines"),
    ],
)
def test_a_first_row_that_looks_like_data_is_mentioned(tmp_path: Path, content: str, remedy: str) -> None:
    why = Advice(tmp_path, {"a.csv": content}).reasons["data.documents"]
    assert "But the first row is read as the name" in why
    assert remedy in why


def test_a_first_row_of_names_is_said_to_be_read_as_that(tmp_path: Path) -> None:
    why = Advice(tmp_path, {"a.csv": kinds.table(kinds.rows())}).reasons["data.documents"]
    assert "The first row is read as the names of the columns." in why
    assert "first row" not in Advice(tmp_path, {"a.jsonl": kinds.json_lines(kinds.rows())}).reasons["data.documents"]


def test_a_guessed_encoding_is_called_one(tmp_path: Path) -> None:
    text = kinds.prose(sounds=kinds.FINNISH)
    assert "guess is made" in Advice(tmp_path, {"a": text.encode("cp1252")}).reasons["data.encoding"]
    assert Advice(tmp_path, {"a": text.encode("utf-16")}).reasons["data.encoding"] == "Found: utf-16."


def test_a_few_letters_are_one_text_and_may_be_documents(tmp_path: Path) -> None:
    advice = Advice(tmp_path, {f"{n:02}": kinds.prose(25, seed=n) for n in range(12)})
    assert advice.params.data.documents == "none"
    assert advice.reasons["data.documents"].endswith(
        "such as letters, set documents: files here and by: documents under splits."
    )
    changes = ["data.documents=files", "splits.by=documents", f"data.directory={tmp_path / 'data'}"]
    params = load_params([tmp_path / "overlay.yaml"], changes)
    files = {path.name: path.read_text() for path in sorted(tmp_path.glob("[0-9]*"))}
    encode_corpus(corpus_in(tmp_path, dict(files)), params.data).splits(params.splits)


# Any text

LINES = st.lists(st.text(st.characters(codec="utf-8"), max_size=60), min_size=1, max_size=30).map("\n".join)
CELLS = st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=30), min_size=1, max_size=4), min_size=2)


def advice_or_error(name: str, content: bytes) -> Advice | CharrnnError:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Advice(Path(folder), {name: content})
        except CharrnnError as error:
            return error


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(LINES | st.text(), st.integers(1, 200))
def test_an_overlay_for_any_text_loads(text: str, times: int) -> None:
    content = text.encode("utf-8", "replace") * times
    advice = advice_or_error("a.txt", content or b" ")
    if isinstance(advice, Advice):
        assert set(advice.values) >= {"data.sources", "data.documents", "splits.by", "training.max_minutes"}


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(CELLS, st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_an_overlay_for_any_table_loads(records: list[dict[str, str]], suffix: str) -> None:
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [{name: record.get(name, "") for name in names} for record in records] * 50
    content = kinds.json_lines(rows) if suffix == ".jsonl" else kinds.table(rows, {".csv": ",", ".tsv": "\t"}[suffix])
    advice = advice_or_error(f"a{suffix}", content.encode("utf-8", "replace"))
    if isinstance(advice, Advice):
        assert advice.params.data.documents == "records"
