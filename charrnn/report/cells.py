"""Units that follow a feature of the text, found on one half of it and measured on the other, beside a control.

A unit is chosen by its correlation on the first half of the text, so that the correlation on the second half was not
chosen. The control is the largest |correlation| that any unit has on the second half with the same feature shifted
circularly by a random offset: the shifted feature has the distribution and the autocorrelation of the feature, and
nothing to do with the text that the model has read. Knows no page.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.report.features import FEATURES, Values
from charrnn.report.reading import Reading

SHIFTS = 20
"""Random shifts, of which the control is the largest."""
RAREST = 20
"""A feature has to differ from its commonest value at this many places in each half."""
_SEED = 1

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """The unit that follows a feature most.

    Attributes:
        feature: its name.
        unit: its place among all units, those of the first layer first (from 0).
        chosen: Pearson's correlation, on the half that it was chosen on.
        correlation: the same on the other half.
        control: see above (0 to 1).
    """

    feature: str
    unit: int
    chosen: float
    correlation: float
    control: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether it follows the feature on both halves alike, and more than any unit follows a shifted one."""
        return self.correlation * math.copysign(1, self.chosen) > self.control


def find_units(reading: Reading) -> list[Found]:
    """Return, for each feature that the text has, the unit that follows it most; none for a text that is too short."""
    parts = reading.held_out.parts()
    half = len(reading.bits) // 2
    random = np.random.default_rng(_SEED)
    first, second = (_standardised(part) for part in np.split(reading.activations[: 2 * half].astype(np.float32), 2))
    found = []
    for feature in FEATURES:
        choosing, measuring = np.split(np.concatenate([feature.values(part) for part in parts])[: 2 * half], 2)
        if min(_others(choosing), _others(measuring)) < RAREST:
            continue
        chosen = _correlations(first, choosing[:, None])[:, 0]
        unit = int(np.abs(chosen).argmax())
        offsets = random.integers(half // 10, half - half // 10, size=SHIFTS).tolist()
        shifted = np.stack([np.roll(measuring, offset) for offset in offsets], axis=1)
        found.append(
            Found(
                feature.name,
                unit,
                float(chosen[unit]),
                float(_correlations(second[:, unit : unit + 1], measuring[:, None])[0, 0]),
                float(np.abs(_correlations(second, shifted)).max()),
            )
        )
    return found


def _others(values: Values) -> int:
    """Return how many of `values` are not the commonest one."""
    return len(values) - int(np.unique(values, return_counts=True)[1].max(initial=0))


def _correlations(units: Array, targets: Array) -> Array:
    """Return Pearson's correlations, (units, targets), of units, (places, units) and standardised, and targets."""
    products: Array = units.T @ _standardised(targets)
    return products / np.float32(len(targets))


def _standardised(values: Array) -> Array:
    """Return columns with mean 0 and variance 1; those that are constant as 0."""
    centred = values - values.mean(axis=0)
    deviation = np.sqrt(np.square(centred).mean(axis=0))
    scaled: Array = centred / np.where(deviation > 1e-6, deviation, np.inf).astype(np.float32)
    return scaled
