import copy
import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor, nn

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, FileError
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from charrnn.training.checkpoint import Checkpoint, checkpoint_of, content_digest, load_checkpoint, save_checkpoint
from charrnn.training.loop import train
from charrnn.training.state import TrainState, new_state
from tests.charrnn.training.nested import equal
from tests.limits import largest_file

CPU = torch.device("cpu")
VOCABULARY = Vocabulary("\nabcé中😀", tuple(range(5, 12)), tuple(range(7)))
IDS = np.random.default_rng(0).integers(0, 7, 300).astype(np.uint8)


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
    return checkpoint_of(trained(params), params, VOCABULARY, "the digest", "the run")


@pytest.fixture
def path(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    save_checkpoint(tmp_path / "a checkpoint.ckpt", checkpoint)
    return tmp_path / "a checkpoint.ckpt"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, checkpoint: Checkpoint) -> bytes:
    path = tmp_path_factory.mktemp("good") / "x"
    save_checkpoint(path, checkpoint)
    return path.read_bytes()


@dataclass
class Content:
    """What is in a file, to be changed and written again with the checksum that fits."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    @classmethod
    def of(cls, data: bytes) -> "Content":
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return cls(safetensors.torch.load(data), header["__metadata__"])

    def json(self, name: str) -> Any:
        return json.loads(self.metadata[name])

    def put(self, name: str, *path: str | int, value: object) -> None:
        """Change a value within one of the metadata that are JSON."""
        whole: dict[str, Any] = {"": self.json(name)}
        values: Any = whole
        for key in ("", *path)[:-1]:
            values = values[key]
        values[("", *path)[-1]] = value
        self.metadata[name] = json.dumps(whole[""])

    def sealed(self) -> bytes:
        metadata = {**self.metadata, "sha256": content_digest(self.tensors, self.metadata)}
        return safetensors.torch.save(self.tensors, metadata)


@pytest.fixture
def content(data: bytes) -> Content:
    return Content.of(data)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples of a property."""
    return tmp_path_factory.mktemp("scratch") / "scratch.ckpt"


def refuse(path: Path, data: bytes) -> str:
    """Check that `data` is refused as a checkpoint in one line that names the file; return the line."""
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 1000
    return message


def test_what_is_saved_is_what_is_loaded(path: Path, checkpoint: Checkpoint) -> None:
    loaded = load_checkpoint(path)
    assert (loaded.vocabulary, loaded.data_digest, loaded.run_id) == (VOCABULARY, "the digest", "the run")
    assert loaded.params.model_copy(update={"data": checkpoint.params.data}) == checkpoint.params
    assert loaded.step == checkpoint.step == 4
    assert equal(loaded.state, checkpoint.state)


def test_the_file_is_opened_by_the_safetensors_library_alone(path: Path, checkpoint: Checkpoint) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    assert metadata["format"] == "charrnn checkpoint"
    assert metadata["version"] == "3"
    assert json.loads(metadata["params"])["model"]["hidden_size"] == 5
    assert json.loads(metadata["vocabulary"])["characters"] == list(VOCABULARY.characters)
    assert json.loads(metadata["progress"])["step"] == 4
    assert json.loads(metadata["optimizer"])["betas"] == [0.9, 0.999]
    assert (metadata["data_digest"], metadata["run_id"]) == ("the digest", "the run")
    state = checkpoint.state
    for part in ("model", "average"):
        for name, tensor in state[part].items():
            assert torch.equal(tensors[f"{part}.{name}"], tensor)
    for number, moments in state["optimizer"]["state"].items():
        for name, tensor in moments.items():
            assert torch.equal(tensors[f"optimizer.{number}.{name}"], tensor)
    for number, tensor in enumerate(state["hidden"]):
        assert torch.equal(tensors[f"hidden.{number}"], tensor)
    assert torch.equal(tensors["random.cpu"], state["rng"])


def test_the_name_of_a_folder_may_have_bytes_that_are_no_utf8(tmp_path: Path, checkpoint: Checkpoint) -> None:
    params = load_params([], ["data.directory=/there/d\udcef"], base=checkpoint.params)
    path = tmp_path / "c\udcef.ckpt"
    save_checkpoint(path, replace(checkpoint, params=params))
    assert load_checkpoint(path).params.data.directory == r"/there/d\xef"
    with pytest.raises(FileError, match=r"/no\\xef\.ckpt: cannot read checkpoint: No such file"):
        load_checkpoint(tmp_path / "no\udcef.ckpt")


def test_the_digest_is_of_everything_else_whatever_the_order(tmp_path: Path, checkpoint: Checkpoint) -> None:
    digest = save_checkpoint(tmp_path / "a", checkpoint)
    found = Content.of((tmp_path / "a").read_bytes())
    assert load_checkpoint(tmp_path / "a").sha256 == found.metadata.pop("sha256") == digest
    expected = hashlib.sha256(json.dumps(found.metadata, sort_keys=True).encode())
    for name in sorted(found.tensors):
        tensor = found.tensors[name]
        expected.update(f"\n{json.dumps([name, str(tensor.dtype), list(tensor.shape)])}\n".encode())
        expected.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    assert expected.hexdigest() == digest
    assert save_checkpoint(tmp_path / "b", load_checkpoint(tmp_path / "a")) == digest


def test_a_state_in_bfloat16_is_saved_as_it_is(tmp_path: Path, checkpoint: Checkpoint) -> None:
    hidden = [tensor.bfloat16() for tensor in checkpoint.state["hidden"]]
    save_checkpoint(tmp_path / "x", replace(checkpoint, state={**checkpoint.state, "hidden": hidden}))
    assert equal(load_checkpoint(tmp_path / "x").state["hidden"], hidden)


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
    logits, _ = model(ids, model.initial_state(1))
    expected, _ = state.best_model.eval()(ids, state.best_model.initial_state(1))
    assert torch.equal(logits, expected)
    assert not model.training
    assert not any(weights.requires_grad for weights in model.parameters())
    assert model.num_parameters == state.model.num_parameters


STACKS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@pytest.mark.parametrize("cell", STACKS)
def test_a_file_of_version_2_whose_layers_were_one_module_is_read_as_that_module_read(
    cell: str, tmp_path: Path
) -> None:
    params = params_for("model.num_layers=3", f"model.cell={cell}")
    save_checkpoint(tmp_path / "x", checkpoint_of(trained(params), params, VOCABULARY, "", ""))
    content, stack = Content.of((tmp_path / "x").read_bytes()), STACKS[cell](5, 5, num_layers=3)
    content.metadata["version"] = "2"
    content.tensors = {name: tensor for name, tensor in content.tensors.items() if ".rnns." not in name}
    for name, weights in stack.named_parameters():
        content.tensors |= {f"{part}.rnns.0.{name}": weights.detach().clone() for part in ("model", "average")}
    (tmp_path / "x").write_bytes(content.sealed())
    loaded = load_checkpoint(tmp_path / "x")
    model, ids = loaded.model(), torch.from_numpy(IDS[:60].astype(np.int64)).view(20, 3)
    with torch.no_grad():
        assert model.embedding is not None
        expected = model.decoder(stack(model.embedding(ids))[0])
        found, _ = model(ids, model.initial_state(3))
    torch.testing.assert_close(found, expected)
    new_state(params.model, params.training, VOCABULARY.size, 3, CPU).load_dict(loaded.state)


def test_a_file_of_version_2_whose_layers_were_modules_of_their_own_is_read(tmp_path: Path) -> None:
    params = params_for("model.layer_norm=true")
    written = checkpoint_of(trained(params), params, VOCABULARY, "", "")
    save_checkpoint(tmp_path / "x", written)
    content = Content.of((tmp_path / "x").read_bytes())
    content.metadata["version"] = "2"
    (tmp_path / "x").write_bytes(content.sealed())
    assert equal(load_checkpoint(tmp_path / "x").state, written.state)


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


@pytest.mark.parametrize("length", [*range(54), -1])
def test_a_file_cut_anywhere_in_its_beginning_is_refused(length: int, tmp_path: Path, data: bytes) -> None:
    refuse(tmp_path / "x", data[:length])


@pytest.mark.parametrize("length", [0, 1, 2, 100, 10**6, 10**8, 2**32, 2**63, 2**64 - 1])
def test_a_header_length_that_lies_is_refused(length: int, tmp_path: Path, data: bytes) -> None:
    refuse(tmp_path / "x", length.to_bytes(8, "little") + data[8:])


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(where: float, bit: int, scratch: Path, data: bytes) -> None:
    damaged = bytearray(data)
    damaged[int(where * len(damaged))] ^= 1 << bit
    refuse(scratch, bytes(damaged))


@given(content=st.binary(max_size=300))
def test_any_content_behind_a_header_length_is_refused(content: bytes, scratch: Path) -> None:
    refuse(scratch, len(content).to_bytes(8, "little") + content)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)


@given(name=st.sampled_from(["params", "vocabulary", "progress", "optimizer"]), text=TEXTS)
def test_any_metadata_with_the_right_checksum_are_refused(name: str, text: str, scratch: Path, data: bytes) -> None:
    content = Content.of(data)
    content.metadata[name] = text
    refuse(scratch, content.sealed())


@given(where=st.floats(0, 1, exclude_max=True), byte=st.characters(min_codepoint=32, max_codepoint=126), of=st.data())
def test_a_changed_byte_with_the_right_checksum_gives_a_checkpoint_or_is_refused(
    where: float, byte: str, of: st.DataObject, scratch: Path, data: bytes
) -> None:
    content = Content.of(data)
    name = of.draw(st.sampled_from([*content.metadata, *content.tensors]))
    if name in content.tensors:
        flat = content.tensors[name].reshape(-1).view(torch.uint8)
        flat[int(where * len(flat))] = ord(byte)
    else:
        text = content.metadata[name]
        content.metadata[name] = text[: int(where * len(text))] + byte + text[int(where * len(text)) + 1 :]
    scratch.write_bytes(content.sealed())
    error = None
    try:
        load_checkpoint(scratch).model()
    except CheckpointError as caught:
        error = str(caught)
    assert error is None or (error.startswith(f"{scratch}: ") and "\n" not in error)


PICKLE = pickle.dumps({"params": {}})
OTHERS: list[object] = [None, 3, "text", [1, 2], {}, {"params": {}}, torch.zeros(3), {1: 2}]


def torch_saved(values: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", "hello")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a charrnn checkpoint"),
        (b"\n", "is not a charrnn checkpoint"),
        (b"First Citizen:\nBefore we proceed any further, hear me speak.\n", "is not a charrnn checkpoint"),
        (PICKLE, "is not a charrnn checkpoint"),
        (zipped(), "is not a charrnn checkpoint"),
        *((torch_saved(values), "is not a charrnn checkpoint") for values in OTHERS),
        (b"charrnn checkpoint 1", "is truncated or damaged"),
        (b"charrnn checkpoint 1\n" + bytes(99), "has checkpoint format 1, of charrnn 0.1, a pickle that is no longer"),
        (b"charrnn checkpoint 1\n" + PICKLE, "finish the run with charrnn 0.1, or train again"),
        (safetensors.torch.save({}), "is a safetensors file, but not a charrnn checkpoint"),
        (safetensors.torch.save({"model.x": torch.zeros(2)}), "is a safetensors file, but not a charrnn checkpoint"),
        (
            safetensors.torch.save({"x": torch.zeros(2)}, {"format": "pt"}),
            "is a safetensors file, but not a charrnn checkpoint",
        ),
        (
            safetensors.torch.save({"x": torch.zeros(2)}, {"format": "charrnn checkpoint", "version": "4"}),
            "has checkpoint format '4', this charrnn reads formats 2 and 3; use the version",
        ),
        (
            safetensors.torch.save({"x": torch.zeros(2)}, {"format": "charrnn checkpoint", "version": "9" * 5000}),
            "has checkpoint format '99999999999999999999', this charrnn reads formats 2 and 3",
        ),
        (
            safetensors.torch.save({"x": torch.zeros(2)}, {"format": "charrnn checkpoint", "version": "2"}),
            "is truncated or damaged (its checksum does not match its content)",
        ),
    ],
)
def test_a_file_that_is_something_else_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    assert message in refuse(tmp_path / "x", data)


def test_progress_takes_its_defaults_and_no_more(tmp_path: Path, content: Content) -> None:
    content.metadata["progress"] = "{}"
    (tmp_path / "x").write_bytes(content.sealed())
    assert load_checkpoint(tmp_path / "x").step == 0


def test_a_file_without_metadata_is_refused(tmp_path: Path) -> None:
    header = b'{"__metadata__":null}'
    message = refuse(tmp_path / "x", len(header).to_bytes(8, "little") + header)
    assert "is a safetensors file, but not a charrnn checkpoint" in message


def test_a_pipe_is_neither_read_nor_replaced(tmp_path: Path, checkpoint: Checkpoint) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match=r"/pipe: is not a file$"):
        load_checkpoint(tmp_path / "pipe")
    with pytest.raises(FileError, match=r"/pipe: cannot write: it is a device or a pipe"):
        save_checkpoint(tmp_path / "pipe", checkpoint)
    assert (tmp_path / "pipe").is_fifo()


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


@pytest.mark.parametrize("place", ["whole", "behind the old head", "params", "a tensor"])
def test_nothing_in_the_file_is_executed(place: str, tmp_path: Path, content: Content) -> None:
    marker = tmp_path / "was here"
    evil = pickle.dumps(Opener(marker))
    pickle.loads(evil)
    assert marker.exists(), "the file would do harm where it is trusted"
    marker.unlink()
    if place == "params":
        content.metadata["params"] = evil.decode("latin-1")
    if place == "a tensor":
        content.tensors["random.cpu"] = torch.frombuffer(bytearray(evil), dtype=torch.uint8)
    data = {"whole": evil, "behind the old head": b"charrnn checkpoint 1\n" + evil}.get(place, content.sealed())
    refuse(tmp_path / "x", data)
    assert not marker.exists()


def put(*path: str | int, value: object) -> Callable[[Content], None]:
    return lambda content: content.put(*path, value=value)  # type: ignore[arg-type]  # the first is a name


def tensor(name: str, value: Tensor | None) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        if value is None:
            del content.tensors[name]
        else:
            content.tensors[name] = value

    return change


def without(name: str) -> Callable[[Content], None]:
    return lambda content: content.metadata.__delitem__(name)


def text(name: str, value: str) -> Callable[[Content], None]:
    return lambda content: content.metadata.__setitem__(name, value)


DAMAGE = {
    "no params": (without("params"), "params: Field required"),
    "no progress": (without("progress"), "progress: Field required"),
    "no run": (without("run_id"), "run_id: Field required"),
    "progress that is null": (put("progress", value=None), "progress: "),
    "params that are a list": (put("params", value=[1]), "params: "),
    "params that are no JSON": (text("params", "{"), "params: Invalid JSON"),
    "params nested without end": (text("params", '{"a":' * 10**5 + "1" + "}" * 10**5), "params: Invalid JSON"),
    "an unknown parameter": (put("params", "model", "hiden_size", value=3), "model.hiden_size"),
    "a parameter of another type": (put("params", "model", "hidden_size", value="wide"), "model.hidden_size"),
    "a parameter out of range": (
        put("params", "model", "num_layers", value=0),
        "model.num_layers: must be >= 1, got 0",
    ),
    "a section that is a list": (put("params", "model", value=[0, 0]), "model"),
    "a vocabulary that is a text": (put("vocabulary", value="abc"), "vocabulary: "),
    "a vocabulary without characters": (
        put("vocabulary", value={"counts": [], "first_seen": []}),
        "vocabulary.characters: Field required",
    ),
    "an unsorted vocabulary": (put("vocabulary", "characters", value=list("cba\né中😀")), "distinct characters sorted"),
    "characters that are one text": (put("vocabulary", "characters", value="abc"), "vocabulary.characters: "),
    "a count that is a text": (put("vocabulary", "counts", value=["x"] * 7), "vocabulary.counts.0: "),
    "one count too few": (put("vocabulary", "counts", value=[1] * 6), "one count and one first position"),
    "a vocabulary of another size": (
        put("vocabulary", value={"characters": ["a", "b"], "counts": [1, 1], "first_seen": [0, 1]}),
        "the checkpoint does not fit the model: embedding.weight is (8, 5) in the checkpoint, (3, 5) in the model",
    ),
    "a step that is a text": (put("progress", "step", value="many"), "progress.step: "),
    "settings that are a list": (put("optimizer", value=[1]), "optimizer: "),
    "a weight that is missing": (tensor("model.decoder.bias", None), "decoder.bias is missing"),
    "a weight too many": (tensor("model.moon", torch.zeros(1)), "moon is (1,) in the checkpoint, not there"),
    "no weights at all": (
        lambda content: [tensor(name, None)(content) for name in list(content.tensors) if name.startswith("model.")],
        "does not fit the model",
    ),
    "an average of another shape": (tensor("average.decoder.bias", torch.zeros(1)), "decoder.bias is (1,)"),
    "a tensor of no part": (tensor("moon", torch.zeros(1)), "a tensor is called 'moon'"),
    "a line break in a name": (tensor("mo\non", torch.zeros(1)), "a tensor is called 'mo\\non'"),
    "moments of no weight": (tensor("optimizer.x.exp_avg", torch.zeros(1)), "a tensor is called 'optimizer.x.exp_avg'"),
    "a part of the hidden state that is missing": (tensor("hidden.0", None), "hidden state has other parts"),
    "no random state": (tensor("random.cpu", None), "rng: "),
    "a random state cut short": (tensor("random.cpu", torch.zeros(16, dtype=torch.uint8)), "rng: "),
    "weights that are whole numbers": (
        tensor("model.decoder.bias", torch.zeros(8, dtype=torch.int64)),
        "decoder.bias is of torch.int64",
    ),
    "a random state of no device": (tensor("random.x", torch.zeros(1)), "a tensor is called 'random.x'"),
    "a moment without a name": (tensor("optimizer.0", torch.zeros(1)), "a tensor is called 'optimizer.0'"),
    "moments of a weight that cannot be counted": (
        tensor(f"optimizer.{'9' * 5000}.exp_avg", torch.zeros(1)),
        "a tensor is called 'optimizer.9999",
    ),
    "characters that a terminal obeys": (
        tensor("model.\x1b[2J\x07", torch.zeros(1)),
        "model: �[2J� is (1,) in the checkpoint, not there",
    ),
    "a key without end": (put("progress", "x" * 10**6, value=1), "is not a charrnn checkpoint (progress.xxxx"),
    "layers without end": (put("params", "model", "num_layers", value=10**12), "model.num_layers is 1000000000000"),
    "a size beyond all counting": (put("params", "model", "hidden_size", value=10**30), "model.hidden_size is 1000"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_wrong_content_with_the_right_checksum_is_refused(damage: str, tmp_path: Path, content: Content) -> None:
    change, message = DAMAGE[damage]
    change(content)
    assert message in refuse(tmp_path / "x", content.sealed())


@contextmanager
def allocating_at_most(megabytes: float) -> Iterator[None]:
    """Check what PyTorch allocates on the CPU while the block runs."""
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        yield
    assert max((event.cpu_memory_usage for event in profile.events()), default=0) <= megabytes * 1e6


@pytest.mark.parametrize("hidden_size", [2000, 10**7])
def test_a_shape_that_the_weights_do_not_have_is_refused_before_it_is_allocated(
    hidden_size: int, tmp_path: Path, checkpoint: Checkpoint
) -> None:
    shape = checkpoint.params.model.model_copy(update={"hidden_size": hidden_size})
    absurd = replace(checkpoint, params=checkpoint.params.model_copy(update={"model": shape}))
    save_checkpoint(tmp_path / "x", absurd)
    assert (tmp_path / "x").stat().st_size < 1e5
    with allocating_at_most(megabytes=1):
        with pytest.raises(CheckpointError, match=r"/x: "):
            load_checkpoint(tmp_path / "x")
        with pytest.raises(CheckpointError, match="does not fit the model: rnns"):
            absurd.model()


@pytest.mark.parametrize("shape", [[10**6, 10**6], [2**62], [2**32, 2**32]])
def test_a_tensor_that_declares_more_than_the_file_has_is_refused_before_it_is_allocated(
    shape: list[int], tmp_path: Path, data: bytes
) -> None:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["model.decoder.bias"]["shape"] = shape
    lying = json.dumps(header).encode()
    with allocating_at_most(megabytes=1):
        refuse(tmp_path / "x", len(lying).to_bytes(8, "little") + lying + data[8 + length :])


def test_the_check_of_what_is_allocated_sees_a_model_being_made(checkpoint: Checkpoint) -> None:
    large = checkpoint.params.model.model_copy(update={"hidden_size": 500})
    with pytest.raises(AssertionError), allocating_at_most(megabytes=1):
        CharRNN(large, VOCABULARY.size)


def test_a_write_that_fails_keeps_the_old_file(path: Path, checkpoint: Checkpoint) -> None:
    another, before = replace(checkpoint, run_id="another run"), path.read_bytes()
    with pytest.raises(FileError, match=r"a checkpoint\.ckpt: cannot write: File too large"), largest_file(1000):
        save_checkpoint(path, another)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
