"""Texts that join and leave while others are written: each is what the plain sampler writes."""

import math
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.completions.batch import Batch, Prime
from charrnn.completions.text import Rated, Text
from charrnn.config.sampling_options import SamplingOptions
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DivergedError
from charrnn.generation.sampling import sample
from charrnn.generation.writer import Writer
from charrnn.model.cells import CELLS
from tests.charrnn.completions.models import CHARACTERS, VOCABULARY, writer

MODELS = {
    f"{cell} {int(documents)}": writer(cell=cell, documents=documents) for cell in CELLS for documents in (False, True)
}
MODELS |= {
    "layer norm": writer(layer_norm=True, num_layers=3),
    "one-hot": writer(embedding_size=None, num_layers=1),
    "tied": writer(embedding_size=8, tie_weights=True, documents=True),
}


def torch_alone(made: Writer) -> Writer:
    """The same network, whose cell has no step in NumPy."""
    made.network.cell = type(made.network.cell)(made.network.cell.layer, made.network.cell.state_tensors)
    return made


MODELS["in PyTorch"] = torch_alone(writer(cell="lstm"))


def plain(made: Writer, options: SamplingOptions) -> str:
    return sample(made.network, made.vocabulary, options, documents=made.data.has_documents)


def joined(batch: Batch, made: Writer, text: Text, piece: int = 100) -> Text:
    prime = Prime(made, [text])
    while prime.left:
        prime.read(piece)
    batch.append(prime, prime.texts)
    return text


def told(text: Text) -> str:
    piece = text.take()
    return piece.text if piece else ""


OPTIONS = st.builds(
    SamplingOptions,
    prime=st.text(CHARACTERS, max_size=6),
    length=st.integers(1, 12),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    seed=st.integers(0, 2**63 - 1),
    top_k=st.none() | st.integers(1, 15),
    top_p=st.none() | st.floats(0.1, 1),
    min_p=st.none() | st.floats(0.01, 1),
)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(st.lists(st.tuples(OPTIONS, st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=5))
def test_a_text_is_the_same_whoever_joins_and_leaves_beside_it(
    name: str, arriving: list[tuple[SamplingOptions, int, int]]
) -> None:
    made, batch = MODELS[name], Batch(MODELS[name])
    texts: list[Text] = []
    for options, steps, piece in arriving:
        texts.append(joined(batch, made, Text(options, options.length), piece))
        for _ in islice(iter(lambda: bool(batch.texts), False), steps):
            batch.step()
    while batch.texts:
        batch.step()
    assert [told(text) for text in texts] == [plain(made, options) for options, _, _ in arriving]


def test_a_text_goes_on_beyond_the_random_numbers_that_are_made_at_once() -> None:
    made = MODELS["gru 0"]
    batch, options = Batch(made), [SamplingOptions(length=600, seed=seed) for seed in range(3)]
    texts = []
    for one in options:
        texts.append(joined(batch, made, Text(one, one.length)))
        for _ in range(100):
            batch.step()
    while batch.texts:
        batch.step()
    assert [told(text) for text in texts] == [plain(made, one) for one in options]


def test_who_leaves_leaves_no_trace() -> None:
    made = MODELS["lstm 0"]
    batch, options = Batch(made), SamplingOptions(length=30, seed=3)
    gone = [joined(batch, made, Text(SamplingOptions(prime=prime), 100)) for prime in ("éab", "中d")]
    text = joined(batch, made, Text(options, 30))
    batch.remove(gone)
    assert batch.texts == [text]
    while batch.texts:
        batch.step()
    assert told(text) == plain(made, options)


def test_texts_of_one_prime_differ_by_their_seeds() -> None:
    made = MODELS["lstm 0"]
    batch, options = Batch(made), [SamplingOptions(prime="ab", length=20, seed=seed) for seed in (5, 6)]
    prime = Prime(made, [Text(one, 20) for one in options])
    assert prime.read(100) == 2
    batch.append(prime, prime.texts)
    while batch.texts:
        batch.step()
    assert [told(text) for text in prime.texts] == [plain(made, one) for one in options]


def test_without_a_prime_a_stream_may_begin_with_any_character_where_there_is_no_line_feed() -> None:
    made = MODELS["lstm 0"]
    known = Vocabulary(CHARACTERS[1:], (1,) * (len(CHARACTERS) - 1), tuple(range(len(CHARACTERS) - 1)))
    torch.manual_seed(1)
    network = type(made.network)(made.network.params, known.size).eval()
    without, options = Writer(network, known, made.data), [SamplingOptions(length=9, seed=seed) for seed in range(5)]
    prime, batch = Prime(without, [Text(one, 9) for one in options]), Batch(without)
    while prime.left:
        prime.read(100)
    batch.append(prime, prime.texts)
    while batch.texts:
        batch.step()
    assert [told(text) for text in prime.texts] == [plain(without, one) for one in options]


def test_a_stop_ends_a_text_at_the_character_that_completes_it() -> None:
    made = MODELS["lstm 0"]
    options = SamplingOptions(length=200, seed=1, temperature=1.0)
    whole = plain(made, options)
    stop = whole[20:22]
    batch = Batch(made)
    text = joined(batch, made, Text(options, 200, [stop]))
    steps = 0
    while batch.texts:
        batch.step()
        steps += 1
    place = whole.index(stop)
    assert (told(text), text.reason, steps) == (whole[:place], "stop", place + 2)


def test_a_bias_makes_a_character_certain_or_impossible() -> None:
    made = MODELS["lstm 0"]
    place = CHARACTERS.index("é")
    batch = Batch(made)
    always, never = (
        Text(SamplingOptions(seed=1), 50, bias={place: 100}),
        Text(SamplingOptions(seed=1), 50, bias={place: -100}),
    )
    free = SamplingOptions(seed=1, length=50)
    texts = [joined(batch, made, text) for text in (always, never, Text(free, 50))]
    while batch.texts:
        batch.step()
    written = [told(text) for text in texts]
    assert written[0] == "é" * 50
    assert "é" not in written[1]
    assert written[2] == plain(made, free)


@pytest.mark.parametrize("name", ["lstm 0", "lstm 1"])
def test_log_probabilities_are_those_of_the_network_whatever_is_drawn(name: str) -> None:
    made = MODELS[name]
    options = SamplingOptions(prime="abc", temperature=0.5, top_k=3, seed=4)
    text = Text(options, 40, bias={2: 3.0}, likeliest=2)
    prime, batch = Prime(made, [text], rate=True), Batch(made)
    while prime.left:
        prime.read(2)
    batch.append(prime, prime.texts)
    while batch.texts:
        batch.step()
    piece = text.take()
    assert piece is not None
    assert "".join(one.character for one in piece.rated) == piece.text
    documents = made.data.has_documents
    ids = ([VOCABULARY.stop_id] if documents else []) + VOCABULARY.encode(piece.text).tolist()
    logits, _ = made.network(torch.tensor(ids)[:, None], made.network.initial_state(1))
    expected = torch.log_softmax(logits[:, 0], dim=1)
    predicted = piece.rated if documents else piece.rated[1:]
    if not documents:
        assert piece.rated[0] == Rated("a", None, None)
    symbols = [*CHARACTERS, ""]
    for one, row in zip(predicted, expected, strict=False):
        assert one.logprob == pytest.approx(float(row[symbols.index(one.character)]), abs=1e-4)
        assert one.top is not None
        values, places = row.topk(2)
        assert list(one.top) == [symbols[place] for place in places.tolist()]
        assert list(one.top.values()) == pytest.approx(values.tolist(), abs=1e-4)


def test_texts_side_by_side_are_told_as_many_of_the_likeliest_as_each_asks_for() -> None:
    made = MODELS["lstm 0"]
    batch = Batch(made)
    texts = [joined(batch, made, Text(SamplingOptions(seed=1), 5, likeliest=count)) for count in (1, None, 3, 0)]
    while batch.texts:
        batch.step()
    counts = []
    for text in texts:
        piece = text.take()
        assert piece is not None
        counts.append([len(one.top or {}) for one in piece.rated])
    assert counts == [[1] * 5, [], [3] * 5, [0] * 5]


def test_a_diverged_network_says_so() -> None:
    made = writer()
    batch = Batch(made)
    made.network.decoder.bias.fill_(math.nan)
    with pytest.raises(DivergedError):
        broken(batch, made)


def broken(batch: Batch, made: Writer) -> None:
    joined(batch, made, Text(SamplingOptions(), 3))
    batch.step()
