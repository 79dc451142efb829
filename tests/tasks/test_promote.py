"""Champions and challengers: real runs, one after the other, in one store."""

import pytest

from tests.texts import made_up_play
from tests.workplace import Called, Workplace, call, captured

# Smoke runs differ by chance as much as by skill; these differ by skill.
SHORT, LONG = "training.max_steps=20", "training.max_steps=400"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Workplace:
    folder = tmp_path_factory.mktemp("a workplace")
    text = folder / "a play.txt"
    text.write_text(made_up_play(60_000), encoding="utf-8")
    return Workplace(folder, text, api_url)


def train(place: Workplace, *arguments: str) -> str:
    """Run the pipeline; return the version it registered."""
    answer = call(*place.options, "--quiet", *arguments)
    assert answer.code == 0, answer.err
    found = place.client.search_model_versions(f"run_id = '{answer.out.strip()}'")
    return str(found[0].version)


def description(place: Workplace, version: str) -> str:
    return place.client.get_model_version("charrnn", version).description or ""


def champion(place: Workplace) -> str:
    return str(place.client.get_model_version_by_alias("charrnn", "champion").version)


def promoted(place: Workplace, *arguments: str) -> Called:
    return captured("promote", *arguments, *place.places)


def test_the_champion_changes_only_for_a_better_one(place: Workplace) -> None:
    first = train(place, "--set", SHORT)
    assert champion(place) == first
    assert description(place, first) == "champion: the first one"

    same = train(place, "--set", SHORT)
    assert champion(place) == first
    assert f"stays behind version {first}" in description(place, same)

    passed_over = train(place, "--set", LONG, "--no-promote")
    assert champion(place) == first
    assert not description(place, passed_over)

    better = train(place, "--set", LONG)
    assert champion(place) == better
    assert "better with confidence 1.000" in description(place, better)
    run = place.client.get_run(str(place.client.get_model_version("charrnn", better).run_id))
    assert run.data.tags["promotion"] == description(place, better)
    assert description(place, better) in run.data.tags["mlflow.note.content"]

    worse = train(place, "--set", SHORT, "--set", "training.seed=7")
    assert champion(place) == better
    assert "better with confidence 0.000" in description(place, worse)

    answer = promoted(place, "charrnn", first, "--reason", "the new one swears")
    assert (answer.code, answer.out) == (0, f"charrnn version {first} is the champion (before: {better})\n")
    assert champion(place) == first
    assert description(place, first) == "champion: the new one swears"

    answer = promoted(place, f"charrnn/{better}")
    assert (answer.code, answer.out) == (0, f"charrnn version {better} is the champion (before: {first})\n")
    assert champion(place) == better


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["charrnn"], "VERSION: must be given, as NAME VERSION or NAME/VERSION, got charrnn"),
        (["charrnn/"], "VERSION: must be given, as NAME VERSION or NAME/VERSION, got charrnn/"),
        (["/3"], "VERSION: must be given, as NAME VERSION or NAME/VERSION, got /3"),
        (["charrnn/3", "4"], "VERSION: is given twice, in charrnn/3 and as 4"),
    ],
)
def test_exactly_one_version_is_promoted(arguments: list[str], message: str) -> None:
    answer = captured("promote", *arguments)
    assert (answer.code, answer.out, answer.err) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize("arguments", [("charrnn", "99"), ("nobody", "1"), ("charrnn", "one")])
def test_a_version_that_is_not_there_is_one_line(place: Workplace, arguments: tuple[str, str]) -> None:
    answer = promoted(place, *arguments)
    assert answer.code == 2
    assert answer.err.startswith("error: tracking.uri")
    assert answer.err.count("\n") == 1


def test_without_a_split_to_compare_on_the_champion_stays(place: Workplace) -> None:
    before = champion(place)
    version = train(place, "--set", LONG, "--set", "splits.val_fraction=0", "--set", "splits.test_fraction=0")
    assert champion(place) == before
    assert "no test or validation split" in description(place, version)
