import hashlib
from pathlib import Path

import torch

from charrnn.config.loading import load_params
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import encode_corpus
from charrnn.data.text_file import TextFile
from charrnn.data.windows import Windows
from charrnn.training.session import Session, new_session

NAMES = "".join(f"name {number}\n" for number in range(400))


def session(folder: Path, *changes: str) -> Session:
    path = folder / "names.txt"
    path.write_text(NAMES)
    digest = hashlib.sha256(NAMES.encode()).hexdigest()
    corpus = Corpus((TextFile("names.txt", path, digest, len(NAMES)),), digest, len(NAMES), "names.txt", True, ())
    small = ["model.hidden_size=4", "data.documents=lines", f"data.directory={folder / 'data'}"]
    params = load_params([], [*small, *changes])
    return new_session(encode_corpus(corpus, params.data), params, torch.device("cpu"))


def order(windows: Windows) -> list[int]:
    return [begin for index in range(windows.num_windows) for begin in windows.window(index).begins.tolist()]


def test_the_order_of_documents_comes_from_the_seed_of_the_training(tmp_path: Path) -> None:
    first, again, other = (session(tmp_path, f"training.seed={seed}") for seed in (1, 1, 2))
    assert order(first.streams) == order(again.streams)
    assert order(first.streams) != order(other.streams)
    assert set(order(first.streams)) == set(order(other.streams))


def test_an_evaluation_in_training_reads_a_sample_of_whole_documents(tmp_path: Path) -> None:
    whole = session(tmp_path, "splits.val_fraction=0.5", "evaluation.max_characters=null").val_streams
    sample = session(tmp_path, "splits.val_fraction=0.5", "evaluation.max_characters=500").val_streams
    assert whole is not None
    assert sample is not None
    assert 480 < sample.characters <= 500 < whole.characters
    assert set(order(sample)) < set(order(whole))
