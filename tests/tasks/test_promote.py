"""Champions and challengers: real runs, one after the other, in one store."""

import pytest

from tests.texts import made_up_play
from tests.workplace import Workplace, call

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
    # With a model card, which a promotion leaves where it is.
    answer = call(*place.options, "--quiet", "--set", "report.seconds=10", *arguments)
    assert answer.code == 0, answer.err
    found = place.client.search_model_versions(f"run_id = '{answer.out.strip()}'")
    return str(found[0].version)


def description(place: Workplace, version: str) -> str:
    return place.client.get_model_version("charrnn", version).description or ""


def champion(place: Workplace) -> str:
    return str(place.client.get_model_version_by_alias("charrnn", "champion").version)


def test_the_champion_changes_only_for_a_better_one(place: Workplace) -> None:
    first = train(place, "--set", SHORT)
    assert champion(place) == first
    assert description(place, first).startswith("champion: the first one\n\n## Model card\n")

    same = train(place, "--set", SHORT)
    assert champion(place) == first
    assert f"stays behind version {first}" in description(place, same)

    passed_over = train(place, "--set", LONG, "--no-promote")
    assert champion(place) == first
    assert description(place, passed_over).startswith("## Model card\n")

    better = train(place, "--set", LONG)
    assert champion(place) == better
    assert "better with confidence 1.000" in description(place, better)
    run = place.client.get_run(str(place.client.get_model_version("charrnn", better).run_id))
    promotion = run.data.tags["promotion"]
    assert description(place, better).startswith(f"{promotion}\n\n## Model card\n")
    assert promotion in run.data.tags["mlflow.note.content"]

    worse = train(place, "--set", SHORT, "--set", "training.seed=7")
    assert champion(place) == better
    assert "better with confidence 0.000" in description(place, worse)


def test_without_a_split_to_compare_on_the_champion_stays(place: Workplace) -> None:
    before = champion(place)
    version = train(place, "--set", LONG, "--set", "splits.val_fraction=0", "--set", "splits.test_fraction=0")
    assert champion(place) == before
    assert "no test or validation split" in description(place, version)
