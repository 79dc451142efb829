"""The models of a real registry, as the completions server has them."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from mlflow import MlflowClient
from openai import OpenAI

from charrnn.completions.app import create_app
from charrnn.completions.shelf import NoModelError, UnknownModelError
from charrnn.config.schema import Params
from charrnn.errors import TrackingError
from tasks.tracking import served_models
from tasks.tracking.mlflow import Store
from tasks.tracking.served_models import ServedModels
from tests.charrnn.completions.models import running, until
from tests.documents_model import save_documents_model

CHARACTERS = "abcdef"


class Registry:
    """A registered model whose versions write streams of different cells."""

    def __init__(self, store: Params, folder: Path, name: str) -> None:
        self.store, self.name = Store.of(store.tracking), name
        self._client, self._folder = MlflowClient(tracking_uri=self.store.uri), folder

    @property
    def champion(self) -> str:
        return f"{self.name}@champion"

    def add(self, cell: str, content: bytes | None = None) -> str:
        """Register another version; return its number."""
        folder = self._folder / cell
        folder.mkdir()
        save_documents_model(folder / "best.ckpt", CHARACTERS, f"model.cell={cell}", "data.documents=none")
        if content is not None:
            (folder / "best.ckpt").write_bytes(content)
        if not self._client.search_registered_models(f"name = '{self.name}'"):
            self._client.create_registered_model(self.name)
        return str(self._client.create_model_version(self.name, folder.as_uri()).version)

    def promote(self, version: str) -> None:
        self._client.set_registered_model_alias(self.name, "champion", version)


@pytest.fixture
def registry(store: Params, tmp_path: Path, request: pytest.FixtureRequest) -> Registry:
    return Registry(store, tmp_path, request.node.name)


@pytest.fixture
def models(registry: Registry) -> ServedModels:
    """Of a registry with two versions, the first of which is the champion."""
    for cell in ("lstm", "gru"):
        registry.add(cell)
    registry.promote("1")
    models = ServedModels(registry.store, registry.champion)
    models.look()
    return models


@pytest.fixture
def client(models: ServedModels) -> Iterator[OpenAI]:
    with (
        running(create_app(models)) as address,
        OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


def current(models: ServedModels) -> str | None:
    served = models.at_hand(None)
    return None if served is None else served.name


def test_the_champion_and_every_version_are_listed(registry: Registry, client: OpenAI) -> None:
    listed = [one.id for one in client.models.list()]
    assert listed == [registry.champion, f"{registry.name}/2", f"{registry.name}/1"]
    assert client.models.retrieve(f"{registry.name}/2").created > 0


def test_any_version_may_be_asked(registry: Registry, client: OpenAI) -> None:
    for name, cell in ((registry.champion, "lstm"), (f"{registry.name}/1", "lstm"), (f"{registry.name}/2", "gru")):
        answer = client.completions.create(model=name, max_tokens=20, seed=1, prompt="")
        assert answer.model == f"{registry.name}/{1 if cell == 'lstm' else 2}"
        assert len(answer.choices[0].text) == 20
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model=f"{registry.name}/3", prompt="")


def test_when_the_alias_moves_what_runs_is_finished_by_the_old_model_and_what_comes_is_written_by_the_new(
    registry: Registry, models: ServedModels, client: OpenAI
) -> None:
    length = 20_000
    running_texts = client.completions.create(
        model=registry.champion, prompt="a", max_tokens=length, seed=1, stream=True
    )
    first = next(running_texts)
    registry.promote("2")
    models.look()
    after = client.completions.create(model=registry.champion, prompt="a", max_tokens=50, seed=1)
    assert after.model == f"{registry.name}/2"
    events = [first, *running_texts]
    assert {event.model for event in events} == {f"{registry.name}/1"}
    assert sum(len(event.choices[0].text) for event in events) == length
    assert events[-1].choices[0].finish_reason == "length"


def test_the_registry_is_followed(registry: Registry, models: ServedModels) -> None:
    models.follow(0.05)
    registry.promote("2")
    until(lambda: current(models) == f"{registry.name}/2")
    registry.add("rnn")
    until(lambda: len(models.listed()) == 4)


def test_a_champion_that_cannot_be_loaded_leaves_the_old_one(
    registry: Registry, models: ServedModels, caplog: pytest.LogCaptureFixture
) -> None:
    registry.promote(registry.add("rnn", b"damaged"))
    models.follow(0.05)
    until(lambda: "is not a charrnn checkpoint" in caplog.text)
    time.sleep(0.3)  # several looks
    assert caplog.text.count("is not a charrnn checkpoint") == 1
    assert current(models) == f"{registry.name}/1"


def test_before_there_is_a_champion_the_server_is_healthy_and_not_ready(registry: Registry) -> None:
    registry.add("lstm")
    models = ServedModels(registry.store, registry.champion)
    with pytest.raises(TrackingError, match="not found in"):
        models.look()
    with running(create_app(models)) as address:
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert httpx.get(f"{address}/readyz").status_code == 503
        assert httpx.get(f"{address}/v1/models").json()["data"] == []
        assert httpx.get(address).status_code == 503
        assert httpx.post(f"{address}/score", json={"text": "a"}).status_code == 503
        assert httpx.post(f"{address}/v1/completions", json={}).json()["error"]["code"] == "no_model"
        registry.promote("1")
        models.look()
        assert httpx.get(f"{address}/readyz").status_code == 200
        assert httpx.post(f"{address}/v1/completions", json={}).json()["model"] == f"{registry.name}/1"


def test_few_versions_stay_loaded(registry: Registry, models: ServedModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_models, "KEPT", 1)
    for cell in ("rnn", "min_gru"):
        registry.add(cell)
    models.look()
    for version in ("2", "3"):
        models.fetch(f"{registry.name}/{version}")
    assert models.at_hand(f"{registry.name}/3") is not None
    assert models.at_hand(f"{registry.name}/2") is None


def test_of_the_versions_that_are_loaded_the_one_asked_for_longest_ago_goes(
    registry: Registry, models: ServedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_models, "KEPT", 2)
    for cell in ("rnn", "min_gru"):
        registry.add(cell)
    models.look()
    for version in ("2", "3"):
        models.fetch(f"{registry.name}/{version}")
    assert models.at_hand(f"{registry.name}/2") is not None
    models.fetch(f"{registry.name}/4")
    assert models.at_hand(f"{registry.name}/2") is not None
    assert models.at_hand(f"{registry.name}/3") is None


def test_whatever_goes_wrong_the_registry_is_still_followed(
    registry: Registry, models: ServedModels, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(served_models, "find_version", None)  # which cannot be called
        models.follow(0.05)
        until(lambda: "cannot follow" in caplog.text)
    registry.promote("2")
    until(lambda: current(models) == f"{registry.name}/2")


def test_names_that_there_are_not_are_not_found(registry: Registry, models: ServedModels) -> None:
    for name in ("", f"{registry.name}/9", f"{registry.name}@nobody", "another/1"):
        with pytest.raises(UnknownModelError):
            models.fetch(name)
    with pytest.raises(NoModelError):
        ServedModels(registry.store, registry.champion).fetch(None)
