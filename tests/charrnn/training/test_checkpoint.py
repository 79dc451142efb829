import copy
import hashlib
import io
import pickle
import resource
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, FileError
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from charrnn.training.checkpoint import Checkpoint, checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.loop import train
from charrnn.training.state import TrainState, new_state
from tests.nested import equal

CPU = torch.device("cpu")
VOCABULARY = Vocabulary("\nabcé中😀", tuple(range(5, 12)), tuple(range(7)))
IDS = np.random.default_rng(0).integers(0, 7, 300).astype(np.uint8)
HEAD = b"charrnn checkpoint 1\n"


def params_for(*overrides: str) -> Params:
    texts = ["model.hidden_size=5", "model.num_layers=2", "model.embedding_size=5", "training.max_minutes=null"]
    return load_params(
        [], [*texts, "training.max_steps=4", "data.sources=['https://me:hunter2@host/a?token=s3cr3t']", *overrides]
    )


def trained(params: Params) -> TrainState:
    state = new_state(params.model, params.training, VOCABULARY.size, 3, CPU)
    list(train(state, Streams(IDS, 3, 10, CPU), None, params))
    return state


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    params = params_for()
    return checkpoint_of(trained(params), params, VOCABULARY, "the key", "the run")


@pytest.fixture
def path(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    save_checkpoint(tmp_path / "a checkpoint.ckpt", checkpoint)
    return tmp_path / "a checkpoint.ckpt"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, checkpoint: Checkpoint) -> bytes:
    path = tmp_path_factory.mktemp("good") / "x"
    save_checkpoint(path, checkpoint)
    return path.read_bytes()


@pytest.fixture(scope="module")
def values(data: bytes) -> dict[str, Any]:
    """What is in the file."""
    found: dict[str, Any] = torch.load(io.BytesIO(data[len(HEAD) + 32 :]), weights_only=True)
    return found


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples of a property."""
    return tmp_path_factory.mktemp("scratch") / "scratch.ckpt"


def sealed(content: bytes) -> bytes:
    """A file with the right head and digest around `content`."""
    return HEAD + hashlib.sha256(content).digest() + content


def saved(values: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def refuse(path: Path, data: bytes) -> str:
    """Check that `data` is refused as a checkpoint in one line that names the file; return the line."""
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_what_is_saved_is_what_is_loaded(path: Path, checkpoint: Checkpoint) -> None:
    loaded = load_checkpoint(path)
    assert (loaded.vocabulary, loaded.dataset_key, loaded.run_id) == (VOCABULARY, "the key", "the run")
    assert loaded.params.model_copy(update={"data": checkpoint.params.data}) == checkpoint.params
    assert loaded.step == checkpoint.step == 4
    assert equal(loaded.state, checkpoint.state)


def test_the_digest_is_of_the_content(tmp_path: Path, checkpoint: Checkpoint) -> None:
    digest = save_checkpoint(tmp_path / "a", checkpoint)
    assert load_checkpoint(tmp_path / "a").sha256 == digest
    assert hashlib.sha256((tmp_path / "a").read_bytes()[len(HEAD) + 32 :]).hexdigest() == digest


def test_credentials_are_not_in_the_file(path: Path) -> None:
    assert b"hunter2" not in path.read_bytes()
    assert b"s3cr3t" not in path.read_bytes()
    assert load_checkpoint(path).params.data.sources == ("https://***@host/a?token=***",)


@pytest.mark.parametrize("overrides", [[], ["training.ema_decay=null"], ["model.tie_weights=true"]])
@pytest.mark.parametrize("cell", CELLS)
def test_the_model_is_the_best_one_ready_to_be_used(cell: str, overrides: list[str], tmp_path: Path) -> None:
    params = params_for(f"model.cell={cell}", "model.dropout=0.5", *overrides)
    state = trained(params)
    save_checkpoint(tmp_path / "x", checkpoint_of(state, params, VOCABULARY, "", ""))
    model = load_checkpoint(tmp_path / "x").model()
    ids = torch.from_numpy(IDS[:50].astype(np.int64))[:, None]
    scores, _ = model(ids, model.initial_state(1))
    expected, _ = state.best_model.eval()(ids, state.best_model.initial_state(1))
    assert torch.equal(scores, expected)
    assert not model.training
    assert not any(weights.requires_grad for weights in model.parameters())
    assert model.num_parameters == state.model.num_parameters


def test_making_the_model_touches_no_random_state_and_shares_nothing_with_the_checkpoint(path: Path) -> None:
    loaded = load_checkpoint(path)
    kept = copy.deepcopy(loaded.state)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = loaded.model()
    assert torch.equal(torch.get_rng_state(), before)
    for weights in model.parameters():
        weights.data.zero_()
    assert equal(loaded.state, kept)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path, data: bytes) -> None:
    refuse(tmp_path / "x", data[: int(len(data) * share)])


@pytest.mark.parametrize("length", [*range(len(HEAD) + 33), -1])
def test_a_file_cut_anywhere_in_its_head_or_digest_is_refused(length: int, tmp_path: Path, data: bytes) -> None:
    refuse(tmp_path / "x", data[:length])


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(where: float, bit: int, scratch: Path, data: bytes) -> None:
    damaged = bytearray(data)
    damaged[int(where * len(damaged))] ^= 1 << bit
    refuse(scratch, bytes(damaged))


@given(content=st.binary(max_size=300))
def test_any_content_with_the_right_digest_is_refused(content: bytes, scratch: Path) -> None:
    assert "its content is not what charrnn writes" in refuse(scratch, sealed(content))


@given(where=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_changed_byte_with_the_right_digest_gives_a_checkpoint_or_is_refused(
    where: float, byte: int, scratch: Path, data: bytes
) -> None:
    content = bytearray(data[len(HEAD) + 32 :])
    content[int(where * len(content))] = byte
    scratch.write_bytes(sealed(bytes(content)))
    error = None
    try:
        load_checkpoint(scratch).model()
    except CheckpointError as caught:
        error = str(caught)
    assert error is None or (error.startswith(f"{scratch}: ") and "\n" not in error)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a charrnn checkpoint"),
        (b"\n", "is not a charrnn checkpoint"),
        (b"First Citizen:\nBefore we proceed any further, hear me speak.\n", "is not a charrnn checkpoint"),
        (b"charrnn checkpoint 1", "is not a charrnn checkpoint"),
        (b"charrnn checkpoint \n" + bytes(99), "is not a charrnn checkpoint"),
        (b"charrnn checkpoint one\n" + bytes(99), "is not a charrnn checkpoint"),
        (b"charrnn checkpoint 1 \n" + bytes(99), "is not a charrnn checkpoint"),
        (b"charrnn checkpoint -1\n" + bytes(99), "is not a charrnn checkpoint"),
        (b"charrnn checkpoint " + b"9" * 5000 + b"\n" + bytes(99), "is not a charrnn checkpoint"),
        (
            b"charrnn checkpoint 2\n" + bytes(99),
            "has checkpoint format 2, this charrnn reads format 1; use the version",
        ),
        (b"charrnn checkpoint 1\n" + bytes(99), "is truncated or damaged"),
        (saved({"params": {}}), "is not a charrnn checkpoint"),
    ],
)
def test_a_file_that_is_something_else_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    assert message in refuse(tmp_path / "x", data)


def test_a_directory_is_refused_and_a_missing_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match=r"/folder: is a directory, not a charrnn checkpoint$"):
        load_checkpoint(tmp_path / "folder")
    with pytest.raises(FileError, match=r"/missing: cannot read checkpoint: No such file or directory$"):
        load_checkpoint(tmp_path / "missing")


class Opener:
    """Opens a file, and so makes it, when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("place", ["whole", "params", "state"])
def test_nothing_in_the_file_is_executed(place: str, legacy: bool, tmp_path: Path, values: dict[str, Any]) -> None:
    marker = tmp_path / "was here"
    evil = Opener(marker) if place == "whole" else {**values, place: Opener(marker)}
    buffer = io.BytesIO()
    torch.save(evil, buffer, _use_new_zipfile_serialization=not legacy)
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    assert marker.exists(), "the file would do harm where it is trusted"
    marker.unlink()
    refuse(tmp_path / "x", sealed(buffer.getvalue()))
    refuse(tmp_path / "x", sealed(pickle.dumps(evil)))
    assert not marker.exists()


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    def change(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    return change


def without(*path: str) -> Callable[[Any], None]:
    def change(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        del values[path[-1]]

    return change


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)

DAMAGE = {
    "no params": (without("params"), "params: Field required"),
    "no state": (without("state"), "state: Field required"),
    "no step": (put("state", "progress", value=None), "state.progress: "),
    "params that are a list": (put("params", value=[1]), "params: "),
    "an unknown parameter": (put("params", "model", "hiden_size", value=3), "model.hiden_size"),
    "a parameter of another type": (put("params", "model", "hidden_size", value="wide"), "model.hidden_size"),
    "a parameter out of range": (
        put("params", "model", "num_layers", value=0),
        "model.num_layers: must be >= 1, got 0",
    ),
    "a section that is a tensor": (put("params", "model", value=torch.zeros(2)), "model"),
    "a vocabulary that is a text": (put("vocabulary", value="abc"), "vocabulary: "),
    "a vocabulary without characters": (without("vocabulary", "characters"), "vocabulary.characters: Field required"),
    "an unsorted vocabulary": (put("vocabulary", "characters", value=list("cba\né中😀")), "distinct characters sorted"),
    "characters that are one text": (put("vocabulary", "characters", value="abc"), "vocabulary.characters: "),
    "a count that is a text": (put("vocabulary", "counts", value=["x"] * 7), "vocabulary.counts.0: "),
    "one count too few": (put("vocabulary", "counts", value=[1] * 6), "one count and one first position"),
    "a vocabulary of another size": (
        put("vocabulary", value={"characters": ["a", "b"], "counts": [1, 1], "first_seen": [0, 1]}),
        "the checkpoint does not fit the model: embedding.weight is (8, 5) in the checkpoint, (3, 5) in the model",
    ),
    "a key that is a number": (put("dataset_key", value=7), "dataset_key: "),
    "a run that is a list": (put("run_id", value=["x"]), "run_id: "),
    "a state that is a tensor": (put("state", value=torch.zeros(3)), "state: "),
    "a step that is a text": (put("state", "progress", "step", value="many"), "state.progress.step: "),
    "a weight that is a text": (put("state", "model", "decoder.bias", value="x"), "state.model.decoder.bias: "),
    "a weight that is missing": (without("state", "model", "decoder.bias"), "decoder.bias is missing"),
    "a weight too many": (
        put("state", "model", "moon", value=torch.zeros(1)),
        "moon is (1,) in the checkpoint, not there",
    ),
    "an average of another shape": (
        put("state", "average", "decoder.bias", value=torch.zeros(1)),
        "decoder.bias is (1,)",
    ),
    "a line break in a name": (put("state", "model", "a\nb", value=3), "state.model.a b: "),
    "a list within itself": (put("params", "tracking", "tags", value={"a": ENDLESS}), "params: are not parameters"),
    "layers without end": (put("params", "model", "num_layers", value=10**12), "model.num_layers is 1000000000000"),
    "a size beyond all counting": (put("params", "model", "hidden_size", value=10**30), "model.hidden_size is 1000"),
    "a sparse tensor": (
        put("state", "model", "decoder.bias", value=torch.zeros(8).to_sparse()),
        "more numbers than it holds",
    ),
    "a tensor on no device": (
        put("state", "model", "decoder.bias", value=torch.zeros(8, device="meta")),
        "more numbers than it holds",
    ),
    "one number for a large tensor": (
        put("state", "hidden", value=[torch.zeros(1).expand(10**6, 10**6)] * 2),
        "more numbers than it holds",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_wrong_content_with_the_right_digest_is_refused(damage: str, tmp_path: Path, data: bytes) -> None:
    change, message = DAMAGE[damage]
    values = torch.load(io.BytesIO(data[len(HEAD) + 32 :]), weights_only=True)
    change(values)
    assert message in refuse(tmp_path / "x", sealed(saved(values)))


@pytest.mark.parametrize("values", [None, 3, "text", [1, 2], {}, {"params": {}}, torch.zeros(3), {1: 2}])
def test_what_torch_saved_and_is_no_checkpoint_is_refused(values: object, tmp_path: Path) -> None:
    assert "is not a charrnn checkpoint" in refuse(tmp_path / "x", sealed(saved(values)))


def test_a_zip_file_of_something_else_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", "hello")
    refuse(tmp_path / "x", sealed(buffer.getvalue()))


def test_a_file_that_unpacks_to_more_than_it_holds_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(values))) as plain,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in plain.namelist():
            archive.writestr(name, plain.read(name))
        archive.writestr("archive/data/99", bytes(10**6))
    assert "its content is not what charrnn writes" in refuse(tmp_path / "x", sealed(packed.getvalue()))


@contextmanager
def allocating_at_most(megabytes: float) -> Iterator[None]:
    """Check what PyTorch allocates on the CPU while the block runs."""
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        yield
    assert max((event.cpu_memory_usage for event in profile.events()), default=0) <= megabytes * 1e6


@pytest.mark.parametrize("hidden_size", [2000, 10**7])
@pytest.mark.parametrize("declared", ["params", "params and strides", "params and no device"])
def test_a_shape_that_the_weights_do_not_have_is_refused_before_it_is_allocated(
    declared: str, hidden_size: int, tmp_path: Path, checkpoint: Checkpoint
) -> None:
    shape = checkpoint.params.model.model_copy(update={"hidden_size": hidden_size})
    state = dict(checkpoint.state)
    if declared != "params":
        device = "meta" if declared == "params and no device" else "cpu"
        with torch.device("meta"):
            names = {name: tensor.shape for name, tensor in CharRNN(shape, VOCABULARY.size).state_dict().items()}
        state["model"] = {name: torch.zeros(1, device=device).expand(size) for name, size in names.items()}
        state["average"] = None
    absurd = replace(checkpoint, params=checkpoint.params.model_copy(update={"model": shape}), state=state)
    save_checkpoint(tmp_path / "x", absurd)
    assert (tmp_path / "x").stat().st_size < 1e5
    with allocating_at_most(megabytes=1):
        with pytest.raises(CheckpointError, match=r"/x: "):
            load_checkpoint(tmp_path / "x")
        if declared == "params":
            with pytest.raises(CheckpointError, match="does not fit the model: rnns"):
                absurd.model()


def test_the_check_of_what_is_allocated_sees_a_model_being_made(checkpoint: Checkpoint) -> None:
    large = checkpoint.params.model.model_copy(update={"hidden_size": 500})
    with pytest.raises(AssertionError), allocating_at_most(megabytes=1):
        CharRNN(large, VOCABULARY.size)


@contextmanager
def no_file_larger_than(limit: int) -> Iterator[None]:
    """Let the system refuse to write more (bytes), as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_keeps_the_old_file(path: Path, checkpoint: Checkpoint, data: bytes) -> None:
    another = replace(checkpoint, run_id="another run")
    with pytest.raises(FileError, match=r"a checkpoint\.ckpt: cannot write: File too large"), no_file_larger_than(1000):
        save_checkpoint(path, another)
    assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]
