"""Which texts contain which, and what two models may be compared on, against texts cut and joined by hand."""

from dataclasses import dataclass

import numpy as np
import pytest

from charrnn.config.schema import SplitParams
from charrnn.data.hashing import hash_documents
from charrnn.data.lineage import Ground, Lineage, TextBlocks, common_ground, text_blocks, trace
from charrnn.data.positions import Positions
from charrnn.data.splits import Splits, Units
from charrnn.data.splits import split as split_units
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from tests.texts import made_up_play

HALVES = SplitParams(val_fraction=0, test_fraction=0.5)


@dataclass(frozen=True)
class Model:
    """What is known of a model and of the text it was trained on."""

    splits: Splits
    vocabulary: Vocabulary
    hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]

    @property
    def lineage(self) -> Lineage:
        return trace(self.splits, self.vocabulary, self.hashes)

    @property
    def blocks(self) -> TextBlocks:
        return text_blocks(self.splits, self.vocabulary, self.hashes)

    def against(self, champion: "Model") -> Ground:
        return common_ground(self.splits, self.vocabulary, self.hashes, self.lineage, champion.lineage)

    def text(self, spans: Positions) -> str:
        return "".join(self.vocabulary.decode(self.splits.text[start:end]) for start, end in spans.tolist())


def vocabulary_of(text: str) -> Vocabulary:
    characters = "".join(sorted(set(text)))
    return Vocabulary(characters, (1,) * len(characters), (0,) * len(characters))


def stream(text: str, params: SplitParams = HALVES) -> Model:
    vocabulary = vocabulary_of(text)
    ids = vocabulary.encode(text)
    units = Units(None, None, np.array([len(ids)]), np.zeros(1, dtype=np.uint64))
    return Model(split_units(ids, units, params), vocabulary, np.zeros(0, dtype=np.uint64))


def documents(texts: list[str], params: SplitParams = HALVES) -> Model:
    vocabulary, hashes = vocabulary_of("".join(texts)), hash_documents(texts)
    stop = np.array([vocabulary.stop_id], dtype=vocabulary.dtype)
    ids = np.concatenate([stop, *(part for text in texts for part in (vocabulary.encode(text), stop))])
    ends = 1 + np.cumsum([len(text) + 1 for text in texts])
    units = Units(ends, hashes, np.array([len(ids)]), np.zeros(1, dtype=np.uint64))
    return Model(split_units(ids, units, params), vocabulary, hashes)


OLD, NEW, OTHER = made_up_play(20_000), made_up_play(20_000, seed=1), made_up_play(20_000, seed=2)


@pytest.mark.parametrize(
    ("text", "contained"),
    [(OLD, True), (OLD + NEW, True), (NEW + OLD, True), (OLD[:-500], True), (OLD[:10_000], False), (NEW, False)],
)
def test_a_text_contains_one_that_stands_anywhere_in_it(text: str, contained: bool) -> None:
    assert stream(text).lineage.contains(stream(OLD).lineage) is contained


def test_documents_are_contained_in_any_order_and_never_in_a_stream() -> None:
    lines = OLD.splitlines()
    old = documents(lines).lineage
    assert documents([*reversed(lines), *NEW.splitlines()]).lineage.contains(old)
    assert not documents(NEW.splitlines()).lineage.contains(old)
    assert not stream(OLD).lineage.contains(old)


def test_with_the_same_split_all_that_is_held_out_is_compared() -> None:
    model = stream(OLD)
    ground = model.against(stream(OLD))
    assert model.text(ground.champions) == model.text(ground.clean) == OLD[10_000:]


def test_a_text_that_grew_is_compared_where_neither_model_was_trained() -> None:
    champion, challenger = stream(OLD), stream(OLD + NEW)  # all of OLD is its training text
    ground = challenger.against(champion)
    assert challenger.text(ground.champions) in OLD[10_000:]
    assert len(challenger.text(ground.champions)) > 9500
    assert ground.trained_on == 1.0
    assert challenger.text(ground.clean) in NEW
    assert len(challenger.text(ground.clean)) > 19_000


def test_what_the_champion_was_trained_on_is_not_what_it_is_compared_on() -> None:
    challenger = stream(NEW + OLD)  # the champion was trained on the first half of what is held out here
    ground = challenger.against(stream(OLD))
    assert challenger.text(ground.clean) == challenger.text(ground.champions)
    assert challenger.text(ground.clean) in OLD[10_000:]
    assert ground.trained_on == 0.0


def test_documents_are_compared_where_neither_model_was_trained() -> None:
    lines = [f"{number} {line}" for number, line in enumerate(OLD.splitlines())]
    champion = documents(lines, SplitParams(val_fraction=0, test_fraction=0.5, seed=1))
    challenger = documents(lines, SplitParams(val_fraction=0, test_fraction=0.5, seed=2))
    ground = challenger.against(champion)
    assert len(ground.clean) == len(np.intersect1d(champion.lineage.held_out, challenger.lineage.held_out)) > 0
    assert len(ground.champions) == len(champion.splits.spans["test"])
    assert 0.2 < ground.trained_on < 0.8


def test_what_another_text_has_not_is_new_wherever_it_stands() -> None:
    old = made_up_play(20_000)
    more = made_up_play(23_000)[20_000:]
    now = stream(old[:9_000] + more.upper() + old[9_000:])
    found = now.text(now.blocks.new_part(stream(old).lineage))
    assert more.upper()[200:-200] in found
    assert len(found) < len(more) + 1_000
    assert len(now.blocks.new_part(now.lineage)) == 0
    few = documents(["one", "two", "three"])
    assert few.text(few.blocks.new_part(documents(["two", "one"]).lineage)) == "three"


def test_the_share_of_a_text_that_was_in_it_before() -> None:
    old = made_up_play(20_000)
    assert stream(old).blocks.repeated_share() < 0.01
    assert 0.48 < stream(old * 2).blocks.repeated_share() < 0.51
    assert documents(["one", "two", "one", "three"]).blocks.repeated_share() == pytest.approx(4 / 18)


def test_what_a_model_started_from_was_trained_on_counts_as_its_own() -> None:
    challenger, parent = stream(OTHER + OLD), stream(OLD)
    fine_tuned = challenger.lineage.after(parent.lineage)
    ground = common_ground(challenger.splits, challenger.vocabulary, challenger.hashes, fine_tuned, stream(OLD).lineage)
    assert challenger.text(ground.clean) in OLD[10_000:]
    assert len(np.setdiff1d(fine_tuned.train, challenger.lineage.train)) == len(parent.lineage.train)


@pytest.mark.parametrize("model", [stream(OLD), documents(OLD.splitlines())])
def test_a_lineage_is_read_as_it_was_written_and_damage_is_told(model: Model) -> None:
    content = model.lineage.to_bytes()
    found = Lineage.from_bytes(content)
    assert (found.documents, found.split) == (model.lineage.documents, model.lineage.split)
    assert found.text.tolist() == model.lineage.text.tolist()
    for damaged in (content[:-1], b"", content.replace(b".text", b".tent")):
        with pytest.raises(CorpusError, match="lineage: is damaged"):
            Lineage.from_bytes(damaged)
