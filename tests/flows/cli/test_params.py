"""`charrnn params`."""

import re
from pathlib import Path

import pytest

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from tests.workplace import SMOKE, captured

KEYS = [f"{section}.{name}" for section, content in Params().model_dump().items() for name in content]


def test_the_resolved_parameters_are_printed_as_an_overlay_that_reads_back(tmp_path: Path) -> None:
    answer = captured("params", "--params", str(SMOKE), "--set", "training.seed=7")
    assert (answer.code, answer.err) == (0, "")
    (tmp_path / "resolved.yaml").write_text(answer.out)
    assert load_params([tmp_path / "resolved.yaml"]) == load_params([SMOKE], ["training.seed=7"])


def test_a_parameter_is_shown_with_its_value_default_range_and_description() -> None:
    answer = captured("params", "training.seed", "model.cell", "--set", "training.seed=7")
    assert (answer.code, answer.err) == (0, "")
    first, _, second = answer.out.partition("model.cell\n")
    assert first.startswith("training.seed\n  value    7\n  default  1\n  allowed  whole number ≥ 0 and < 2^63\n  ")
    assert second.startswith('  value    "lstm"\n  default  "lstm"\n  allowed  lstm, gru, rnn')
    description = Params.model_fields["model"].annotation.model_fields["cell"].description  # type: ignore[union-attr]  # a section
    assert " ".join(str(description).split()) in second


def test_every_parameter_can_be_asked_for_alone_and_with_its_section() -> None:
    sections = list(Params.model_fields)
    for wanted in (KEYS, sections):
        answer = captured("params", *wanted)
        assert (answer.code, answer.err) == (0, "")
        assert re.findall(r"^\w+\.\w+$", answer.out, re.MULTILINE) == KEYS


def test_credentials_are_not_shown() -> None:
    for keys in ([], ["tracking.uri"], ["tracking"]):
        answer = captured("params", *keys, "--set", "tracking.uri=http://me:hunter2@host")
        assert "http://***@host" in answer.out
        assert "hunter2" not in answer.out


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("training.sed", "training.sed: unknown parameter; did you mean training.seed?"),
        ("seed", "seed: unknown parameter; did you mean training.seed?"),
        ("modl", "modl: unknown parameter; did you mean model?"),
        ("model.", "model.: unknown parameter; see docs/parameters.md for those there are"),
        ("model.cell.x", "model.cell.x: unknown parameter"),
        ("", ": unknown parameter"),
    ],
)
def test_an_unknown_key_is_one_line(key: str, message: str) -> None:
    answer = captured("params", "training.seed", key)
    assert answer.code == 2
    assert answer.err.startswith(f"error: {message}")
    assert answer.err.count("\n") == 1
    assert answer.out == ""
