"""Champions and challengers: real runs, one after the other, in one store."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion

from charrnn.errors import TrackingError
from tasks.tracking.runs import LINEAGE_TAGS
from tests.texts import made_up_play
from tests.workplace import Workplace, call, captured

# The module, whose name the task of the same name has in the package `flows.pipeline`.
promotion = importlib.import_module("tasks.promote")

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


@pytest.fixture(scope="module")
def contested(place: Workplace) -> Workplace:
    """Version 1 was the champion, version 2 is it now, and is better."""
    assert [train(place, "--set", steps) for steps in (SHORT, LONG)] == ["1", "2"]
    return place


def test_the_champion_changes_only_for_a_better_one(contested: Workplace) -> None:
    place = contested
    assert champion(place) == "2"
    assert description(place, "1").startswith("champion: the first one\n\n## Model card\n")
    assert "better with confidence 1.000" in description(place, "2")
    run = place.client.get_run(str(place.client.get_model_version("charrnn", "2").run_id))
    promotion = run.data.tags["promotion"]
    assert description(place, "2").startswith(f"{promotion}\n\n## Model card\n")
    assert promotion in run.data.tags["mlflow.note.content"]

    same = train(place, "--set", LONG)
    assert champion(place) == "2"
    assert "stays behind version 2" in description(place, same)

    worse = train(place, "--set", SHORT, "--set", "training.seed=7")
    assert champion(place) == "2"
    assert "better with confidence 0.000" in description(place, worse)

    passed_over = train(place, "--set", LONG, "--no-promote")
    assert champion(place) == "2"
    assert description(place, passed_over).startswith("## Model card\n")


def test_without_a_split_to_compare_on_the_champion_stays(contested: Workplace) -> None:
    place = contested
    before = champion(place)
    version = train(place, "--set", LONG, "--set", "splits.val_fraction=0", "--set", "splits.test_fraction=0")
    assert champion(place) == before
    assert "no test or validation split" in description(place, version)


def test_a_version_that_is_overtaken_while_it_is_compared_is_compared_again(
    contested: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, best = contested, champion(contested)
    place.client.set_registered_model_alias("charrnn", "champion", "1")
    contest, compared = promotion._contest, []

    def overtaken(*arguments: Any) -> Any:
        decided = contest(*arguments)
        compared.append(arguments[-1])
        place.client.set_registered_model_alias("charrnn", "champion", best)
        return decided

    monkeypatch.setattr(promotion, "_contest", overtaken)
    version = train(place, "--set", LONG)
    assert compared == ["1", best]
    assert champion(place) == best
    assert description(place, version).startswith(f"stays behind version {best}: ")


def test_a_version_that_could_not_be_compared_says_why(contested: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = champion(contested)

    def away(*_: object) -> None:
        raise TrackingError("the store is away:\nno route")

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "_contest", away)
        version = train(contested, "--set", SHORT)
    assert champion(contested) == before
    run = contested.client.get_run(str(contested.client.get_model_version("charrnn", version).run_id))
    assert (run.info.status, run.data.tags["promotion"]) == ("FINISHED", "undecided: the store is away: no route")


def test_what_started_from_an_unknown_text_stands_without_the_alias(
    contested: Workplace, tmp_path: Path, api_url: str
) -> None:
    place, before = contested, champion(contested)
    elsewhere = Workplace(tmp_path, place.text, api_url)
    train(elsewhere, "--set", SHORT)
    (checkpoint,) = elsewhere.data_folder.glob("checkpoints/*/best.ckpt")
    answer = call(*place.options, "--quiet", "--set", LONG, "--init-from", str(checkpoint))
    assert answer.code == 0
    assert f"warning   what {checkpoint} was trained on is not known: it replaces no champion" in answer.err
    assert champion(place) == before
    (version,) = place.client.search_model_versions(f"run_id = '{answer.out.strip()}'")
    newest = version.version
    by_hand = f"to make this version the champion: charrnn promote charrnn {newest}"
    # Nor is it known of what starts from that one.
    after = call(*place.options, "--quiet", "--set", SHORT, "--init-from", answer.out.strip())
    assert f"warning   what {answer.out.strip()} was trained on is not known" in after.err
    why = "what it started from may have been trained on its text"
    assert description(place, str(newest)).startswith(f"stays behind version {before}: {why}; {by_hand}")


def test_where_there_is_no_champion_the_next_version_is_one_and_not_called_the_first(contested: Workplace) -> None:
    place = contested
    place.client.delete_registered_model_alias("charrnn", "champion")
    version = train(place, "--set", SHORT)
    assert (champion(place), description(place, version).split("\n")[0]) == (version, "champion: there was none")


def register(place: Workplace, text: str, *changes: str, name: str = "text") -> ModelVersion:
    """Train on `text`, in a file `name`, with the defaults of promotion; return what was registered."""
    path = place.folder / f"{name}.txt"
    path.write_text(text, encoding="utf-8")
    fast = [SHORT, "evaluation.adaptive_seconds=0", "evaluation.sample_length=0", "sampling.length=20"]
    settings = [f"data.sources=['{path}']", "data.max_characters=null", "drift.action=warn", *fast, *changes]
    answer = call(*place.options, "--quiet", *(part for text in settings for part in ("--set", text)))
    assert answer.code == 0, answer.err
    (found,) = place.client.search_model_versions(f"run_id = '{answer.out.strip()}'")
    return place.client.get_model_version(found.name, found.version)


def champions(place: Workplace) -> dict[str, str]:
    """Return the champion of each registered model that has one."""
    models = place.client.search_registered_models()
    return {model.name: str(model.aliases["champion"]) for model in models if model.aliases}


NAMES = "\n".join(
    sorted({f"{a}{b}{c}" for a in "JKLMN" for b in "aeio" for c in ("sha", "nn", "rik", "la", "mes")}) * 40
)
SOURCE = "".join(f"static int f{n}(int a) {{\n\treturn a * {n % 7} + {n % 5};\n}}\n\n" for n in range(600))
DICTIONARY = "".join(f"word{n % 97}, n. a thing of the kind {n % 13}\n" for n in range(800))


def test_each_text_that_is_trained_on_with_the_defaults_keeps_its_own_champion(tmp_path: Path, api_url: str) -> None:
    place = Workplace(tmp_path, tmp_path / "names.txt", api_url)
    for name, text in {"names": NAMES, "source": SOURCE, "a dictionary": DICTIONARY}.items():
        assert set(LINEAGE_TAGS) < set(register(place, text, name=name).tags)
    first = {"charrnn": "1", "charrnn-source": "1", "charrnn-a-dictionary": "1"}
    assert champions(place) == first

    # Another text of the same name, and a name that was given: neither takes what is another's.
    drifted = register(place, made_up_play(30_000), name="source")
    assert (drifted.name, champions(place)) == ("charrnn-source-2", first)
    by_hand = "to make this version the champion: charrnn promote charrnn-source-2 1"
    assert drifted.description == f"stands without the alias, since its text has drifted; {by_hand}"
    stands = register(place, made_up_play(30_000), "tracking.registered_model=charrnn", name="play")
    assert (stands.name, champions(place)["charrnn"]) == ("charrnn", "1")
    by_hand = f"to make this version the champion: charrnn promote charrnn {stands.version}"
    assert stands.description == f"stays behind version 1, whose text is another one; {by_hand}"


def test_a_champion_is_contested_by_a_text_that_grew_and_defends_its_own_part_of_one(
    tmp_path: Path, api_url: str
) -> None:
    place = Workplace(tmp_path, tmp_path / "text.txt", api_url)
    asked = register(place, made_up_play(40_000), "tracking.promotion=approval")
    assert str(asked.description).startswith(f"waits for approval, charrnn promote --approve {asked.run_id}: the first")
    assert champions(place) == {}
    assert (
        captured("promote", "--approve", "last", *place.places).out
        == "charrnn version 1 is the champion (before: none)\n"
    )
    grown = register(place, made_up_play(60_000), LONG)
    assert (grown.name, champions(place)) == ("charrnn", {"charrnn": "2"})
    assert "held-out characters that neither was trained on, better with confidence 1.000" in str(grown.description)
    assert "on the champion's held-out text (100% of it in this model's training text)" in str(grown.description)

    # What is held out of the second half stands in the first, which the champion was trained on, and the reverse.
    twice = register(place, made_up_play(60_000) * 2, "tracking.registered_model=charrnn")
    few = f"only 0 held-out characters that neither was trained on, {promotion.FEWEST:,} are needed"
    by_hand = f"to make this version the champion: charrnn promote charrnn {twice.version}"
    assert twice.description == f"stays behind version 2: {few}; {by_hand}"

    # All that is held out from this one is source code, of which the champion knows nothing.
    mixed = register(place, made_up_play(60_000) + SOURCE + SOURCE[::-1])
    assert (mixed.name, champions(place)) == ("charrnn", {"charrnn": "2"})
    assert str(mixed.description).startswith("stays behind version 2: worse on its own ground: ")
