import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.records import Template, read_records, record_format
from charrnn.data.text_file import TextFile
from charrnn.errors import CharrnnError, CorpusError, ParamsError
from tests.charrnn.data.text_files import text_file
from tests.source_fixtures import one_line

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6)
ROWS = st.lists(st.tuples(CELL, CELL), max_size=8)


def params_of(template: str | None, **changes: Any) -> DataParams:
    return DataParams(documents="records", template=template, **changes)


def read(file: TextFile, template: str | None = None, chunk_bytes: int = 2**18, **changes: Any) -> list[str]:
    return [text for texts in read_records(file, params_of(template, **changes), chunk_bytes) for text in texts]


def failure(file: TextFile, template: str | None = None) -> str:
    with pytest.raises(CharrnnError) as caught:
        read(file, template)
    return one_line(caught.value)


def table(folder: Path, name: str, content: str | bytes) -> TextFile:
    return text_file(content, folder / name)


# Tables as they are


@given(ROWS, st.sampled_from([(".csv", ","), (".tsv", "\t")]), st.integers(1, 9))
@example([('say "hi"', "a,b\nc\td")], (".csv", ","), 2)
@example([("NA", "null"), ("1.50", "")], (".tsv", "\t"), 3)
def test_rows_of_a_table_are_texts_whatever_their_cells_look_like(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], kind: tuple[str, str], chunk_bytes: int
) -> None:
    suffix, delimiter = kind
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows([("name", "text"), *rows])
    file = table(tmp_path_factory.mktemp("table"), f"t{suffix}", written.getvalue())
    found = read(file, "{text}|{name}", chunk_bytes, newline="keep")
    assert found == [f"{text}|{name}" for name, text in rows]
    frame = pd.read_csv(io.StringIO(written.getvalue()), sep=delimiter, dtype=str, keep_default_na=False)
    if not any("\0" in cell for row in rows for cell in row):
        assert found == (frame["text"] + "|" + frame["name"]).tolist()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.fixed_dictionaries({"a": JSON, "b": JSON}), max_size=5), st.booleans(), st.integers(1, 9))
@example([{"a": "\ud83d", "b": "\u2028\n"}], True, 4)
@example([{"a": None, "b": {"é": [1, 1.5, True, None]}}], False, 4)
def test_json_values_that_are_no_text_are_written_as_json_and_null_is_nothing(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], ascii_only: bool, chunk_bytes: int
) -> None:
    def shown(value: Any) -> str:
        return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    lines = "".join(json.dumps(record, ensure_ascii=True) + "\n" for record in records)
    if not ascii_only:
        lines = lines.rstrip("\n").replace("\n", "\n\n \n")
    file = table(tmp_path_factory.mktemp("table"), "t.jsonl", lines)
    found = read(file, "{a}|{b}", chunk_bytes)
    assert found == [f"{shown(record['a'])}|{shown(record['b'])}" for record in records]


def test_a_surrogate_pair_of_escapes_is_one_character_and_a_lone_one_stays(tmp_path: Path) -> None:
    file = table(tmp_path, "t.ndjson", '{"a": "\\ud83d\\ude00 \\ud83d"}\n')
    assert read(file) == ["😀 \ud83d"]


def test_a_parquet_file_is_read_with_the_values_of_its_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": ["é\n", None, ""],
            "number": pd.array([1, None, 3], dtype="Int64"),
            "share": [1.0, 0.5, 2.25],
            "day": pd.to_datetime(pd.Series(["2020-01-02", "2020-01-03", None])),
            "yes": [True, False, True],
            "list": [["a", "é"], [], None],
            "bytes": ["ü".encode(), b"", None],
            "a.b": ["x", "y", "z"],
        }
    )
    path = tmp_path / "t.parquet"
    frame.to_parquet(path, row_group_size=2)
    file = TextFile(str(path), path, "", 0)
    template = "{text}|{number}|{share}|{day}|{yes}|{list}|{bytes}|{a.b}"
    assert read(file, template) == [
        'é\n|1|1.0|2020-01-02 00:00:00|true|["a", "é"]|ü|x',
        "||0.5|2020-01-03 00:00:00|false|[]||y",
        "|3|2.25||true|||z",
    ]


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_all_rows_of_a_parquet_file_come_in_order(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"text": [f"row {row}" for row in range(rows)]}, dtype=object).to_parquet(path)
    assert read(TextFile(str(path), path, "", 0)) == [f"row {row}" for row in range(rows)]


def test_a_table_with_one_column_needs_no_template(tmp_path: Path) -> None:
    assert read(table(tmp_path, "t.csv", 'name\nAnna\n"Bob, ""B"""\n\n""\nCarl')) == ["Anna", 'Bob, "B"', "", "Carl"]


def test_a_mark_and_other_line_ends_are_no_part_of_a_table(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfname,text\r\nAnna,"a\r\nb"\r\n'
    assert read(table(tmp_path, "t.csv", content), "{name}: {text}") == ["Anna: a\nb"]
    assert read(table(tmp_path, "t.csv", content), "{name}: {text}", newline="keep") == ["Anna: a\r\nb"]
    in_utf_16 = content.decode("utf-8-sig").encode("utf-16")
    assert read(table(tmp_path, "t.csv", in_utf_16), "{name}: {text}", encoding="utf-16") == ["Anna: a\nb"]


def test_records_come_some_at_a_time(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", "text\n" + "abcd\n" * 5)
    assert list(read_records(file, params_of(None), chunk_bytes=8)) == [["abcd"] * 2, ["abcd"] * 2, ["abcd"]]


def test_a_record_of_100_megabytes_is_read(tmp_path: Path) -> None:
    long = "x" * 100_000_000
    assert read(table(tmp_path, "t.csv", f"text\n{long}\nb\n")) == [long, "b"]
    assert read(table(tmp_path, "t.jsonl", f'{{"text": "{long}"}}\n{{"text": "b"}}\n')) == [long, "b"]


# What a file is


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.csv", ".csv"),
        ("B.CSV", ".csv"),
        ("x.tsv.gz", ".tsv"),
        ("all.zip: part.jsonl", ".jsonl"),
        ("x.parquet#sha256=" + "a" * 64, ".parquet"),
        ("https://host/x.ndjson.xz?download=1.txt", ".ndjson"),
    ],
)
def test_the_name_says_what_a_table_is(name: str, expected: str) -> None:
    assert record_format(name) == expected


@pytest.mark.parametrize("name", ["text.txt", "csv", ".csv", "t.csv.txt", "t.json", "t.gz", "https://host/x?a=.csv"])
def test_another_name_is_an_error_that_names_the_file_and_what_is_read(name: str) -> None:
    with pytest.raises(CorpusError) as caught:
        record_format(name)
    assert one_line(caught.value) == (
        f"{name}: is no table that data.documents = records reads; its name must end in one of "
        ".csv, .tsv, .jsonl, .ndjson, .parquet (packed: .gz, .xz, .zip after it)"
    )


# Templates


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{a}", "1"),
        ("{b}, {a}{a}!", "2, 11!"),
        ("{{{a}}} {{b}}", "{1} {b}"),
        ("{a b}\n{é.x}{0}", "3\n45"),
    ],
)
def test_a_template_puts_columns_into_a_text(template: str, expected: str) -> None:
    record = {"a": "1", "b": "2", "a b": "3", "é.x": "4", "0": "5"}
    assert Template.parse(template).fill(record) == expected


def test_nothing_in_a_value_is_a_field() -> None:
    assert Template.parse("{a}").fill({"a": "{b} {0.__class__}"}) == "{b} {0.__class__}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{a", "data.template: expected '}' before end of string, in '{a'"),
        ("a}", "data.template: Single '}' encountered in format string, in 'a}'"),
        ("{}", "a field must be the name of a column in braces, got '{}' in '{}'"),
        ("{a!r}", "a field must be the name of a column in braces, got '{a!r}'"),
        ("{a:>10}", "a field must be the name of a column in braces, got '{a:>10}'"),
        ("{a:{b}}", "a field must be the name of a column in braces, got '{a:{b}}'"),
        ("a {{b}}", "data.template: names no column in braces, got 'a {{b}}'"),
        ("", "data.template: names no column in braces, got ''"),
    ],
)
def test_a_template_that_is_none_is_an_error(template: str, message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        Template.parse(template)
    assert message in one_line(caught.value)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize("wanted", ["titel", "title.upper", "title[0]"])
def test_a_column_that_is_not_there_is_an_error_with_the_nearest(tmp_path: Path, name: str, wanted: str) -> None:
    path = tmp_path / name
    content = {"t.csv": "title,text\na,b\n", "t.jsonl": '{"title": "a", "text": "b"}\n'}.get(name)
    if content is None:
        pd.DataFrame({"title": ["a"], "text": ["b"]}).to_parquet(path)
    else:
        path.write_text(content)
    where = f"{path}: line 1" if name == "t.jsonl" else str(path)
    assert failure(TextFile(str(path), path, "", 0), f"{{{wanted}}}") == (
        f"{where}: has no column {wanted!r}, which data.template names; the nearest is 'title'; "
        "columns: 'title', 'text'"
    )


def test_without_a_template_several_columns_are_an_error_that_lists_them(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", ",".join(f"c{number}" for number in range(25)) + "\n")
    assert failure(file) == (
        f"{file.name}: has 25 columns ({', '.join(repr(f'c{number}') for number in range(20))} and 5 more); "
        "set data.template to the text of a record, with columns in braces"
    )
    assert "has 0 columns (none)" in failure(table(tmp_path, "t.jsonl", "{}\n"))


def test_a_column_that_is_there_twice_can_be_left_alone_and_not_named(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", "a,a,b\n1,2,3\n")
    assert read(file, "{b}") == ["3"]
    assert failure(file, "{a}") == f"{file.name}: has 2 columns 'a', which data.template names"


# Damage


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a,b\n1,2\n\n"3,4\n5,6\n', "line 4: the row that begins there is damaged: unexpected end of data (line 5)"),
        ('a,b\n"1"x,2\n', "line 2: the row that begins there is damaged: ',' expected after '\"' (line 2)"),
        ('a,b\n"1\n2",3,4\n', "line 2: has 3 cells, and there are 2 columns"),
        ("a,b\n1\n", "line 2: has 1 cells, and there are 2 columns"),
    ],
)
def test_a_damaged_row_is_an_error_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    file = table(tmp_path, "t.csv", content)
    assert failure(file, "{a}").startswith(f"{file.name}: {message}")


def test_a_cell_that_never_ends_is_an_error_before_memory_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.data.records._MAX_CELL", 100)
    file = table(tmp_path, "t.csv", 'a\nx\n"' + "y\n" * 100)
    assert failure(file).startswith(
        f"{file.name}: line 3: the row that begins there is damaged: field larger than field limit (100)"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("nope", "is not JSON: Expecting value at column 1"),
        ('{"a": NaN}', "is not JSON: NaN is no JSON value"),
        ("[" * 100_000, "is not JSON: maximum recursion depth exceeded"),
        ('{"a": ' + "1" * 5000 + "}", "is not JSON: Exceeds the limit (4300 digits) for integer string conversion"),
        ('["a"]', "must be a JSON object, in braces, got '[\"a\"]'"),
        ('"\x7f' + "b" * 50 + '"', "must be a JSON object, in braces, got '\"\\x7f" + "b" * 37 + "…'"),
    ],
)
def test_a_line_that_is_no_json_object_is_an_error_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    file = table(tmp_path, "t.jsonl", f'{{"a": "x"}}\n\n{line}\n')
    assert failure(file).startswith(f"{file.name}: line 3: {message}")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"name,text\n", b"PAR1" + b"x" * 50 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    file = table(tmp_path, "t.parquet", content)
    assert failure(file).startswith(f"{file.name}: is not a Parquet file, or is damaged: ")


def test_a_parquet_file_with_pages_overwritten_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"text": [os.urandom(20).hex() for _ in range(500)]}).to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 2000 + content[2004:])
    assert failure(TextFile(str(path), path, "", 0)).startswith(f"{path}: is not a Parquet file, or is damaged: ")


def test_bytes_in_a_parquet_file_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"text": [b"\xff"]}).to_parquet(path)
    assert failure(TextFile(str(path), path, "", 0)) == f"{path}: a value is neither text nor bytes of UTF-8 text"


WITHOUT_PYARROW = """
import sys
from pathlib import Path
sys.modules["pyarrow"] = None
from charrnn.config.schema import DataParams
from charrnn.data.records import read_records
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError
try:
    list(read_records(TextFile("t.parquet", Path("t.parquet"), "", 0), DataParams(documents="records")))
except CorpusError as error:
    print(error)
"""


def test_parquet_without_pyarrow_is_an_error_that_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYARROW], capture_output=True, text=True, check=True)
    expected = "t.parquet: reading Parquet needs pyarrow, which is not installed: pip install pyarrow\n"
    assert done.stdout == expected
