import math
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

import charrnn
from charrnn import Model, api
from charrnn.config.loading import PROJECT
from charrnn.errors import (
    CheckpointError,
    CorpusError,
    DivergedError,
    FileError,
    ParamsError,
    SourceError,
    VocabularyError,
)
from charrnn.stopping import StopRequest
from charrnn.training.checkpoint import load_checkpoint
from charrnn.training.events import RolledBack, Steps, TrainEvent
from charrnn.training.rollback import train_with_rollback
from tests.charrnn.training.nested import equal
from tests.texts import RUSSIAN, made_up_play

SMALL = ["model.hidden_size=16", "training.seq_length=20", "training.batch_size=8", "training.max_minutes=null"]
STEPS = [*SMALL, "training.max_steps=30", "evaluation.every_steps=10"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "a novel, [draft] #2.txt"
    path.write_text(made_up_play(20_000), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*STEPS, f"data.directory={tmp_path_factory.mktemp('data')}"]


@pytest.fixture(scope="module")
def model(text: Path, options: list[str]) -> Model:
    return charrnn.fit(text, overrides=options)


def test_an_encoding_that_was_guessed_is_a_warning(
    tmp_path: Path, options: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "russian.txt").write_bytes(RUSSIAN.encode("koi8-r") * 40)
    model = charrnn.fit(tmp_path / "russian.txt", overrides=[*options, "data.encoding=auto", "training.max_steps=10"])
    assert set("счастливые") <= set(model.vocabulary.characters)
    (warning,) = [message for message in caplog.messages if "guessed" in message]
    assert warning.startswith(f"{tmp_path}/russian.txt (koi8-r): the encoding was guessed; ")


def test_a_text_is_trained_on_in_one_call(model: Model) -> None:
    assert repr(model) == "<charrnn.Model lstm 1x16, step 30>"
    assert model.params.model.hidden_size == 16
    assert set("the king") <= set(model.vocabulary.characters)


def test_the_same_call_gives_the_same_model(model: Model, text: Path, options: list[str], tmp_path: Path) -> None:
    again = charrnn.fit(str(text), overrides=options, progress=False)
    model.save(tmp_path / "one.ckpt")
    again.save(tmp_path / "other.ckpt")
    one, other = load_checkpoint(tmp_path / "one.ckpt"), load_checkpoint(tmp_path / "other.ckpt")
    assert equal(dict(other.state["average"]), dict(one.state["average"]))


def test_a_sample_begins_with_its_prime_and_takes_the_sampling_options(model: Model) -> None:
    written = model.sample("QUEEN:", length=40, temperature=0.5, top_k=5, seed=3)
    assert written.startswith("QUEEN:")
    assert len(written) == 46
    assert written == model.sample("QUEEN:", length=40, temperature=0.5, top_k=5, seed=3)
    assert written != model.sample("QUEEN:", length=40, temperature=0.5, top_k=5, seed=4)
    assert len(model.sample(length=5)) == 5


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"lenght": 5}, ParamsError, "unknown option 'lenght'; there are prime, length"),
        ({"length": 0}, ParamsError, "length: must be >= 1, got 0"),
        ({"prime": "ßß", "strict": True}, VocabularyError, "prime: the model has never seen 'ß'"),
        ({"stop": "ß", "strict": True}, VocabularyError, r"stop \(--until\): the model never writes 'ß'"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(
    call: dict[str, Any], error: type[Exception], words: str, model: Model
) -> None:
    with pytest.raises(error, match=words):
        model.sample(**call)


def test_what_the_model_cannot_use_is_said_as_everywhere_and_left_out(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    assert model.sample("QßUEEN:", stop="ß", length=9) == model.sample("QUEEN:", length=9)
    assert caplog.messages == [
        "prime: the model has never seen 'ß' (LATIN SMALL LETTER SHARP S); dropped",
        "stop (--until): the model never writes 'ß' (LATIN SMALL LETTER SHARP S); it ends no text",
    ]


def test_a_text_of_its_kind_scores_better_than_noise(model: Model) -> None:
    assert model.score("the king shall see what my good lord hath done") < 3.2
    assert model.score("gqxzjkvqqxzjv") > model.score("the king shall")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a", "text: has 1 character, must have at least 2: the first of a stream is not predicted"),
        ("日本", "text: has none of the characters that the model has seen and would predict"),
        ([], "text: is empty; there is nothing to score"),
    ],
)
def test_a_text_with_nothing_to_predict_has_no_score(texts: str | list[str], message: str, model: Model) -> None:
    with pytest.raises(CorpusError, match=f"^{message}$"):
        model.score(texts)


def test_a_model_of_lines_scores_each_line_of_a_text(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join(made_up_play(20_000).split()), encoding="utf-8")
    model = charrnn.fit(tmp_path / "names.txt", overrides=[*options, "data.documents=lines"], progress=False)
    assert model.score("king\nshall\n") == pytest.approx(model.score(["king", "shall"]), rel=1e-5)


def test_what_was_saved_is_loaded(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "novel.ckpt")
    loaded = charrnn.load(str(tmp_path / "novel.ckpt"))
    assert loaded.sample("QUEEN:", length=50) == model.sample("QUEEN:", length=50)
    assert (loaded.step, loaded.vocabulary, repr(loaded)) == (30, model.vocabulary, repr(model))


def test_what_cannot_be_loaded_or_trained_on_is_told(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "x.ckpt").write_text("hello")
    with pytest.raises(CheckpointError, match="is not a charrnn checkpoint"):
        charrnn.load(tmp_path / "x.ckpt")
    with pytest.raises(FileError, match="cannot read checkpoint"):
        charrnn.load(tmp_path / "y.ckpt")
    with pytest.raises(SourceError, match="no source of text answers"):
        charrnn.fit(tmp_path / "nothing.txt", overrides=options)
    with pytest.raises(ParamsError, match=r"model\.hiden_size: unknown parameter; did you mean model\.hidden_size"):
        charrnn.fit(tmp_path / "x.ckpt", overrides=["model.hiden_size=3"])
    (tmp_path / "short.txt").write_text("too short for one window")
    with pytest.raises(CorpusError, match=r"training\.seq_length"):
        charrnn.fit(tmp_path / "short.txt", overrides=options)


def test_minutes_limit_the_training(text: Path, options: list[str]) -> None:
    unlimited = [*options, "training.max_steps=null"]
    model = charrnn.fit(text, max_minutes=0.005, overrides=unlimited, progress=False)
    assert model.params.training.max_minutes == 0.005
    assert model.step > 0


def test_an_overlay_is_merged_over_the_defaults(text: Path, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "gru.yaml").write_text("model: {cell: gru}\n")
    model = charrnn.fit(text, overlays=[tmp_path / "gru.yaml"], overrides=[*options, "training.max_steps=1"])
    assert model.params.model.cell == "gru"


def test_training_goes_back_after_a_divergence(text: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TrainEvent] = []

    def spoiling(state: Any, *others: Any) -> Iterator[TrainEvent]:
        for event in train_with_rollback(state, *others):
            seen.append(event)
            yield event
            if isinstance(event, Steps) and event.last_step == 20 and not state.progress.rollbacks:
                with torch.no_grad():
                    state.model.decoder.bias[0] = math.nan

    monkeypatch.setattr(api, "train_with_rollback", spoiling)
    model = charrnn.fit(text, overrides=[*options, "checkpoint.every_steps=10"])
    (back,) = [event for event in seen if isinstance(event, RolledBack)]
    assert (back.step, back.to_step) == (21, 10)
    assert [event.last_step for event in seen if isinstance(event, Steps)][-1] == 30
    assert math.isfinite(model.score("the king shall"))


def test_a_stop_returns_the_best_so_far(text: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    request = StopRequest()

    @contextmanager
    def requests() -> Iterator[StopRequest]:
        yield request

    def stopping(*arguments: Any) -> Iterator[TrainEvent]:
        for event in train_with_rollback(*arguments):
            if isinstance(event, Steps) and event.last_step == 20:
                request.signal = signal.SIGINT
            yield event

    monkeypatch.setattr(api, "stop_requests", requests)
    monkeypatch.setattr(api, "train_with_rollback", stopping)
    assert charrnn.fit(text, overrides=options).step == 10
    request.signal = None
    before_any = [*options, "evaluation.every_steps=null", "evaluation.every_seconds=null"]
    assert charrnn.fit(text, overrides=before_any).step == 20


def test_a_training_that_diverges_for_good_returns_the_best_before_it_or_says_so(
    text: Path, options: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    hopeless = [*options, "training.max_rollbacks=0", "training.optimizer=sgd", "training.grad_clip=null"]
    with pytest.raises(DivergedError, match="training diverged at step"):
        charrnn.fit(text, overrides=[*hopeless, "training.learning_rate=1e30", "evaluation.every_steps=null"])
    rising = [*hopeless, "training.learning_rate=1e4", "training.warmup_steps=100000", "evaluation.every_steps=1"]
    model = charrnn.fit(text, overrides=[*rising, "training.max_steps=100000", "training.ema_decay=null"])
    assert f"the best model of step {model.step} is returned" in caplog.text


ENDLESS = """
import sys
from charrnn import api

train = api.train_with_rollback


def telling(*arguments):
    print("training", flush=True)
    yield from train(*arguments)


api.train_with_rollback = telling
print(api.fit(sys.argv[1], overrides=sys.argv[2:], progress=False))
"""


def test_a_text_that_ends_in_another_language_is_told(
    options: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "two languages.txt"
    path.write_text(made_up_play(20_000), encoding="utf-8")
    charrnn.fit(path, overrides=options, progress=False)
    assert "splits.by" not in caplog.text
    path.write_text(made_up_play(20_000) + "Мой дядя самых честных правил. " * 40, encoding="utf-8")
    charrnn.fit(path, overrides=options, progress=False)
    (warning,) = [message for message in caplog.messages if "splits.by" in message]
    assert warning.startswith("val does not resemble train (")
    assert warning.endswith("splits.by is position: set splits.by=blocks for splits that resemble train")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_ctrl_c_returns_the_model_and_sigterm_ends_the_process(
    number: int, code: int, text: Path, options: list[str]
) -> None:
    command = [sys.executable, "-c", ENDLESS, str(text), *options, "training.max_steps=1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "training\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert ("<charrnn.Model lstm 1x16" in out) == (code == 0)


def test_the_version_is_that_of_the_package() -> None:
    assert charrnn.__version__ == version("charrnn")
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        charrnn.__getattr__("fitt")


def test_what_the_readme_shows_runs_without_prefect_and_mlflow(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert "max_minutes=1" in block
    (tmp_path / "novel.txt").write_text(made_up_play(20_000) + "Once upon a time", encoding="utf-8")
    small = f"max_minutes=0.01, overrides={[*SMALL[:3], f'data.directory={tmp_path}/data']!r}"
    script = block.replace("max_minutes=1", small)
    script += (
        "\nimport sys\nprint(*sorted({'prefect', 'mlflow', 'tasks', 'flows'} & set(sys.modules)), 'nothing else')\n"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Once")
    assert result.stdout.endswith("nats per character\nnothing else\n")
    assert charrnn.load(tmp_path / "novel.ckpt").sample("Once", length=5).startswith("Once")
