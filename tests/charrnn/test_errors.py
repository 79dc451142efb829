import inspect

import pytest

from charrnn import errors
from charrnn.errors import LONGEST_MESSAGE, CharrnnError, DivergedError, ParamsError, RankError, TimeLimitError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_a_value_error_of_this_package_that_says_what_it_is_told(kind: type[CharrnnError]) -> None:
    error = kind("data.directory: must not be empty")
    assert isinstance(error, CharrnnError)
    assert isinstance(error, ValueError)
    assert str(error) == "data.directory: must not be empty"


def test_an_error_can_be_sent_anywhere_whatever_the_bytes_of_the_file_it_names() -> None:
    assert str(CharrnnError("zy\udcef.txt: is empty")) == r"zy\xef.txt: is empty"


@pytest.mark.parametrize("kind", ALL)
def test_every_error_can_be_written_whatever_the_name_of_a_file_in_it(kind: type[CharrnnError]) -> None:
    assert str(kind("zy\udcef.txt and \ud800: is empty")) == "zy\\xef.txt and \ufffd: is empty"


@pytest.mark.parametrize("kind", ALL)
def test_bad_input_exits_with_2_and_a_lost_model_or_too_little_time_with_1(kind: type[CharrnnError]) -> None:
    assert kind.exit_code == (1 if kind in (DivergedError, RankError, TimeLimitError) else 2)


@pytest.mark.parametrize("length", [LONGEST_MESSAGE, LONGEST_MESSAGE + 1, 10_000])
def test_a_long_message_loses_its_middle(length: int) -> None:
    message = "what is wrong" + "x" * (length - 23) + "what to do"
    assert len(message) == length
    found = str(ParamsError(message))
    assert (found == message) == (length <= LONGEST_MESSAGE)
    assert len(found) == LONGEST_MESSAGE
    assert found.startswith("what is wrong")
    assert found.endswith("what to do")
    assert ("…" in found) == (length > LONGEST_MESSAGE)
