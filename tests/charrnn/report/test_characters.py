import numpy as np
import pytest

from charrnn.model.cells import CELLS
from charrnn.report.characters import plane
from tests.charrnn.report.subjects import subject_of

TEXT = "abcabcdef \U0001f600" * 20


@pytest.mark.parametrize("shape", [*(f"model.cell={cell}" for cell in CELLS), "model.num_layers=2"])
@pytest.mark.parametrize("embedding", ["4", "null"])
def test_characters_with_equal_vectors_are_at_one_point(shape: str, embedding: str) -> None:
    checkpoint = subject_of(TEXT, shape, f"model.embedding_size={embedding}").checkpoint
    network = checkpoint.model()
    weights = network.embedding.weight if network.embedding else network.get_parameter("rnns.0.weight_ih_l0").T
    vectors = weights.detach()
    assert vectors.shape[0] == checkpoint.vocabulary.size
    vectors[2] = vectors[5]
    found = plane(network, checkpoint.vocabulary)
    assert found.ids.tolist() == list(range(len(checkpoint.vocabulary.characters)))
    assert found.points[2] == pytest.approx(found.points[5], abs=1e-5)
    assert found.points.min(axis=0) == pytest.approx([-1, -1])
    assert found.points.max(axis=0) == pytest.approx([1, 1])
    centred = vectors[: len(found.ids)].numpy() - vectors[: len(found.ids)].numpy().mean(axis=0)
    variances = np.sort(np.linalg.eigvalsh(centred.T @ centred))[::-1]
    assert found.shares == pytest.approx(variances[:2] / variances.sum(), abs=1e-4)


def test_one_character_is_a_point() -> None:
    checkpoint = subject_of("a" * 100).checkpoint
    assert plane(checkpoint.model(), checkpoint.vocabulary).points.shape == (1, 2)
