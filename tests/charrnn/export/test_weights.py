import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from charrnn.export.weights import _integers, bits_per_character, pack, packed_size, rounded
from tests.charrnn.export.writers import untrained

SMALL = st.floats(-1e3, 1e3, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=SMALL))
def test_each_number_is_rounded_to_half_a_step_of_its_row(matrix: np.ndarray) -> None:
    integers, scales = _integers(matrix)
    assert integers.dtype == np.int8
    assert (np.abs(integers * scales[:, None] - matrix) <= scales[:, None] * 0.5001 + 1e-30).all()


def test_float32_is_packed_as_it_is() -> None:
    network = untrained("model.num_layers=2").network
    packed = pack(network, "float32")
    for tensor, (name, parameter) in zip(packed.tensors, network.named_parameters(), strict=True):
        assert (tensor["name"], tensor["shape"], tensor["scales"]) == (name, list(parameter.shape), None)
        values = np.frombuffer(packed.block, "<f4", parameter.numel(), tensor["offset"])
        assert values.reshape(parameter.shape) == pytest.approx(parameter.numpy(), abs=0)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_size_is_that_of_the_block(precision: str) -> None:
    network = untrained("model.layer_norm=true", "model.embedding_size=12", "model.tie_weights=true").network
    assert packed_size(network, precision) == len(pack(network, precision).block)  # type: ignore[arg-type]


def test_the_rounded_copy_leaves_the_model_alone_and_costs_a_little() -> None:
    writer = untrained()
    before = {name: parameter.clone() for name, parameter in writer.network.named_parameters()}
    changed = dict(rounded(writer.network).named_parameters())
    for name, parameter in writer.network.named_parameters():
        assert parameter.equal(before[name])
        assert parameter.equal(changed[name]) == (parameter.ndim == 1)
    exact, small = (bits_per_character(writer, precision, "abc ab" * 30) for precision in ("float32", "int8"))
    assert exact != small
    assert small == pytest.approx(exact, rel=0.05)
