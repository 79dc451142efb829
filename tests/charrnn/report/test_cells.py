import numpy as np
import pytest

from charrnn.config.schema import DataParams
from charrnn.evaluation.held_out import of_text
from charrnn.report.cells import find_units
from charrnn.report.features import FEATURES
from charrnn.report.reading import Reading
from tests.charrnn.report.subjects import subject_of, vocabulary_of
from tests.texts import made_up_play

TEXT = made_up_play(8000)


def reading_of(units: np.ndarray) -> Reading:
    held_out = of_text(TEXT, "a text", DataParams(), vocabulary_of(TEXT), len(TEXT))
    none = np.zeros((len(TEXT), 5), dtype=np.float32)
    bits = np.ones(len(TEXT), dtype=np.float32)
    return Reading(held_out, bits, none.astype(np.int32), none, units.astype(np.float16), 1, 1.0)


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
    found = []
    for seed in range(6):
        # Slow noise, as correlated in itself as what units of a trained model hold.
        noise = np.cumsum(np.random.default_rng(seed).normal(size=(len(TEXT), 50)), axis=0)
        units = np.tanh((noise[20:] - noise[:-20]) / 5)
        found += find_units(reading_of(np.concatenate([units[:20], units])))
    assert len(found) >= 18
    # One in twenty would be, of a single unit beside the largest of 20 shifts.
    assert sum(one.is_beyond_chance for one in found) <= len(found) / 10


def test_a_unit_that_turns_its_sign_between_the_halves_is_not_beyond_chance() -> None:
    random = np.random.default_rng(1)
    units = random.normal(size=(len(TEXT), 30)) * 0.3
    line = next(feature for feature in FEATURES if feature.name == "position in the line")
    turned = np.where(np.arange(len(TEXT)) < len(TEXT) // 2, 1, -1)
    units[:, 17] += turned * line.values(TEXT) / 50
    (found,) = [one for one in find_units(reading_of(units)) if one.feature == line.name]
    assert found.unit == 17
    assert found.chosen > found.control
    assert found.correlation < -found.control
    assert not found.is_beyond_chance


def test_a_feature_does_not_last_beyond_its_document() -> None:
    documents = [f"{text}{number}" for number in range(60) for text in ('say "a', "(bcd", "plain text")]
    checkpoint = subject_of(documents).checkpoint
    held_out = of_text(documents, "it", checkpoint.params.data, checkpoint.vocabulary, 10_000)
    # The unit is 1 inside the quotation of its own document alone.
    inside = np.concatenate([[0.0] + [float('"' in one[: at + 1]) for at in range(len(one))] for one in documents])
    units = np.append(inside, 0.0)[:, None]
    none = np.zeros((len(units), 5), dtype=np.float32)
    reading = Reading(held_out, none[:, 0], none.astype(np.int32), none, units.astype(np.float16), 1, 1.0)
    (quotes,) = [one for one in find_units(reading) if one.feature == "inside quotation marks"]
    assert quotes.correlation == pytest.approx(1, abs=1e-4)


def test_a_feature_that_the_text_has_not_is_left_out() -> None:
    units = np.random.default_rng(3).normal(size=(len(TEXT), 4))
    assert "inside a comment" not in {one.feature for one in find_units(reading_of(units))}
