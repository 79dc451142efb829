"""A sorted list of short texts, through the whole pipeline and out again as a list."""

import random

import numpy as np
import pytest

from charrnn.config.schema import Params
from charrnn.data.dataset import find_encoded
from charrnn.data.folder import DataFolder
from tests.workplace import Called, Workplace, call, call_sample


def sorted_names() -> list[str]:
    """Return the commonest names in no order and after them the rare ones, sorted: the last ones begin alike."""
    draw = random.Random(1)
    common = ["".join(draw.choices("aeilmnorst", k=draw.randint(3, 8))) for _ in range(6000)]
    rare = [draw.choice("wxyz") + "".join(draw.choices("aeiouy", k=draw.randint(3, 8))) for _ in range(1200)]
    return list(dict.fromkeys([*common, *sorted(rare)]))


NAMES = sorted_names()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Workplace:
    folder = tmp_path_factory.mktemp("a list")
    (folder / "names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    return Workplace(folder, folder / "names.txt", api_url)


def train(place: Workplace, *changes: str) -> Called:
    short = ["training.max_steps=20", "tracking.registered_model=null", *changes]
    answer = call(*place.options, *(part for change in short for part in ("--set", change)), "--quiet")
    assert answer.code == 0, answer.err
    return answer


def test_validation_by_position_is_of_another_kind_than_the_list_which_is_told(
    place: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    train(place)
    (warning,) = [message for message in caplog.messages if "splits.by" in message]
    assert warning.startswith("warning   val does not resemble train (a 5-gram of train gives it ")


def test_documents_are_drawn_from_the_whole_list_and_sampled_as_a_list(
    place: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = train(place, "data.documents=lines").out.strip()
    assert "splits.by" not in caplog.text
    tags = place.client.get_run(run_id).data.tags
    dataset = find_encoded(DataFolder(place.data_folder), tags["data.digest"])
    assert dataset is not None
    assert dataset.documents == len(NAMES)
    drawn = dataset.splits(Params().splits).documents
    assert drawn is not None
    for split in ("val", "test"):
        # As many in each third of the list as chance gives.
        thirds = np.histogram(drawn[split], bins=3, range=(0, len(NAMES)))[0]
        assert (np.abs(thirds - len(drawn[split]) / 3) < 0.25 * len(drawn[split])).all()
    assert sorted(np.concatenate(list(drawn.values()))) == list(range(len(NAMES)))

    sampled = call_sample("--run", "last", "--num-samples", "300", *place.places)
    assert (sampled.code, sampled.err) == (0, "")
    assert sampled.out.count("\n") == 300
    assert "--- seed" not in sampled.out
