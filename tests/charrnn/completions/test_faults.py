"""Faults of the program in one line."""

import logging
import sys

from charrnn.completions.faults import OneLine, in_one_line
from charrnn.errors import ParamsError


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_a_fault_is_named_with_its_place() -> None:
    assert in_one_line(raised(OSError("two\nlines"))).startswith("OSError: two lines (test_faults.py:")
    assert in_one_line(raised(ValueError())).startswith("ValueError (test_faults.py:")
    assert in_one_line(ValueError("never raised")) == "ValueError: never raised"


def test_what_a_person_can_put_right_speaks_for_itself_and_credentials_are_not_shown() -> None:
    assert in_one_line(raised(ParamsError("n: must be > 0, got 0"))) == "n: must be > 0, got 0"
    assert "secret" not in in_one_line(raised(OSError("http://user:secret@host/ is away")))


def test_a_record_with_a_traceback_is_one_line() -> None:
    try:
        raise KeyError("a")
    except KeyError:
        record = logging.LogRecord("name", logging.ERROR, "", 1, "it %s\n", ("failed",), sys.exc_info())
    assert OneLine().format(record).startswith("error     it failed: KeyError: 'a' (test_faults.py:")
    plain = logging.LogRecord("name", logging.WARNING, "", 1, "only this", (), None)
    assert OneLine().format(plain) == "warning   only this"
