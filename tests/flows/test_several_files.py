"""A text in several files, through the whole pipeline: the model learns what a person sees in them, nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.data.dataset import find_encoded
from charrnn.data.folder import DataFolder
from tests.source_fixtures import zipped
from tests.texts import made_up_play
from tests.workplace import Workplace, call

TEXTS = [made_up_play(1500, seed=1) + "Anna\nBob", "Carl\n" + made_up_play(1500, seed=2) + "Döra", "Emil\nFritz"]
MARK = "\ufeff"


def in_files(folder: Path, contents: list[bytes]) -> Path:
    for number, content in enumerate(contents):
        (folder / f"{number}.txt").write_bytes(content)
    return folder / "?.txt"


def in_a_zip(folder: Path, contents: list[bytes]) -> Path:
    return zipped(folder / "texts.zip", **{f"{number}.txt": content for number, content in enumerate(contents)})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Workplace:
    """One store for all runs: to make one takes longer than a run."""
    folder = tmp_path_factory.mktemp("several files")
    return Workplace(folder, folder / "not used.txt", api_url)


@pytest.mark.parametrize(
    ("put", "encoding", "codecs"),
    [
        (in_files, "utf-8", ["utf-8", "utf-8", "utf-8"]),
        (in_files, "utf-16", ["utf-16-le", "utf-16-be", "utf-16-le"]),
        (in_a_zip, "utf-8", ["utf-8", "utf-8", "utf-8"]),
    ],
)
def test_no_mark_is_learnt_and_no_line_runs_on_into_the_next_file(
    place: Workplace, tmp_path: Path, put: Callable[[Path, list[bytes]], Path], encoding: str, codecs: list[str]
) -> None:
    contents = [(MARK + text).encode(codec) for text, codec in zip(TEXTS, codecs, strict=True)]
    source = put(tmp_path, contents)
    changes = [f"data.sources=['{source}']", f"data.encoding={encoding}", "training.max_steps=1", "sampling.length=1"]
    changes += ["tracking.registered_model=null", "evaluation.sample_length=1"]
    answer = call(*place.options, *(part for change in changes for part in ("--set", change)), "--quiet")
    assert (answer.code, answer.err) == (0, "")
    tags = place.client.get_run(answer.out.strip()).data.tags
    dataset = find_encoded(DataFolder(place.data_folder), tags["data.digest"])
    assert dataset is not None
    assert MARK not in dataset.vocabulary().characters
    assert dataset.vocabulary().decode(dataset.ids()) == "\n\n".join(TEXTS)
