import numpy as np
import pytest

from charrnn.config.schema import DataParams
from charrnn.report.cells import find_units
from charrnn.report.features import FEATURES
from charrnn.report.held_out import of_text
from charrnn.report.reading import Reading
from tests.charrnn.report.subjects import vocabulary_of
from tests.texts import made_up_play

TEXT = made_up_play(8000)


def reading_of(units: np.ndarray) -> Reading:
    held_out = of_text(TEXT, "a text", DataParams(), vocabulary_of(TEXT), len(TEXT))
    none = np.zeros((len(TEXT), 5), dtype=np.float32)
    bits = np.ones(len(TEXT), dtype=np.float32)
    return Reading(held_out, bits, none.astype(np.int32), none, units.astype(np.float16), 1)


def test_a_unit_that_follows_a_feature_is_found_beyond_chance() -> None:
    random = np.random.default_rng(1)
    units = random.normal(size=(len(TEXT), 30)) * 0.3
    line = next(feature for feature in FEATURES if feature.name == "position in the line")
    units[:, 17] -= line.values(TEXT) / 50
    (found,) = [one for one in find_units(reading_of(units)) if one.feature == line.name]
    assert found.unit == 17
    half = len(TEXT) // 2
    expected = np.corrcoef(units[half:, 17].astype(np.float16), line.values(TEXT)[half : 2 * half])[0, 1]
    assert found.correlation == pytest.approx(expected, abs=1e-3)
    assert found.is_beyond_chance


def test_of_units_that_follow_nothing_few_are_beyond_chance() -> None:
    random = np.random.default_rng(2)
    # Slow noise, as correlated in itself as what units of a trained model hold.
    noise = np.cumsum(random.normal(size=(len(TEXT), 200)), axis=0)
    units = np.tanh((noise[20:] - noise[:-20]) / 5)
    found = find_units(reading_of(np.concatenate([units[:20], units])))
    assert len(found) >= 3
    assert sum(one.is_beyond_chance for one in found) == 0


def test_a_feature_that_the_text_has_not_is_left_out() -> None:
    units = np.random.default_rng(3).normal(size=(len(TEXT), 4))
    assert "inside a comment" not in {one.feature for one in find_units(reading_of(units))}
