import io
import math
import struct

import numpy as np
import pytest
from matplotlib import image

from charrnn.evaluation.plots import Curve, loss_curves

SHORT = [(step, 3.0 / step) for step in range(1, 30)]
NOISY = list(enumerate(np.random.default_rng(0).normal(2, 1, 200_000).tolist()))
BASELINES = {"unigram": 3.3, "5-gram": 2.1}


def size(picture: bytes) -> tuple[int, int]:
    """Width and height in pixels, as a PNG's header tells them."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def pixels(picture: bytes) -> np.ndarray:
    return image.imread(io.BytesIO(picture), format="png")


@pytest.mark.parametrize("baselines", [{}, BASELINES])
@pytest.mark.parametrize(
    ("train", "val"),
    [
        ([], []),
        ([(1, 4.2)], []),
        ([], [(1, 4.2)]),
        ([(1, 4.2)], [(1, 4.1)]),
        (SHORT, SHORT[9::10]),
        (NOISY, [(5, 2.0)]),
    ],
    ids=["empty", "one step", "one evaluation", "one of each", "short", "long"],
)
def test_the_picture_is_a_png_of_the_same_size_whatever_there_is_to_draw(
    train: Curve, val: Curve, baselines: dict[str, float]
) -> None:
    picture = loss_curves(train, val, baselines, "Loss")
    assert size(picture) == (1080, 600)
    assert pixels(picture).shape[:2] == (600, 1080)


def test_each_part_is_drawn() -> None:
    parts: list[tuple[Curve, Curve, dict[str, float], str]] = [
        ([], [], {}, ""),
        (SHORT, [], {}, ""),
        ([], SHORT, {}, ""),
        ([], [], BASELINES, ""),
        ([], [], {"other": 3.3, "5-gram": 2.1}, ""),
        ([], [], {}, "a title"),
    ]
    pictures = [loss_curves(train, val, baselines, title) for train, val, baselines, title in parts]
    assert len(set(pictures)) == len(pictures)


def test_the_same_curves_give_the_same_picture() -> None:
    assert loss_curves(SHORT, SHORT, BASELINES, "Loss") == loss_curves(SHORT, SHORT, BASELINES, "Loss")


@pytest.mark.parametrize("text", ["$a^$", "100 % of $5 and $x_", "a\\b{", "<b> & </b>"])
def test_names_are_drawn_as_they_are_and_never_as_formulas(text: str) -> None:
    assert size(loss_curves(SHORT, [], {text: 2.0}, text)) == (1080, 600)


def test_a_loss_that_is_no_number_leaves_a_gap() -> None:
    broken = [(step, math.nan if step == 9 else loss) for step, loss in SHORT]
    assert size(loss_curves(broken, broken, BASELINES, "Loss")) == (1080, 600)
