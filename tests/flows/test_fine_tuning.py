"""Fine-tuning: new text, the weights of a trained model, a run of its own that needs nothing else."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from charrnn.config.loading import load_params
from charrnn.config.schema import DataParams
from charrnn.data.corpus import Corpus, fetch_corpus
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.errors import CorpusError, ParamsError, VocabularyError
from charrnn.training.checkpoint import load_checkpoint, save_checkpoint
from flows.cli.app import run
from flows.pipeline import pipeline
from tasks.tracking.mlflow import Experiment
from tasks.tracking.trained_models import TrainedModel, find_model
from tests.recorded import dataset_inputs, profile
from tests.texts import made_up_play
from tests.workplace import SMOKE, Called, Workplace, call

PARENT_MODEL = ["--set", "model.cell=gru", "--set", "model.hidden_size=40"]


def in_another_language(text: str) -> str:
    """The same play without a Q and with letters it did not have."""
    return text.replace("QUEEN", "KÖNIGIN").replace("love", "façade").replace("night", "nuit…")


@dataclass(frozen=True)
class Family:
    """A trained model, a run fine-tuned from it on another text, and one on that text that started from nothing."""

    workplace: Workplace
    parent: str
    child: str
    scratch: str

    @property
    def options(self) -> list[str]:
        """Those of the smoke run on the other text, without a word about the model."""
        return ["--params", str(self.workplace.folder / "no model.yaml"), *self.workplace.options[2:]]

    def checkpoint(self, run_id: str, name: str = "best.ckpt") -> Path:
        return self.workplace.folder / "the data" / "checkpoints" / run_id / name

    def history(self, run_id: str, key: str) -> dict[int, float]:
        return {item.step: item.value for item in self.workplace.client.get_metric_history(run_id, key)}


def without_model(folder: Path) -> None:
    """Write the smoke overlay without its model section."""
    values = yaml.safe_load(SMOKE.read_text())
    del values["model"]
    (folder / "no model.yaml").write_text(yaml.safe_dump(values))


def run_id_of(answer: Called) -> str:
    assert answer.code == 0, answer.err
    return answer.out.strip()


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Family:
    folder = tmp_path_factory.mktemp("a family")
    first, second = folder / "a play.txt", folder / "another play.txt"
    first.write_text(made_up_play(20_000), encoding="utf-8")
    second.write_text(in_another_language(made_up_play(20_000, seed=1)), encoding="utf-8")
    without_model(folder)
    workplace = Workplace(folder, first, api_url)
    parent = run_id_of(call(*workplace.options, *PARENT_MODEL, "--quiet"))
    family = Family(replace(workplace, text=second), parent, "", "")
    scratch = run_id_of(call(*family.options, *PARENT_MODEL, "--set", "model.embedding_size=16", "--quiet"))
    child = run_id_of(call(*family.options, "--init-from", parent, "--quiet"))
    return replace(family, child=child, scratch=scratch)


def test_a_fine_tuned_run_starts_far_below_one_from_scratch(family: Family) -> None:
    child, scratch = family.history(family.child, "val/loss"), family.history(family.scratch, "val/loss")
    assert min(child) == min(scratch) == 20
    assert child[20] < scratch[20] - 0.2
    assert family.history(family.child, "train/loss")[1] < family.history(family.scratch, "train/loss")[1] - 0.5


def test_the_model_is_the_parents(family: Family) -> None:
    params = family.workplace.client.get_run(family.child).data.params
    assert (params["model.cell"], params["model.hidden_size"]) == ("gru", "40")
    assert params["training.max_steps"] == "60"


def test_the_vocabulary_is_the_union_and_says_what_the_text_has(family: Family) -> None:
    parent = load_checkpoint(family.checkpoint(family.parent)).vocabulary
    child = load_checkpoint(family.checkpoint(family.child)).vocabulary
    text = family.workplace.text.read_text(encoding="utf-8")
    assert child.characters == "".join(sorted({*parent.characters, *text}))
    assert "Q" not in text
    path = family.workplace.client.download_artifacts(family.child, "vocabulary/characters.json")
    table = pd.DataFrame(**json.loads(Path(path).read_text())).set_index("character")
    assert (table.loc["Q", "count"], table.loc["Q", "share"]) == (0, 0)
    assert table["first_seen_at"].isna()["Q"]
    assert table.loc["Ö", "first_seen_at"] == text.index("Ö")


def test_the_run_says_where_it_started_and_links_there(family: Family) -> None:
    run = family.workplace.client.get_run(family.child)
    parent = family.workplace.client.get_run(family.parent)
    step = load_checkpoint(family.checkpoint(family.parent)).step
    assert run.data.tags["charrnn.init_from"] == run.data.tags["charrnn.parent_run_id"] == family.parent
    assert "mlflow.parentRunId" not in run.data.tags
    assert run.info.run_name == f"another play gru 1x40 b8 t25 from {family.parent[:8]}"
    lines = run.data.tags["mlflow.note.content"].splitlines()
    assert [line.split("**")[1] for line in lines] == [
        "Text",
        "Splits",
        "Model",
        "Started from",
        "Training",
        "Result",
        "Kept",
    ]
    page = f"#/experiments/{parent.info.experiment_id}/runs/{family.parent}"
    assert f"step {step} of run [{family.parent}]({page}" in lines[3]
    assert "Started from" not in parent.data.tags["mlflow.note.content"]


def test_a_fine_tuned_model_reads_and_may_write_the_new_characters(
    family: Family, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--set", f"tracking.uri={family.workplace.uri}", "--set", f"data.directory={family.workplace.folder}/x"]
    request = ["--prime", "façade", "--strict", "--length", "4000", "--temperature", "2"]
    for run_id, code in [(family.child, 0), (family.parent, 2)]:
        assert run(["sample", "--run", run_id, *request, *store]) == code
    out, err = capsys.readouterr()
    assert set("çÖ…Q") <= set(out.removeprefix("façade"))
    assert "LATIN SMALL LETTER C WITH CEDILLA" in err


def model_called(family: Family, wanted: str) -> TrainedModel:
    params = load_params([], family.workplace.overrides)
    return find_model(Experiment(params.tracking, params.data), wanted)


@pytest.mark.parametrize("kind", ["run", "last", "file", "model", "version", "alias"])
def test_a_trained_model_goes_by_many_names(family: Family, kind: str) -> None:
    client = family.workplace.client
    versions = {item.run_id: item.version for item in client.search_model_versions("name = 'charrnn'")}
    client.set_registered_model_alias("charrnn", "parent", versions[family.parent])
    path = family.checkpoint(family.parent)
    wanted, reference, run_id = {
        "run": (family.parent, family.parent, family.parent),
        "last": ("last", family.child, family.child),
        "file": (str(path), str(path), family.parent),
        "model": ("charrnn", "charrnn", family.parent),
        "version": (f"charrnn/{versions[family.parent]}",) * 2 + (family.parent,),
        "alias": ("charrnn@parent",) * 2 + (family.parent,),
    }[kind]
    found = model_called(family, wanted)
    expected = load_checkpoint(family.checkpoint(run_id))
    assert (found.origin.reference, found.origin.run_id, found.origin.step) == (reference, run_id, expected.step)
    assert f"/runs/{run_id}" in found.origin.ui_path
    assert found.checkpoint.vocabulary == expected.vocabulary
    assert torch.equal(found.checkpoint.model().decoder.bias, expected.model().decoder.bias)


def test_a_folder_of_that_name_does_not_hide_a_registered_model(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "charrnn").mkdir()
    monkeypatch.chdir(tmp_path)
    assert model_called(family, "charrnn").origin.run_id == family.parent


def truncated(whole: bytes) -> bytes:
    return whole[:-10]


def of_another_format(whole: bytes) -> bytes:
    return whole.replace(b'"version":"3"', b'"version":"9"', 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "is truncated or damaged"),
        (of_another_format, "has checkpoint format '9', this charrnn reads formats 2 and 3"),
        (lambda whole: b"charrnn checkpoint 1\n" + bytes(99), "has checkpoint format 1, of charrnn 0.1"),
        (lambda whole: b"To be, or not to be", "is not a charrnn checkpoint"),
        (lambda whole: None, "cannot read checkpoint: No such file"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_before_a_run_is_made(
    family: Family, tmp_path: Path, damage: object, message: str
) -> None:
    path = tmp_path / "model.ckpt"
    assert callable(damage)
    content = damage(family.checkpoint(family.parent).read_bytes())
    if content is not None:
        path.write_bytes(content)
    assert_refused(family, str(path), message)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("0123456789abcdef" * 2, "run 0123456789abcdef0123456789abcdef: there is no such run"),
        ("nobody", "model nobody: no model of that name is registered in .*; nor is it a checkpoint file or a run id"),
        ("charrnn@nobody", "model charrnn@nobody: not found"),
        ("charrnn/999", "model charrnn/999: not found"),
    ],
)
def test_a_model_that_is_not_there_is_refused_before_a_run_is_made(family: Family, wanted: str, message: str) -> None:
    assert_refused(family, wanted, message)


def assert_refused(family: Family, wanted: str, message: str, *options: str) -> None:
    before = family.workplace.runs()
    answer = call(*family.options, *options, "--init-from", wanted, "--quiet")
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert pd.Series([line]).str.contains(message).item(), line
    assert family.workplace.runs() == before


def test_weights_that_do_not_fit_are_refused_before_a_run_is_made(family: Family, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(family.checkpoint(family.parent))
    larger = checkpoint.params.model.model_copy(update={"hidden_size": 41})
    save_checkpoint(
        tmp_path / "odd", replace(checkpoint, params=checkpoint.params.model_copy(update={"model": larger}))
    )
    assert_refused(family, str(tmp_path / "odd"), "the checkpoint does not fit the model")


@pytest.mark.parametrize("option", [["--params", str(SMOKE)], ["--set", "model.hidden_size=48"]])
def test_another_shape_of_model_is_refused_by_name(family: Family, option: list[str]) -> None:
    assert_refused(
        family,
        family.parent,
        r"model\.hidden_size \(was 40, now 48\).*only model\.input_dropout and model\.dropout",
        *option,
    )


def test_dropout_may_be_raised_and_parameters_said_again(family: Family) -> None:
    said = ["--set", "model.dropout=0.3", "--set", "model.hidden_size=40", "--set", "training.max_steps=1"]
    run_id = run_id_of(call(*family.options, "--init-from", family.parent, *said, "--quiet"))
    params = family.workplace.client.get_run(run_id).data.params
    assert (params["model.dropout"], params["model.hidden_size"]) == ("0.3", "40")


def test_a_run_is_either_resumed_or_started_from_a_model(family: Family) -> None:
    answer = call(*family.options, "--init-from", "last", "--resume", "last")
    assert answer.code == 2
    assert "--resume: not allowed with --init-from" in answer.err
    with pytest.raises(ParamsError, match="only one of them"):
        pipeline(overrides=family.workplace.overrides, init_from="last", resume="last")


def test_a_dry_run_says_what_it_would_start_from(family: Family) -> None:
    before = family.workplace.runs()
    answer = call(*family.options, "--init-from", "charrnn@parent", "--dry-run")
    assert answer.code == 0
    assert "# train     the weights and model parameters of charrnn@parent, instead of those above," in answer.out
    assert family.workplace.runs() == before


STEADY = ["--set", "training.schedule=constant", "--quiet"]


@pytest.fixture(scope="module")
def away(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Family:
    """Another store on another disk, which has nothing of the parent; in it, a run of 40 steps from a copy of it."""
    folder = tmp_path_factory.mktemp("away")
    text = Path(shutil.copy(family.workplace.text, folder))
    without_model(folder)
    away = Family(Workplace(folder, text, family.workplace.api_url), "", "", "")
    start = [*away.options, "--init-from", str(family.checkpoint(family.parent)), *STEADY]
    return replace(away, child=run_id_of(call(*start, "--set", "training.max_steps=40")))


@pytest.fixture
def model(family: Family, tmp_path: Path) -> Path:
    return Path(shutil.copy(family.checkpoint(family.parent), tmp_path / "a model.ckpt"))


def test_the_runs_dataset_is_described_without_the_parents_characters(away: Family) -> None:
    text = away.workplace.text.read_text(encoding="utf-8")
    datasets = dataset_inputs(away.workplace.client.get_run(away.child))
    assert [profile(item.dataset)["distinct"] for item in datasets] == [len(set(text))] * 3


@pytest.mark.parametrize(
    ("upload", "lost"),
    [
        ("none", ["encoded"]),
        ("all", ["encoded", "checkpoints/{}"]),
        ("none", ["checkpoints/{}/last.ckpt", "checkpoints/{}/previous.ckpt", "checkpoints/{}/best.ckpt"]),
    ],
    ids=["the encoding", "all files here", "all but what it started from"],
)
def test_a_resumed_run_goes_on_the_same_without_its_parent(
    away: Family, model: Path, upload: str, lost: list[str]
) -> None:
    few = ["--set", "training.max_steps=20", "--set", f"tracking.upload_checkpoints={upload}"]
    stopped = run_id_of(call(*away.options, "--init-from", str(model), *STEADY, *few))
    model.unlink()
    for name in lost:
        path = away.workplace.folder / "the data" / name.format(stopped)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run_id_of(call(*away.options, "--resume", stopped, "--set", "training.max_steps=40", "--quiet"))
    assert away.history(stopped, "train/loss") == away.history(away.child, "train/loss")
    ours, whole = (load_checkpoint(away.checkpoint(run_id, "last.ckpt")) for run_id in (stopped, away.child))
    assert ours.vocabulary == whole.vocabulary
    for name, tensor in whole.state["model"].items():
        assert torch.equal(ours.state["model"][name], tensor)
    run = away.workplace.client.get_run(stopped)
    assert run.data.tags["charrnn.init_from"] == str(model)
    assert f"({model})" in run.data.tags["mlflow.note.content"]
    assert "](" not in run.data.tags["mlflow.note.content"], "the store has no run to link to"


def test_a_run_that_lost_what_it_started_from_does_not_start_from_nothing(away: Family, model: Path) -> None:
    few = ["--set", "training.max_steps=2", "--set", "tracking.upload_checkpoints=none"]
    run_id = run_id_of(call(*away.options, "--init-from", str(model), *STEADY, *few))
    away.checkpoint(run_id, "initial.ckpt").unlink()
    answer = call(*away.options, *few[2:], "--resume", run_id, "--quiet")
    assert answer.code == 2
    assert answer.err.startswith(f"error: run {run_id}: has no checkpoint to load")


def encoded(tmp_path: Path, text: str, known: str, **params: object) -> Dataset:
    (tmp_path / "text").write_text(text, encoding="utf-8")
    data = DataParams(sources=(str(tmp_path / "text"),), directory=str(tmp_path / "data"), **params)
    corpus: Corpus = fetch_corpus(data)
    return encode_corpus(corpus, data, known=known)


def test_known_characters_have_ids_but_no_count_and_no_place(tmp_path: Path) -> None:
    dataset = encoded(tmp_path, "banana", known="xyzb")
    vocabulary = dataset.vocabulary()
    assert (vocabulary.characters, vocabulary.counts) == ("abnxyz", (3, 1, 2, 0, 0, 0))
    assert vocabulary.first_seen == (1, 0, 2, -1, -1, -1)
    assert vocabulary.occurring == 3
    assert vocabulary.decode(dataset.ids()) == "banana"
    places = vocabulary.to_frame()["first_seen_at"]
    assert places[:3].tolist() == [1, 0, 2]
    assert places[3:].isna().all()


def test_an_encoding_is_found_again_with_the_same_known_characters_only(tmp_path: Path) -> None:
    plain, more = encoded(tmp_path, "banana", known=""), encoded(tmp_path, "banana", known="xy")
    assert (plain.cached, more.cached) == (False, False)
    assert encoded(tmp_path, "banana", known="").directory == plain.directory
    again = encoded(tmp_path, "banana", known="yx")
    assert (again.directory, again.cached) == (more.directory, True)
    assert more.directory != plain.directory
    assert again.vocabulary().first_seen == (1, 0, 2, -1, -1)


def test_a_known_character_is_kept_however_rare(tmp_path: Path) -> None:
    dataset = encoded(tmp_path, "bananas!", known="s", min_count=2)
    assert dataset.vocabulary().characters == "ans"
    assert dataset.dropped == 2
    assert dataset.vocabulary().decode(dataset.ids()) == "ananas"


@pytest.mark.parametrize("cached", [False, True])
def test_known_characters_count_towards_the_largest_vocabulary(tmp_path: Path, cached: bool) -> None:
    if cached:
        encoded(tmp_path, "banana", known="xyz")
    message = "the text and the model it starts from have 6 distinct characters, at most 5"
    with pytest.raises(VocabularyError, match=message):
        encoded(tmp_path, "banana", known="xyz", max_vocabulary=5)


def test_known_characters_do_not_make_a_text_long_enough_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the text has 1 distinct characters"):
        encoded(tmp_path, "aaaa", known="xyz")
