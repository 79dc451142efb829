import queue
from collections.abc import Callable, Iterator, Sequence

import pytest

from charrnn.completions.batch import Prime
from charrnn.completions.engine import PRIME_PIECE, Engine, Job, QueueFullError, StoppedError
from charrnn.completions.shelf import Served
from charrnn.completions.text import Text
from charrnn.config.sampling_options import SamplingOptions
from charrnn.generation.sampling import sample
from tests.charrnn.completions.models import served

LONG = 100_000

Ordered = Callable[..., Job]


class Told:
    """What an engine tells, as texts are told of."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Text, ...]] = queue.SimpleQueue()

    def tell(self, texts: Sequence[Text]) -> None:
        self._queue.put(tuple(texts))

    def until_ended(self, *texts: Text) -> None:
        while not all(text.ended for text in texts):
            self._queue.get(timeout=60)

    def until_begun(self, text: Text) -> None:
        while not text.pieces:
            self._queue.get(timeout=60)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def engine(told: Told) -> Iterator[Engine]:
    made = Engine(told.tell, places=4, queue=3)
    made.start()
    yield made
    made.stop()


def text(length: int = 20, **options: object) -> Text:
    return Text(SamplingOptions.model_validate(options), length)


@pytest.fixture
def model() -> Served:
    return served()


@pytest.fixture
def job(model: Served) -> Ordered:
    return lambda *texts: Job(model.batch, Prime(model.writer, texts))


def written(one: Text) -> str:
    piece = one.take()
    assert piece is not None
    return piece.text


def test_each_text_is_what_the_sampler_writes(engine: Engine, told: Told, job: Ordered, model: Served) -> None:
    texts = [text(30, prime="ab", seed=seed) for seed in range(6)]
    engine.submit([job(one) for one in texts])
    told.until_ended(*texts)
    network, vocabulary = model.writer.network, model.writer.vocabulary
    assert [written(one) for one in texts] == [
        sample(network, vocabulary, one.options.model_copy(update={"length": 30})) for one in texts
    ]


def test_what_finds_neither_place_nor_queue_is_refused_whole(engine: Engine, told: Told, job: Ordered) -> None:
    running = [text(LONG) for _ in range(4)]
    engine.submit([job(*running)])
    told.until_begun(running[0])
    engine.submit([job(text(LONG), text(LONG))])
    with pytest.raises(QueueFullError):
        engine.submit([job(text()), job(text())])
    assert (engine.running, engine.waiting) == (4, 2)


def test_texts_of_one_client_take_the_places_there_are(engine: Engine, told: Told, job: Ordered) -> None:
    running, many = text(LONG), [text(LONG) for _ in range(4)]
    engine.submit([job(running)])
    told.until_begun(running)
    engine.submit([job(*many)])
    told.until_begun(many[2])
    assert (engine.running, engine.waiting) == (4, 1)
    assert not many[3].pieces


def test_places_go_to_those_who_wait_in_turn(told: Told, job: Ordered) -> None:
    engine = Engine(told.tell, places=1, queue=10)
    engine.start()
    try:
        running, many, one = text(LONG), [text(LONG) for _ in range(4)], text()
        engine.submit([job(running)])
        told.until_begun(running)
        engine.submit([job(many[0]), job(*many[1:])])
        engine.submit([job(one)])
        engine.leave([running])
        told.until_begun(many[0])
        engine.leave([many[0]])
        told.until_ended(one)
        assert not many[2].pieces
    finally:
        engine.stop()


def test_a_text_that_joins_after_its_prime_was_read_is_the_same(told: Told, job: Ordered, model: Served) -> None:
    engine = Engine(told.tell, places=2, queue=10)
    texts = [text(30, prime="ab", seed=seed) for seed in range(5)]
    engine.submit([job(*texts)])
    engine.start()
    try:
        told.until_ended(*texts)
    finally:
        engine.stop()
    network, vocabulary = model.writer.network, model.writer.vocabulary
    assert [written(one) for one in texts] == [
        sample(network, vocabulary, one.options.model_copy(update={"length": 30})) for one in texts
    ]


def test_who_leaves_makes_place_for_who_waits(engine: Engine, told: Told, job: Ordered) -> None:
    running, waiting = [text(LONG) for _ in range(4)], text()
    engine.submit([job(*running)])
    told.until_begun(running[0])
    engine.submit([job(waiting)])
    engine.leave(running)
    told.until_ended(waiting)
    assert all(not one.ended for one in running)


def test_who_leaves_while_waiting_is_never_written(engine: Engine, told: Told, job: Ordered) -> None:
    running, waiting = [text(LONG) for _ in range(4)], text()
    engine.submit([job(*running)])
    told.until_begun(running[0])
    engine.submit([job(waiting)])
    engine.leave([waiting])
    engine.leave(running)
    last = text()
    engine.submit([job(last)])
    told.until_ended(last)
    assert not waiting.pieces


def test_a_long_prime_does_not_hold_a_short_one(engine: Engine, told: Told, job: Ordered) -> None:
    slow, quick = text(prime="a" * 200 * PRIME_PIECE), text()
    engine.submit([job(slow)])
    engine.submit([job(quick)])
    told.until_ended(quick)
    assert not slow.ended
    told.until_ended(slow)


def test_only_the_prime_may_be_wanted(engine: Engine, told: Told, job: Ordered) -> None:
    none = text(0, prime="ab")
    engine.submit([job(none)])
    told.until_ended(none)
    assert none.reason == "length"


def test_after_refusing_what_runs_is_finished(engine: Engine, told: Told, job: Ordered) -> None:
    one = text(2000)
    engine.submit([job(one)])
    engine.refuse()
    with pytest.raises(StoppedError):
        engine.submit([job(text())])
    told.until_ended(one)
    assert (one.reason, len(written(one))) == ("length", 2000)


def test_what_is_unfinished_at_the_stop_fails(engine: Engine, told: Told, job: Ordered) -> None:
    running, waiting = [text(LONG) for _ in range(4)], text(LONG)
    engine.submit([job(*running)])
    told.until_begun(running[0])
    engine.submit([job(waiting)])
    engine.stop()
    assert [one.failure for one in (*running, waiting)] == ["the server is stopping"] * 5
    assert not engine.works


def test_two_models_write_at_the_same_time(engine: Engine, told: Told, job: Ordered) -> None:
    other = served(cell="gru")
    texts = text(40, seed=2), text(40, seed=2)
    engine.submit([job(texts[0]), Job(other.batch, Prime(other.writer, [texts[1]]))])
    told.until_ended(*texts)
    expected = sample(other.writer.network, other.writer.vocabulary, SamplingOptions(seed=2, length=40))
    assert written(texts[1]) == expected != written(texts[0])


def test_a_diverged_network_fails_its_texts_and_no_others(engine: Engine, told: Told, job: Ordered) -> None:
    broken = served()
    broken.writer.network.decoder.bias.fill_(float("nan"))
    writes, rates, good = text(), text(prime="ab"), text()
    engine.submit([Job(broken.batch, Prime(broken.writer, [one], rate=one is rates)) for one in (writes, rates)])
    engine.submit([job(good)])
    told.until_ended(writes, rates, good)
    assert [writes.failure, rates.failure] == ["the model's logits are not finite: its training diverged"] * 2
    assert good.reason == "length"


def test_a_fault_of_the_program_ends_every_text_and_is_logged(
    engine: Engine, told: Told, model: Served, job: Ordered, caplog: pytest.LogCaptureFixture
) -> None:
    running, faulty = text(LONG), text()
    engine.submit([job(running)])
    told.until_begun(running)
    prime = Prime(model.writer, [faulty])
    vars(prime)["_readings"] = {}  # which cannot be read
    engine.submit([Job(model.batch, prime)])
    told.until_ended(running, faulty)
    assert (running.failure, faulty.failure) == ("the server has failed", "the server has failed")
    with pytest.raises(StoppedError):
        engine.submit([job(text())])
    assert "the engine has stopped" in caplog.text
