import json

import numpy as np

from charrnn.evaluation.surprisal import Surprisal
from flows.cli.surprisal_rows import by_character, by_line, summary


def scored_by_hand() -> Surprisal:
    bits = [np.nan, 3.0, 1.0, 1.0, 9.0, 1.0, 2.0, np.nan]
    return Surprisal("ab\nc\t\n\x1b☃", np.array(bits), np.array([False] * 7 + [True]), guess=3.0)


def test_the_most_unusual_line_is_first() -> None:
    header, *rows = by_line(scored_by_hand(), "tsv")
    assert header == "line\tbits_per_char\tbits\tcharacters\tunknown\ttext"
    assert rows == [
        "2\t3.6667\t11.0\t3\t0\tc\\t",
        "3\t2.0\t2.0\t1\t1\t\\x1b☃",
        "1\t2.0\t4.0\t2\t0\tab",
    ]


def test_a_line_of_characters_that_the_model_has_never_seen_is_unusual() -> None:
    text = "abc\n☃☃☃\nabé\n"
    unknown = np.array([character == "☃" for character in text])
    bits = np.where(unknown, np.nan, [1.0] * 10 + [5.0, 1.0])
    scored = Surprisal(text, bits, unknown, guess=7.0)
    rows = [row.split("\t") for row in by_line(scored, "tsv")]
    assert [row[0] for row in rows] == ["line", "2", "3", "1"]
    # What is printed of it is of the line end alone.
    assert rows[1] == ["2", "1.0", "1.0", "1", "3", "☃☃☃"]


def test_a_line_of_which_nothing_was_predicted_has_empty_fields() -> None:
    scored = Surprisal("\na\n", np.array([np.nan, 2.0, 2.0]), np.zeros(3, dtype=bool), guess=3.0)
    assert list(by_line(scored, "tsv"))[1:] == ["1\t\t\t0\t0\t", "2\t2.0\t4.0\t2\t0\ta"]
    assert json.loads(next(by_line(scored, "jsonl")))["bits"] is None


def test_one_rare_character_does_not_make_an_empty_line_the_oddest() -> None:
    bits = np.array([1.0] * 9 + [5.0] + [4.0] * 9 + [4.0])
    scored = Surprisal("a" * 9 + "\n" + "b" * 9 + "\n", bits, np.zeros(20, dtype=bool), guess=3.0)
    empty = Surprisal("a" * 8 + "\n\n" + "b" * 9 + "\n", bits, np.zeros(20, dtype=bool), guess=3.0)
    assert [line.split("\t")[0] for line in by_line(scored, "tsv")] == ["line", "2", "1"]
    assert [line.split("\t")[0] for line in by_line(empty, "tsv")] == ["line", "3", "2", "1"]


def test_characters_are_rows_without_anything_a_terminal_obeys() -> None:
    header, *rows = by_character(scored_by_hand(), "tsv")
    assert header == "place\tcharacter\tbits"
    assert rows[:3] == ["0\ta\t", "1\tb\t3.0", "2\t\\n\t1.0"]
    assert rows[4] == "4\t\\t\t9.0"
    assert rows[6] == "6\t\\x1b\t2.0"
    lines = list(by_character(scored_by_hand(), "jsonl"))
    assert all(line.isprintable() for line in lines)
    assert "☃" in lines[-1]
    objects = [json.loads(row) for row in lines]
    assert objects[0] == {"place": 0, "character": "a", "bits": None}
    assert "".join(row["character"] for row in objects) == scored_by_hand().text


def test_the_summary_says_what_was_left_out() -> None:
    assert list(summary(scored_by_hand())) == [
        "2.8333 bits per character",
        "7.127 perplexity",
        "6 characters",
        "1 character that the model has never seen is left out",
    ]
