import csv
import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataParams
from charrnn.data.records import headers_taken, read_records, table_suffix
from charrnn.data.records.delimited import CSV_DELIMITERS, TSV_DELIMITERS, delimiter_of
from charrnn.data.records.template import Template
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


NUMBERS = ["1.50", "1e3", "1E+03", "-0", "-0.0", "0.1000000000000000055", "1e999", "9" * 5000]


@pytest.mark.parametrize("number", NUMBERS, ids=[number[:30] for number in NUMBERS])
def test_a_number_is_written_as_the_file_has_it(tmp_path: Path, number: str) -> None:
    lines = f'{{"a": {number}, "b": {{"c": [{number}, "{number}"]}}}}\n'
    expected = [f'{number} {{"c": [{number}, "{number}"]}}']
    assert read(table(tmp_path, "t.jsonl", lines), "{a} {b}") == expected
    assert read(table(tmp_path, "t.csv", f"a\n{number}\n")) == [number]
    assert read(table(tmp_path, "t.tsv", f"a\tb\n{number}\tx\n"), "{a}") == [number]


def test_true_false_and_null_of_json_are_words_and_nothing(tmp_path: Path) -> None:
    lines = '{"a": true, "b": false, "c": null, "d": [true, false, null]}\n'
    assert read(table(tmp_path, "t.jsonl", lines), "{a}|{b}|{c}|{d}") == ["true|false||[true, false, null]"]


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


def test_a_number_of_a_parquet_file_has_the_digits_that_its_type_tells_apart(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "half": np.array([0.1, 1.0, None], dtype=np.float16),
            "short": np.array([0.1, 1e10, 16777216], dtype=np.float32),
            "long": np.array([0.1, 1e22, 1 / 3]),
            "big": np.array([2**63 - 1, -1, 0]),
            "decimal": [Decimal("1.50"), Decimal("10.00"), None],
            "nested": [[{"a": b"x", "b": Decimal("1.50")}], None, []],
        }
    )
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    assert read(TextFile(str(path), path, "", 0), "{half}|{short}|{long}|{big}|{decimal}|{nested}") == [
        '0.1|0.1|0.1|9223372036854775807|1.50|[{"a": "x", "b": 1.50}]',
        "1.0|10000000000.0|1e+22|-1|10.00|",
        "|16777216.0|0.3333333333333333|0||[]",
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
    assert table_suffix(name) == expected


@pytest.mark.parametrize("name", ["text.txt", "csv", ".csv", "t.csv.txt", "t.json", "t.gz", "https://host/x?a=.csv"])
def test_another_name_is_an_error_that_names_the_file_and_what_is_read(name: str) -> None:
    with pytest.raises(CorpusError) as caught:
        table_suffix(name)
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
    told = " (as line 1 names them, separated by ',')" if name == "t.csv" else ""
    assert failure(TextFile(str(path), path, "", 0), f"{{{wanted}}}") == (
        f"{where}: has no column {wanted!r}, which data.template names; the nearest is 'title'; "
        f"columns: 'title', 'text'{told}"
    )


def test_without_a_template_several_columns_are_an_error_that_lists_them(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", ",".join(f"c{number}" for number in range(25)) + "\n")
    assert failure(file) == (
        f"{file.name}: has 25 columns: {', '.join(repr(f'c{number}') for number in range(20))} and 5 more "
        "(as line 1 names them, separated by ','); set data.template to the text of a record, with columns in braces"
    )
    assert "has 0 columns: none; set data.template" in failure(table(tmp_path, "t.jsonl", "{}\n"))


def test_a_column_that_is_there_twice_can_be_left_alone_and_not_named(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", "a,a,b\n1,2,3\n")
    assert read(file, "{b}") == ["3"]
    assert (
        failure(file, "{a}")
        == f"{file.name}: has 2 columns 'a', which data.template names (as line 1 names them, separated by ',')"
    )


# What separates cells


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("name,text", ","),
        ("name;text", ";"),
        ("name\ttext", "\t"),
        ("name", ","),
        ("Name;Gr\u00f6\u00dfe, cm;Text", ";"),
        ("a,b;c", ","),
        ('id,"a;b;c"', ","),
        ('"a,b,c";id', ";"),
        ('"a ""b,c"" d";id', ";"),
        ('id;"a,b,c', ";"),
    ],
)
def test_of_what_may_separate_cells_the_header_says_which(tmp_path: Path, header: str, delimiter: str) -> None:
    assert delimiter_of(header + "\n", CSV_DELIMITERS) == delimiter
    assert delimiter_of(header + "\n", TSV_DELIMITERS) == "\t"


@pytest.mark.parametrize("before", ["", "\ufeff", "\n\n"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_table_as_excel_writes_it_in_europe_is_read(tmp_path: Path, before: str, line_end: str) -> None:
    lines = ["Titel;Preis", 'Anna;"1,50"', '"Bert; ""B""";2,00', ""]
    file = table(tmp_path, "t.csv", before + line_end.join(lines))
    for chunk_bytes in (1, 5, 2**18):
        assert read(file, "{Titel}: {Preis}", chunk_bytes) == ["Anna: 1,50", 'Bert; "B": 2,00']


def test_only_the_header_says_what_separates_cells(tmp_path: Path) -> None:
    assert read(table(tmp_path, "t.csv", "text\na;b;c\nd\te\n")) == ["a;b;c", "d\te"]
    assert read(table(tmp_path, "t.tsv", "a;b\tc\n1\t2\n"), "{a;b}") == ["1"]


def test_what_was_taken_for_the_header_is_told(tmp_path: Path) -> None:
    contents = {
        "a.csv": "\nAnna;x\nBert;y\n",
        "b.tsv": "a\tb\n",
        "c.csv": "",
        "d.csv": "n\n",
        "e.csv": "n\n",
    }
    files = [table(tmp_path, name, content) for name, content in contents.items()]
    assert headers_taken(files, params_of(None)) == (
        f"{tmp_path}/a.csv: columns 'Anna', 'x' (as line 2 names them, separated by ';')",
        f"{tmp_path}/d.csv: columns 'n' (as line 1 names them, separated by ',')",
        "and 1 more CSV files",
    )
    assert headers_taken(files, DataParams(documents="lines")) == ()


# Damage


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a,b\n1,2\n\n"3,4\n5,6\n', "line 4: the row that begins there is damaged: unexpected end of data (line 5)"),
        ('a,b\n"1"x,2\n', "line 2: the row that begins there is damaged: ',' expected after '\"' (line 2)"),
        ('a,b\n"1\n2",3,4\n', "line 2: has 3 cells, and there are 2 columns"),
        ("a,b\n1\n", "line 2: has 1 cell, and there are 2 columns"),
        ("\n\na;b\n1\n", "line 4: has 1 cell, and there are 2 columns (as line 3 names them, separated by ';')"),
    ],
)
def test_a_damaged_row_is_an_error_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    file = table(tmp_path, "t.csv", content)
    assert failure(file, "{a}").startswith(f"{file.name}: {message}")


def test_a_cr_alone_ends_a_row_or_is_an_error_that_says_so(tmp_path: Path) -> None:
    file = table(tmp_path, "t.csv", 'a\n"x\ry"\nu\rv\n')
    assert read(file) == ["x\ny", "u", "v"]
    with pytest.raises(CorpusError) as caught:
        read(file, newline="keep")
    assert one_line(caught.value) == (
        f"{file.name}: line 3: the row that begins there is damaged: it has a CR without a line feed (line 3); "
        "data.newline = unix takes it for a line end"
    )


@pytest.mark.parametrize("wanted", ["b", "b" * 5000])
def test_a_column_is_missed_in_one_line_however_long_names_are(tmp_path: Path, wanted: str) -> None:
    file = table(tmp_path, "t.csv", "x" * 10_000_000 + "\n")
    assert len(failure(file, f"{{{wanted}}}")) < 400 + len(file.name)


@pytest.mark.parametrize("length", [200, 201])
def test_a_name_that_takes_long_to_compare_is_not_the_nearest(tmp_path: Path, length: int) -> None:
    file = table(tmp_path, "t.csv", "x" * length + "\n")
    assert ("the nearest is" in failure(file, "{x}")) == (length == 200)


def test_a_cell_that_never_ends_is_an_error_before_memory_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.data.records.delimited._MAX_CELL", 100)
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
        ('{"a": 01}', "is not JSON: Expecting ',' delimiter at column 8"),
        ('{"a": "1", "b": 2, "a": "3"}', "has the key 'a' 2 times in one object"),
        ('{"a": {"b": [{"' + "c" * 5000 + '": 1, "' + "c" * 5000 + '": 2}]}}', "has the key 'ccc"),
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


def parquet_file(path: Path, column: pyarrow.Array, name: str = "text", **others: pyarrow.Array) -> TextFile:
    pyarrow.parquet.write_table(pyarrow.table({name: column, **others}), path)
    return TextFile(str(path), path, "", 0)


def test_a_text_of_a_parquet_file_that_is_no_utf8_is_an_error(tmp_path: Path) -> None:
    offsets = pyarrow.py_buffer(np.array([0, 2], dtype=np.int32).tobytes())
    column = pyarrow.Array.from_buffers(pyarrow.string(), 1, [None, offsets, pyarrow.py_buffer(b"\xffa")])
    file = parquet_file(tmp_path / "t.parquet", column)
    assert failure(file) == f"{file.name}: a value is neither text nor bytes of UTF-8 text"


def test_a_struct_with_a_field_twice_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    number = pyarrow.array([1])
    file = parquet_file(tmp_path / "t.parquet", pyarrow.StructArray.from_arrays([number, number], names=["a", "a"]))
    assert failure(file).startswith(f"{file.name}: has a value that cannot be written as text: ")


def test_a_column_with_a_dot_in_its_name_is_not_part_of_another(tmp_path: Path) -> None:
    struct = pyarrow.array([{"b": "wrong", "c": "wrong"}])
    file = parquet_file(tmp_path / "t.parquet", pyarrow.array(["right"]), "a.b", a=struct)
    assert read(file, "{a.b}") == ["right"]


def test_short_floats_inside_lists_structs_and_maps_have_the_digits_of_their_type(tmp_path: Path) -> None:
    short = pyarrow.float32()
    for kind, value, expected in (
        (pyarrow.list_(short), [1.1, 0.1], "[1.1, 0.1]"),
        (pyarrow.struct([("x", short)]), {"x": 0.1}, '{"x": 0.1}'),
        (pyarrow.map_(pyarrow.string(), short), [("x", 0.1)], '[["x", 0.1]]'),
    ):
        assert read(parquet_file(tmp_path / "t.parquet", pyarrow.array([value], kind))) == [expected]


def test_records_without_a_template_all_have_the_same_column(tmp_path: Path) -> None:
    file = table(tmp_path, "t.jsonl", '{"a": "one"}\n{"b": "two"}\n')
    assert failure(file) == (
        f"{file.name}: line 2: has the column 'b', and the records before it have 'a'; "
        "set data.template to the text of a record, with columns in braces"
    )


WITHOUT_PYARROW = """
import sys
from decimal import Decimal
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
