import math

import pytest

from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import ParamsError
from charrnn.generation.options import read_options, with_seeds


def refused(**values: object) -> str:
    with pytest.raises(ParamsError) as caught:
        read_options(values)
    return str(caught.value)


def test_what_is_left_out_takes_its_default() -> None:
    assert read_options({}) == SamplingOptions()
    assert read_options({"prime": "a", "top_k": None}) == SamplingOptions(prime="a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"length": 0}, "length: must be >= 1, got 0"),
        ({"length": "many"}, 'length: must be a whole number, got "many"'),
        ({"length": 2.5}, "length: must be a whole number, got 2.5"),
        ({"length": None}, "length: must be a whole number, got null"),
        ({"length": True}, "length: must be a number, got true"),
        ({"temperature": -0.5}, "temperature: must be >= 0, got -0.5"),
        ({"temperature": math.nan}, "temperature: must be a finite number, got NaN"),
        ({"temperature": math.inf}, "temperature: must be a finite number, got Infinity"),
        ({"seed": -1}, "seed: must be >= 0, got -1"),
        ({"seed": 2**63}, f"seed: must be < 2^63, got {2**63}"),
        ({"top_k": 0}, "top_k: must be >= 1, got 0"),
        ({"top_p": 0.0}, "top_p: must be > 0, got 0.0"),
        ({"top_p": 1.5}, "top_p: must be <= 1, got 1.5"),
        ({"top_p": math.nan}, "top_p: must be a finite number, got NaN"),
        ({"stop": ""}, 'stop: must not be empty, got ""'),
        ({"prime": 5}, "prime: must be text, got 5"),
        ({"prime": None}, "prime: must be text, got null"),
    ],
)
def test_an_option_out_of_range_is_refused_in_one_line(values: dict[str, object], message: str) -> None:
    assert refused(**values) == message


def test_a_message_calls_an_option_by_the_name_that_was_given() -> None:
    names = {"top_p": "--top-p", "seed": "--seed"}
    with pytest.raises(ParamsError, match=r"^--top-p: must be <= 1, got 2$"):
        read_options({"top_p": 2}, names)
    with pytest.raises(ParamsError, match=r"^--seed: must be < 2\^63"):
        with_seeds(SamplingOptions(seed=2**63 - 1), 2, names)


def test_an_unknown_option_is_named_with_those_there_are() -> None:
    assert refused(lenght=5) == f"unknown option 'lenght'; there are {', '.join(SamplingOptions.model_fields)}"
    assert "\n" not in refused(**{"a\nb": 5})


def test_several_texts_differ_in_their_seeds_only() -> None:
    options = SamplingOptions(prime="a", seed=7, top_k=3)
    assert with_seeds(options, 1) == [options]
    assert with_seeds(options, 3) == [SamplingOptions(prime="a", seed=seed, top_k=3) for seed in (7, 8, 9)]


def test_a_seed_that_would_be_too_large_is_refused_before_anything_is_written() -> None:
    options = SamplingOptions(seed=2**63 - 2)
    assert [one.seed for one in with_seeds(options, 2)] == [2**63 - 2, 2**63 - 1]
    with pytest.raises(ParamsError, match=rf"^seed: must be < 2\^63, got {2**63}$"):
        with_seeds(options, 3)
