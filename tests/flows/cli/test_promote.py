"""`charrnn promote` on a registered model in a real store."""

import pytest
from mlflow import MlflowClient

from charrnn.config.schema import Params
from tasks.tracking.approval import Waiting
from tasks.tracking.runs import PROMOTION_TAG, WAITING_TAG
from tests.workplace import Called, captured, start_run


@pytest.fixture
def client(store: Params) -> MlflowClient:
    return MlflowClient(tracking_uri=str(store.tracking.uri))


@pytest.fixture
def model(store: Params, client: MlflowClient) -> str:
    """A registered model with two versions; version 2 is the champion."""
    run, name = start_run(store, "a run", {}), "promoted by hand"
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
        for _ in range(2):
            client.create_model_version(name, f"file://{run.checkpoints}", run_id=run.run_id)
    client.set_registered_model_alias(name, "champion", "2")
    return name


def promoted(store: Params, *arguments: str) -> Called:
    return captured("promote", *arguments, "--set", f"tracking.uri={store.tracking.uri}")


def champion(client: MlflowClient, model: str) -> str:
    return str(client.get_model_version_by_alias(model, "champion").version)


def test_the_version_that_is_named_becomes_the_champion_and_keeps_the_reason(
    store: Params, client: MlflowClient, model: str
) -> None:
    answer = promoted(store, model, "1", "--reason", "the new one swears")
    assert (answer.code, answer.out) == (0, f"{model} version 1 is the champion (before: 2)\n")
    assert champion(client, model) == "1"
    assert client.get_model_version(model, "1").description == "champion: the new one swears"


def test_a_version_may_be_named_with_its_model(store: Params, client: MlflowClient, model: str) -> None:
    client.delete_registered_model_alias(model, "champion")
    answer = promoted(store, f"{model}/1")
    assert (answer.code, answer.out) == (0, f"{model} version 1 is the champion (before: none)\n")
    assert champion(client, model) == "1"
    assert client.get_model_version(model, "1").description == "champion: by hand"


def waits(store: Params, client: MlflowClient, model: str, version: str, champion: str) -> str:
    """Let a version of the model wait for a yes; return the id of its run."""
    run = start_run(store, "a run that asks", {})
    waiting = Waiting(model, version, champion, "1.2 against 1.3 nats")
    client.set_tag(run.run_id, WAITING_TAG, waiting.to_tag())
    return run.run_id


def test_a_version_that_waits_is_approved_by_its_run_once(store: Params, client: MlflowClient, model: str) -> None:
    run_id = waits(store, client, model, "1", champion="2")
    answer = promoted(store, "--approve", run_id, "--reason", "of Ada")
    assert (answer.code, answer.out) == (0, f"{model} version 1 is the champion (before: 2)\n")
    assert champion(client, model) == "1"
    decision = "champion: approved of Ada; 1.2 against 1.3 nats"
    assert client.get_model_version(model, "1").description == decision
    assert client.get_run(run_id).data.tags[PROMOTION_TAG] == decision
    again = promoted(store, "--approve", run_id)
    assert (again.code, again.err) == (2, f"error: --approve: no version of run {run_id} waits for approval\n")


def test_what_was_compared_with_another_champion_is_not_approved(
    store: Params, client: MlflowClient, model: str
) -> None:
    run_id = waits(store, client, model, "1", champion="")
    answer = promoted(store, "--approve", run_id)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"error: {model} version 1: was to be the first champion, but version 2 is the champion now; to make it the "
        f"champion all the same: charrnn promote {model} 1\n"
    )
    assert champion(client, model) == "2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "NAME: must be given, as NAME VERSION or NAME/VERSION, or else --approve RUN_ID"),
        (
            ["charrnn", "--approve", "last"],
            "--approve: names the run of the version, so that no NAME is given, got charrnn",
        ),
        (["charrnn"], "VERSION: must be given, as NAME VERSION or NAME/VERSION, got charrnn"),
        (["charrnn/"], "VERSION: must be given, as NAME VERSION or NAME/VERSION, got charrnn/"),
        (["/3"], "VERSION: must be given, as NAME VERSION or NAME/VERSION, got /3"),
        (["charrnn/3", "4"], "VERSION: is given twice, in charrnn/3 and as 4"),
    ],
)
def test_exactly_one_version_is_promoted(arguments: list[str], message: str) -> None:
    answer = captured("promote", *arguments)
    assert (answer.code, answer.out, answer.err) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize(("name", "version"), [(None, "99"), ("nobody", "1"), (None, "one")])
def test_a_version_that_is_not_there_is_one_line(
    store: Params, client: MlflowClient, model: str, name: str | None, version: str
) -> None:
    answer = promoted(store, name or model, version)
    assert answer.code == 2
    assert answer.err.startswith("error: tracking.uri")
    assert answer.err.count("\n") == 1
    assert champion(client, model) == "2"
