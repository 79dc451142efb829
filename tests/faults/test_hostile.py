"""Files and parameters that are wrong on purpose, by the hundred: each is refused in one line and leaves nothing."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from charrnn.config.schema import Params
from tests.faults.ledger import FACTOR, record
from tests.workplace import Called, Finished, call, call_sample

KEYS = [
    (section, key)
    for section, field in Params.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    for key in field.annotation.model_fields
]
# What no parameter may be: a map of maps, a list of lists, not a number.
IMPOSSIBLE: list[Any] = [{"a": {"b": [1]}}, [[1, 2], [3]], math.nan]


def assert_one_line(answer: Called, name: str) -> None:
    assert (answer.code, answer.out) == (2, ""), answer.err
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    assert name in line
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(("section", "key"), KEYS, ids=[f"{section}.{key}" for section, key in KEYS])
def test_no_parameter_takes_what_it_cannot_be(section: str, key: str, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    for value in IMPOSSIBLE:
        overlay.write_text(yaml.safe_dump({section: {key: value}}), encoding="utf-8")
        if value is math.nan and _may_be_text(section, key):
            continue
        assert_one_line(call("--params", str(overlay)), f"{section}.{key}")
        record("an impossible parameter", survived=1)
    misspelt = f"{key[:-1]}{'x' if key[-1] != 'x' else 'y'}"
    overlay.write_text(yaml.safe_dump({section: {misspelt: 1}}), encoding="utf-8")
    assert_one_line(call("--params", str(overlay)), f"{section}.{misspelt}")
    record("a misspelt parameter", survived=1)
    assert list(tmp_path.iterdir()) == [overlay]


def _may_be_text(section: str, key: str) -> bool:
    kind = Params.model_fields[section].annotation
    assert isinstance(kind, type)
    assert issubclass(kind, BaseModel)
    schema = str(kind.model_json_schema()["properties"][key])
    return "'string'" in schema


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch executed']",
        "training: !!python/name:os.system",
        "training: {seed: !!python/object/new:os.system ['touch executed']}",
        "!!python/module:os",
        "a: &a [*a]",
        "training: {seed: 1, seed: [",
        "\x00",
        "? [1, 2]\n: 3",
    ],
)
def test_a_parameter_file_executes_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text, encoding="utf-8")
    assert_one_line(call("--params", str(overlay)), "overlay.yaml")
    assert list(tmp_path.iterdir()) == [overlay]
    record("a parameter file from a stranger", survived=1)


@settings(max_examples=60 * FACTOR, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_checkpoint_with_a_changed_or_missing_part_is_refused(
    data: st.DataObject, finished: Finished, tmp_path: Path
) -> None:
    folder = finished.workplace.folder / "the data" / "checkpoints" / finished.run_id
    sound = (folder / "best.ckpt").read_bytes()
    place = data.draw(st.integers(0, len(sound) - 1))
    damaged = bytearray(sound)
    if data.draw(st.booleans()):
        damaged[place] ^= data.draw(st.integers(1, 255))
    else:
        del damaged[place:]
    path = tmp_path / "a.ckpt"
    path.write_bytes(damaged)
    assert_one_line(call_sample("--checkpoint", str(path), "--length", "5"), "a.ckpt")
    record("a damaged checkpoint", survived=1)
