import pytest

from charrnn.completions.batch import Batch
from charrnn.completions.orders import SEEDS, order
from charrnn.completions.protocol import CompletionRequest, RequestError
from charrnn.completions.shelf import Served
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.generation.writer import Writer
from tests.charrnn.completions.models import served

MODEL = served()


def test_texts_are_in_the_order_of_prompts_with_seeds_that_follow_and_begin_again_at_0() -> None:
    made = order(CompletionRequest(prompt=["ab", "c"], n=2, seed=SEEDS - 1), MODEL)
    assert [(text.options.prime, text.options.seed) for text in made.texts] == [
        ("ab", SEEDS - 1),
        ("ab", 0),
        ("c", SEEDS - 1),
        ("c", 0),
    ]
    assert made.prompts == ["ab", "ab", "c", "c"]
    assert [len(job.prime.texts) for job in made.jobs] == [2, 2]


def test_a_prompt_is_encoded_once_however_many_texts_go_on_from_it() -> None:
    encoded: list[str] = []

    class Counted(Vocabulary):
        def encode(self, text: str) -> Ids:
            encoded.append(text)
            return super().encode(text)

    known = MODEL.writer.vocabulary
    writer = Writer(MODEL.writer.network, Counted(known.characters, known.counts, known.first_seen), MODEL.writer.data)
    order(CompletionRequest(prompt=["ab", "cd"], n=50), Served("counted", writer, Batch(writer)))
    assert encoded == ["ab", "cd"]


def test_what_is_wrong_with_the_same_thing_is_said_once() -> None:
    made = order(CompletionRequest(prompt="a☃", stop=["☃", "☃"]), MODEL)
    assert made.prompts == ["a"]
    assert [line.partition(":")[0] for line in made.warnings] == ["stop", "prompt"]


def test_a_strict_order_is_refused() -> None:
    with pytest.raises(RequestError) as raised:
        order(CompletionRequest(prompt="a☃", strict=True), MODEL)
    assert (raised.value.status, raised.value.problem.param) == (400, "prompt")
