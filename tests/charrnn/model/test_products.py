"""Products with large matrices are in integers where the processor multiplies these, others in float32."""

import numpy as np
import pytest

from charrnn.model import products
from charrnn.model.products import Array, IntegerProduct, product


def random(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def is_in_integers(weight: Array) -> bool:
    return isinstance(product(weight), IntegerProduct)


def test_a_small_matrix_is_multiplied_in_float32_to_the_last_bit() -> None:
    weight, rows = random(1024, 512), random(3, 512)
    assert not is_in_integers(weight)
    np.testing.assert_array_equal(product(weight)(rows), np.dot(rows, np.ascontiguousarray(weight.T)))


def test_a_large_matrix_is_multiplied_in_integers_unless_its_weights_are_not_finite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "multiplies_int8", lambda: True)
    weight = random(2048, 512)
    assert is_in_integers(weight)
    weight[3, 4] = np.nan
    assert not is_in_integers(weight)
    assert np.isnan(product(weight)(random(1, 512))[0, 3])


def test_a_processor_without_such_instructions_multiplies_a_large_matrix_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "multiplies_int8", lambda: False)
    assert not is_in_integers(random(2048, 512))


@pytest.mark.parametrize("texts", [1, 2, 33])
def test_integers_give_nearly_the_product(texts: int) -> None:
    # Outputs, and rows, of very different size: each has a scale of its own.
    weight = random(130, 300) * np.logspace(-3, 3, 130, dtype=np.float32)[:, None]
    rows = random(texts, 300) * np.logspace(-2, 2, texts, dtype=np.float32)[:, None]
    expected = rows.astype(np.float64) @ weight.T.astype(np.float64)
    found = IntegerProduct(weight)(rows)
    assert found.dtype == np.float32
    sizes = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(weight, axis=1)
    assert np.abs((found - expected) / sizes).max() < 0.004


def test_a_row_gets_the_same_in_integers_alone_and_beside_others() -> None:
    multiply, rows = IntegerProduct(random(256, 128)), random(40, 128)
    np.testing.assert_array_equal(multiply(rows), np.concatenate([multiply(row[None]) for row in rows]))


def test_zeros_stay_zeros_in_integers() -> None:
    weight, rows = random(20, 30), random(2, 30)
    weight[5], rows[1] = 0, 0
    with np.errstate(all="raise"):
        found = IntegerProduct(weight)(rows)
    assert not found[1].any()
    assert np.flatnonzero(found[0] == 0).tolist() == [5]
