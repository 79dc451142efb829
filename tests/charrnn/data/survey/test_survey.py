"""Facts about a text: lines, entries, columns, mixture, characters."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.data.survey import Survey, reading, records, survey
from charrnn.data.survey.lines import Lines, lines_of
from charrnn.data.survey.mixture import Mixture, mixture_of
from charrnn.data.survey.parts import Parts, parts_of
from charrnn.data.survey.records import Table, common_format, table_of
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError
from tests import kinds
from tests.charrnn.data.survey.files import text_file


def looked_at(path: Path, content: str | bytes) -> Survey:
    return survey([text_file(path, content)])


def lines(text: str) -> Lines:
    found = lines_of([text])
    assert found is not None
    return found


def table(path: Path, content: str) -> Table:
    file = text_file(path, content)
    form = common_format([file])
    assert form is not None
    return table_of([file], form, content)


def mixture(text: str) -> Mixture:
    found = mixture_of(text)
    assert found is not None
    return found


# Parts


def test_parts_are_counted_measured_and_compared() -> None:
    parts = parts_of(["bb", "a", "", "bb", "ccc", "dddddddddd"])
    assert parts == Parts(5, 18, median=2, ninetieth=3, longest=10, repeated=0.2, ordered=0.75)
    assert parts_of(["", ""]) is None


def test_order_is_about_a_half_where_there_is_none() -> None:
    shuffled = kinds.names().split()
    random.Random(1).shuffle(shuffled)
    found = [parts_of(texts) for texts in (shuffled, sorted(shuffled), sorted(shuffled, reverse=True))]
    assert [round(parts.ordered, 1) for parts in found if parts] == [0.5, 1.0, 0.0]


# Lines


def test_lines_of_prose_begin_small_and_those_of_verse_do_not() -> None:
    assert lines(kinds.prose()).small > 0.5
    assert lines(kinds.verse()).small == 0


def test_blank_lines_indents_and_ends_of_sentences_are_counted() -> None:
    found = lines("One. Two\n\n  three,\nFour?\n")
    assert (found.blank, found.small) == (0.25, 0.0)
    for share, third in ((found.indented, 1), (found.punctuated, 2), (found.sentences, 1), (found.several, 1)):
        assert share == pytest.approx(third / 3)


@pytest.mark.parametrize("rule", ["%", "---", "-- ", "* * *", "<|endoftext|>"])
def test_entries_are_what_the_commonest_rule_separates(rule: str) -> None:
    found = lines(kinds.fortunes(40).replace("%", rule)).entries
    assert found is not None
    assert (found.line, found.parts.count) == (rule, 40)


@pytest.mark.parametrize("line", ["}", '"""', "```", "word", "  ---", "1"])
def test_brackets_quotation_marks_and_words_separate_nothing(line: str) -> None:
    assert lines(kinds.fortunes(40).replace("%", line)).entries is None


def test_blocks_are_what_blank_lines_separate() -> None:
    found = lines("X:1\nT:a\n\nX:2\nT:b\n \n\nX:3\n").blocks
    assert found is not None
    assert (found.parts.count, found.lines, found.same_start) == (3, 2, 1.0)
    assert lines("a\nb\n").blocks is None


def test_blank_lines_alone_are_no_lines() -> None:
    assert lines_of(["\n \n", "\n"]) is None


# Mixture


@pytest.mark.parametrize("seed", range(5))
def test_a_text_is_like_itself_and_unlike_another_language(seed: int) -> None:
    one, other = kinds.prose(300, seed=seed), kinds.prose(300, kinds.FINNISH, seed)
    assert mixture(one).similarity > 0.8
    assert mixture(one[:5000]).similarity > 0.6
    for text in (one + other, other + one, one + other[: len(one) // 8], one[:5000] + other[:5000] + one[5000:10_000]):
        assert mixture(text).similarity < 0.4


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_a_text_that_is_all_different_are_alike(seed: int) -> None:
    shuffled = kinds.names(600, seed).split()
    random.Random(seed).shuffle(shuffled)
    assert mixture("\n".join(shuffled)).similarity > 0.6


def test_scripts_and_unseen_characters_are_told() -> None:
    russian = "Ближний дивил лица. " * 200
    found = mixture("All happy families are alike in this. " * 1000 + russian)
    assert found.scripts == ("LATIN", "LATIN", "CYRILLIC")
    assert found.unseen > 0.5


def test_a_short_text_tells_nothing() -> None:
    assert mixture_of("a short text " * 100) is None


# Records


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.csv"], "CSV"),
        (["a.CSV", "b.csv.gz"], "CSV"),
        (["https://host/a.tsv?version=1.txt"], "TSV"),
        (["a.jsonl", "b.ndjson"], "JSON lines"),
        (["a.parquet"], "Parquet"),
        (["a.csv", "b.txt"], None),
        (["csv"], None),
    ],
)
def test_the_format_of_records_is_in_the_names(names: list[str], found: str | None) -> None:
    form = common_format([TextFile(name, Path(name), "", 1) for name in names])
    assert (form and form.name) == found


@pytest.mark.parametrize(
    ("write", "name"),
    [(kinds.table, "a.csv"), (lambda rows: kinds.table(rows, "\t"), "a.tsv"), (kinds.json_lines, "a.jsonl")],
)
def test_columns_are_described(write: Callable[[list[dict[str, str]]], str], name: str, tmp_path: Path) -> None:
    found = table(tmp_path / name, write(kinds.rows(400)))
    assert found.is_whole
    assert (found.rows, [column.name for column in found.columns]) == (400, ["id", "kind", "name"])
    number, kind, town = found.columns
    assert (number.numeric, kind.numeric, kind.distinct, number.distinct) == (1.0, 0.0, 3, 400)
    assert kind.commonest in ("river", "hill", "town")
    assert all(column.regular and column.filled == 1 for column in found.columns)
    assert 3 <= town.mean <= 9 == town.longest


def test_columns_that_are_not_in_every_record_or_twice_are_irregular(tmp_path: Path) -> None:
    found = table(tmp_path / "a.jsonl", '{"a": "x", "b": null}\n{"a": "y"}\n')
    assert [(column.name, column.regular, column.filled) for column in found.columns] == [
        ("a", True, 1),
        ("b", False, 0),
    ]
    twice = table(tmp_path / "a.csv", "a,b,a\n1,2,3\n")
    assert [column.name for column in twice.columns] == ["b"]


def test_a_cell_may_have_line_ends_and_commas(tmp_path: Path) -> None:
    found = looked_at(tmp_path / "a.csv", 'title,text\nOne,"Some, lines\nof text"\nTwo,"More"\n').table
    assert found is not None
    assert (found.rows, found.columns[1].longest) == (2, len("Some, lines\nof text"))


def test_parquet_is_described(tmp_path: Path) -> None:
    pandas, path = pytest.importorskip("pandas"), tmp_path / "a.parquet"
    pandas.DataFrame({"text": ["one", "three"] * 2500, "number": range(5000)}).to_parquet(path)
    found = looked_at(path, path.read_bytes())
    assert found.table is not None
    assert (found.table.rows, found.is_whole) == (5000, True)
    assert [(column.name, column.numeric) for column in found.table.columns] == [("text", 0.0), ("number", 1.0)]


def test_what_is_no_parquet_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"a\.parquet: is not a Parquet file"):
        looked_at(tmp_path / "a.parquet", "no parquet\n" * 100)


# The whole


def test_characters_are_counted(tmp_path: Path) -> None:
    found = looked_at(tmp_path / "a", "aaab\nABC\n" * 3 + "€").characters
    assert (found.distinct, found.rare, found.has_capitals) == (7, "€", True)
    assert not looked_at(tmp_path / "b", "aaab\n").characters.has_capitals


def test_a_text_that_is_read_in_part_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 3000)
    found = looked_at(tmp_path / "a", "0123456789\n" * 1000)
    assert (found.size, found.is_whole) == (11_000, False)
    assert looked_at(tmp_path / "b", "0123456789\n" * 100).is_whole


@pytest.mark.parametrize(("rows", "is_whole"), [(100, True), (101, False)])
def test_of_a_long_table_the_first_rows_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, is_whole: bool
) -> None:
    monkeypatch.setattr(records, "MOST_ROWS", 100)
    found = looked_at(tmp_path / "a.csv", kinds.table(kinds.rows(rows)))
    assert found.table is not None
    assert (found.table.rows, found.is_whole) == (100, is_whole)


def test_of_long_records_the_first_bytes_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_BYTES", 1000)
    record = '{"text": "x", "more": {"deep": ["' + "y" * 100 + '"]}}\n'
    found = table(tmp_path / "a.jsonl", record * 50)
    assert (found.rows, found.is_whole) == (10, False)


def test_equal_files_are_counted(tmp_path: Path) -> None:
    files = [text_file(tmp_path / str(number), text) for number, text in enumerate(("one\n", "two\n", "one\n"))]
    assert survey(files).repeated_files == pytest.approx(1 / 3)


@pytest.mark.parametrize(("name", "content"), [("a.txt", "\n \n\n"), ("a.csv", "one,two\n"), ("a.jsonl", "{}\n")])
def test_a_text_without_content_is_refused_by_name(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(CorpusError, match=rf"{name}: has no"):
        looked_at(tmp_path / name, content)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", "one,two\n", "has no records in it, as CSV"),
        ("a.csv", "a,a\n1,2\n", "has no column with a name that no other has"),
        ("a.csv", "a,b\n,\n,\n", "none of its 2 records has a text or a number in a column"),
        (
            "a.jsonl",
            '{"a": [1], "b": {"c": 1}}\n',
            "none of its 1 record has a text or a number in a column; lists and maps",
        ),
    ],
)
def test_a_table_without_texts_is_refused_with_the_reason(tmp_path: Path, name: str, content: str, why: str) -> None:
    with pytest.raises(CorpusError, match=rf"{name}: {why}"):
        looked_at(tmp_path / name, content)
