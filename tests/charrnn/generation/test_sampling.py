import math
from collections import Counter
from collections.abc import Callable, Generator
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import ModelParams
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DivergedError, VocabularyError
from charrnn.generation import sampling
from charrnn.generation.sampling import sample, sample_many, stream_many
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN

CHARACTERS = "\nabcdefgé中"
VOCABULARY = Vocabulary(CHARACTERS, (1,) * 10, tuple(range(10)))

OPTIONS = st.builds(
    SamplingOptions,
    prime=st.text(CHARACTERS, max_size=8),
    length=st.integers(1, 12),
    temperature=st.sampled_from([0.0, 1e-6, 0.5, 1.0, 1.7, 1e6]),
    seed=st.integers(0, 2**63 - 1),
    top_k=st.none() | st.integers(1, 15),
    top_p=st.none() | st.floats(0, 1, exclude_min=True),
    min_p=st.none() | st.floats(0, 1, exclude_min=True),
)
STOPS = st.none() | st.text(CHARACTERS, min_size=1, max_size=3)


def build(cell: str, stop_bias: float = 30, **params: object) -> CharRNN:
    """A model that is untrained and yet far from uniform, whose likeliest id is the padding's.

    In float64, so that no draw hangs on the rounding that reading texts side by side changes.
    """
    torch.manual_seed(1)
    values = {"cell": cell, "hidden_size": 8, "embedding_size": 5, "num_layers": 2, "dropout": 0.3, **params}
    model = CharRNN(ModelParams.model_validate(values), VOCABULARY.size)
    with torch.no_grad():
        for weights in model.rnns.parameters():
            weights.mul_(2)
        model.decoder.weight.mul_(12)
        model.decoder.bias[VOCABULARY.stop_id] = stop_bias
    return model.double()


MODELS = {cell: build(cell) for cell in CELLS}
DOCUMENT_MODELS = {cell: build(cell, stop_bias=6.0) for cell in CELLS}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> CharRNN:
    return MODELS[request.param]


@pytest.fixture
def with_logits() -> Callable[..., CharRNN]:
    """A model that gives the same logits whatever it has read."""

    def make(logits: list[float]) -> CharRNN:
        model = CharRNN(ModelParams(cell="rnn", hidden_size=2, embedding_size=None), VOCABULARY.size)
        with torch.no_grad():
            model.decoder.weight.zero_()
            model.decoder.bias.copy_(torch.tensor([*logits, 99.0]))
        return model

    return make


def changed(options: SamplingOptions, **values: object) -> SamplingOptions:
    return SamplingOptions.model_validate({**options.model_dump(), **values})


def all_logits(model: CharRNN, ids: list[int]) -> torch.Tensor:
    """Logits after each of `ids`, read in one go: (len(ids), vocabulary_size)."""
    model.eval()
    logits: torch.Tensor
    with torch.no_grad():
        logits, _ = model(torch.tensor(ids)[:, None], model.initial_state(1))
    model.train()
    return logits[:, 0]


def logits_after(model: CharRNN, text: str) -> torch.Tensor:
    """Logits for the characters, without padding, after reading `text` in one go: (characters,)."""
    return all_logits(model, VOCABULARY.encode(text).tolist())[-1, : len(CHARACTERS)]


@given(many=st.lists(OPTIONS, min_size=1, max_size=5), cell=st.sampled_from(list(MODELS)))
def test_a_text_is_the_same_alone_and_beside_others_and_as_long_as_asked_for(
    many: list[SamplingOptions], cell: str
) -> None:
    texts = sample_many(MODELS[cell], VOCABULARY, many)
    assert texts == [sample(MODELS[cell], VOCABULARY, options) for options in many]
    assert [len(text) for text in texts] == [options.length for options in many]
    assert set("".join(texts)) <= set(CHARACTERS)


@given(many=st.lists(OPTIONS, min_size=1, max_size=3), cell=st.sampled_from(list(MODELS)))
def test_streamed_characters_are_those_of_the_whole_text(many: list[SamplingOptions], cell: str) -> None:
    pieces = list(stream_many(MODELS[cell], VOCABULARY, many))
    assert len(pieces) == max(options.length for options in many)
    assert ["".join(parts) for parts in zip(*pieces, strict=True)] == sample_many(MODELS[cell], VOCABULARY, many)
    for position, piece in enumerate(pieces):
        assert [len(part) for part in piece] == [int(position < options.length) for options in many]


@given(options=OPTIONS, more=st.integers(1, 5), cell=st.sampled_from(list(MODELS)))
def test_a_longer_text_starts_with_the_shorter_one(options: SamplingOptions, more: int, cell: str) -> None:
    longer = changed(options, length=options.length + more)
    assert sample(MODELS[cell], VOCABULARY, longer).startswith(sample(MODELS[cell], VOCABULARY, options))


@given(many=st.lists(st.tuples(OPTIONS, STOPS), min_size=1, max_size=5), cell=st.sampled_from(list(MODELS)))
def test_a_text_ends_with_its_length_or_as_soon_as_its_stop_was_written_whatever_ends_the_others(
    many: list[tuple[SamplingOptions, str | None]], cell: str
) -> None:
    whole = sample_many(MODELS[cell], VOCABULARY, [options for options, _ in many])
    expected = [
        text[: text.index(stop) + len(stop)] if stop is not None and stop in text else text
        for text, (_, stop) in zip(whole, many, strict=True)
    ]
    stopping = [changed(options, stop=stop) for options, stop in many]
    assert sample_many(MODELS[cell], VOCABULARY, stopping) == expected
    assert len(list(stream_many(MODELS[cell], VOCABULARY, stopping))) == max(map(len, expected))


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_the_stop_is_the_last_thing_written(size: int, model: CharRNN) -> None:
    whole = sample(model, VOCABULARY, SamplingOptions(length=40))
    stop = whole[-size:]
    stopped = sample(model, VOCABULARY, SamplingOptions(length=100, stop=stop))
    assert stopped == whole[: whole.index(stop) + size]


def test_a_stop_that_is_longer_than_the_text_or_of_unknown_characters_stops_nothing(model: CharRNN) -> None:
    whole = sample(model, VOCABULARY, SamplingOptions(length=20))
    for stop in (whole + "a", "a" + whole, "☃"):
        assert sample(model, VOCABULARY, SamplingOptions(length=20, stop=stop)) == whole


def test_only_what_is_written_counts_as_a_stop_and_not_what_the_prime_has_begun(
    with_logits: Callable[..., CharRNN],
) -> None:
    model = with_logits([0, 9, 0, 0, 0, 0, 0, 0, 0, 0])  # writes "aaa..."
    for prime in ("aa", "aaaaa", "b"):
        options = SamplingOptions(prime=prime, stop="aaa", temperature=0)
        assert sample(model, VOCABULARY, options) == "aaa"
    options = SamplingOptions(prime="b", stop="ba", length=7, temperature=0)
    assert sample(model, VOCABULARY, options) == "aaaaaaa"


def test_another_seed_gives_another_text(model: CharRNN) -> None:
    texts = {sample(model, VOCABULARY, SamplingOptions(length=40, seed=seed)) for seed in range(5)}
    assert len(texts) == 5


def test_temperature_zero_takes_the_likeliest_character_each_time(model: CharRNN) -> None:
    text = "a"
    for _ in range(30):
        text += CHARACTERS[int(logits_after(model, text).argmax())]
    assert len(set(text)) > 2
    for seed in (1, 2):
        assert sample(model, VOCABULARY, SamplingOptions(prime="a", length=30, temperature=0, seed=seed)) == text[1:]


@pytest.mark.parametrize(
    "narrow", [{"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}, {"temperature": 1e-6}, {"temperature": 5e-324}]
)
def test_the_narrowest_choice_is_that_of_temperature_zero(narrow: dict[str, float], model: CharRNN) -> None:
    likeliest = sample(model, VOCABULARY, SamplingOptions(length=30, temperature=0))
    options = SamplingOptions(length=30, temperature=1.5)
    assert sample(model, VOCABULARY, options) != likeliest
    assert sample(model, VOCABULARY, changed(options, **narrow)) == likeliest


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-9}, {"temperature": 0.0}])
def test_of_equally_likely_characters_the_narrowest_choice_takes_the_first(
    narrow: dict[str, float], with_logits: Callable[..., CharRNN]
) -> None:
    model = with_logits([0, 1, 5, 5, 2, 5, 5, 0, 0, 5])
    assert sample(model, VOCABULARY, changed(SamplingOptions(length=50), **narrow)) == CHARACTERS[2] * 50


def test_top_k_keeps_k_characters_also_where_logits_are_equal(with_logits: Callable[..., CharRNN]) -> None:
    model = with_logits([0, 5, 5, 5, 5, 2, 2, 2, 2, 2])
    assert set(sample(model, VOCABULARY, SamplingOptions(length=200, top_k=3))) == set(CHARACTERS[1:4])
    assert set(sample(model, VOCABULARY, SamplingOptions(length=900, top_k=5, temperature=4))) == set(CHARACTERS[1:6])


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.39, "a"), (0.41, "ab"), (0.69, "ab"), (0.71, "abc"), (0.89, "abc"), (0.91, "abcd")]
)
def test_top_p_keeps_the_fewest_characters_that_together_have_it(
    top_p: float, kept: str, with_logits: Callable[..., CharRNN]
) -> None:
    probabilities = [1e-9, 0.4, 0.3, 0.2, 0.1, *[1e-9] * 5]
    model = with_logits(list(map(math.log, probabilities)))
    assert set(sample(model, VOCABULARY, SamplingOptions(length=300, top_p=top_p, temperature=1))) == set(kept)


@given(options=OPTIONS, cell=st.sampled_from(list(MODELS)))
def test_keeping_every_character_is_not_restricting_at_all(options: SamplingOptions, cell: str) -> None:
    free = changed(options, top_k=None, top_p=None, min_p=None)
    for wide in ({"top_k": len(CHARACTERS)}, {"top_k": 10**6}, {"top_p": 1.0}, {"min_p": 5e-324}):
        assert sample(MODELS[cell], VOCABULARY, changed(free, **wide)) == sample(MODELS[cell], VOCABULARY, free)


DRAWS = 1500


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SamplingOptions(temperature=1), lambda p: p),
        (SamplingOptions(), lambda p: p ** (1 / 0.8)),
        (SamplingOptions(temperature=0.5), lambda p: p**2),
        (SamplingOptions(temperature=2.0), lambda p: p**0.5),
        (SamplingOptions(temperature=1e6), lambda p: p**0),
        (SamplingOptions(temperature=1e300), lambda p: p**0),
        (SamplingOptions(temperature=1, top_k=3), lambda p: p * (p >= p.sort(descending=True).values[2])),
        (SamplingOptions(temperature=1, min_p=0.3), lambda p: p * (p >= 0.3 * p.max())),
        (SamplingOptions(temperature=1, top_k=4, top_p=0.5), lambda p: p * (p >= p.sort(descending=True).values[1])),
    ],
)
def test_draws_follow_the_softmax_of_the_logits(
    options: SamplingOptions, expected: Callable[[torch.Tensor], torch.Tensor], with_logits: Callable[..., CharRNN]
) -> None:
    probabilities = torch.tensor([0.01, 0.02, 0.03, 0.05, 0.07, 0.08, 0.11, 0.15, 0.22, 0.26], dtype=torch.float64)
    expected_weights = expected(probabilities)
    shares = (expected_weights / expected_weights.sum()).tolist()
    text = sample(with_logits(probabilities.log().tolist()), VOCABULARY, changed(options, length=DRAWS))
    counts = Counter(text)
    assert set(text) <= {character for character, share in zip(CHARACTERS, shares, strict=True) if share}
    statistic = sum(
        (counts[character] - DRAWS * share) ** 2 / (DRAWS * share)
        for character, share in zip(CHARACTERS, shares, strict=True)
        if share
    )
    # Chi-squared with at most 9 degrees of freedom exceeds this once in ten thousand seeds.
    assert statistic < 33.7


def test_draws_with_other_seeds_are_independent(model: CharRNN) -> None:
    expected = torch.softmax(logits_after(model, "ab").double(), 0).tolist()
    many = [SamplingOptions(prime="ab", length=1, seed=seed, temperature=1) for seed in range(1000)]
    counts = Counter(sample_many(model, VOCABULARY, many))
    likely = [(character, share) for character, share in zip(CHARACTERS, expected, strict=True) if share > 0.01]
    assert len(likely) > 1
    for character, share in likely:
        assert counts[character] == pytest.approx(1000 * share, abs=5 * math.sqrt(1000 * share * (1 - share)))


@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-6, 1, 1e6, 1e300])
def test_neither_logits_nor_temperatures_overflow(temperature: float, with_logits: Callable[..., CharRNN]) -> None:
    model = with_logits([3e38, -3e38, 1e38, 0, 0, 0, 0, 0, 0, -3e38])
    text = sample(model, VOCABULARY, SamplingOptions(length=20, temperature=temperature))
    assert len(text) == 20
    if temperature <= 1e6:
        assert set(text) == {CHARACTERS[0]}


def test_padding_is_never_drawn_though_it_is_the_likeliest(model: CharRNN) -> None:
    ids = torch.tensor(VOCABULARY.encode("ab").astype("int64"))[:, None]
    logits, _ = model.eval()(ids, model.initial_state(1))
    model.train()
    assert int(logits[-1, 0].argmax()) == VOCABULARY.stop_id
    for temperature in (0.0, 1.0, 1e6):
        assert len(sample(model, VOCABULARY, SamplingOptions(prime="ab", length=200, temperature=temperature))) == 200


def test_a_vocabulary_of_one_character_writes_that_character() -> None:
    vocabulary = Vocabulary("x", (1,), (0,))
    model = CharRNN(ModelParams(hidden_size=2, embedding_size=2), vocabulary.size)
    assert sample(model, vocabulary, SamplingOptions(length=5, top_k=3, top_p=0.1)) == "xxxxx"


def test_an_empty_prime_starts_from_a_line_break(model: CharRNN) -> None:
    empty, line = (sample(model, VOCABULARY, SamplingOptions(prime=prime, length=40)) for prime in ("", "\n"))
    assert empty == line


def test_an_empty_prime_without_line_breaks_starts_from_a_character_that_the_seed_chooses() -> None:
    vocabulary = Vocabulary("abcdef", (1,) * 6, tuple(range(6)))
    torch.manual_seed(0)
    model = CharRNN(ModelParams(hidden_size=8, embedding_size=5, cell="rnn"), vocabulary.size)
    first = {seed: sample(model, vocabulary, SamplingOptions(length=1, temperature=0, seed=seed)) for seed in range(40)}
    after = {sample(model, vocabulary, SamplingOptions(prime=c, length=1, temperature=0)) for c in "abcdef"}
    assert len(after) > 1
    assert set(first.values()) == after
    for seed, character in first.items():
        assert sample(model, vocabulary, SamplingOptions(length=1, temperature=0, seed=seed)) == character


def test_a_prime_is_read_from_its_first_character_on(model: CharRNN) -> None:
    def texts(prime: str) -> list[str]:
        return sample_many(model, VOCABULARY, [SamplingOptions(prime=prime, length=3, seed=seed) for seed in range(60)])

    assert len({tuple(texts(prime)) for prime in ("abc", "bbc", "bc", "c")}) == 4


def test_a_long_prime_read_in_pieces_is_one_prime(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SamplingOptions(prime="abcd\n中é" * 5, length=40)
    expected = sample(model, VOCABULARY, options)
    for piece in (1, 7, 34, 35):
        monkeypatch.setattr(sampling, "PRIME_PIECE", piece)
        assert sample(model, VOCABULARY, options) == expected


def test_a_prime_with_unknown_characters_is_refused_with_their_names(model: CharRNN) -> None:
    with pytest.raises(VocabularyError, match=r"'x' \(LATIN SMALL LETTER X\), '☃' \(SNOWMAN\)"):
        sample(model, VOCABULARY, SamplingOptions(prime="axb☃x"))


@given(many=st.lists(st.tuples(OPTIONS, STOPS), min_size=1, max_size=5), cell=st.sampled_from(list(MODELS)))
def test_a_document_is_the_same_alone_and_beside_others(
    many: list[tuple[SamplingOptions, str | None]], cell: str
) -> None:
    model = DOCUMENT_MODELS[cell]
    stopping = [changed(options, stop=stop) for options, stop in many]
    texts = sample_many(model, VOCABULARY, stopping, documents=True)
    assert texts == [sample(model, VOCABULARY, options, documents=True) for options in stopping]
    assert all(len(text) <= options.length for text, options in zip(texts, stopping, strict=True))
    assert set("".join(texts)) <= set(CHARACTERS)


@pytest.mark.parametrize("cell", CELLS)
def test_documents_end_by_themselves_at_different_lengths_and_at_the_latest_after_the_length(cell: str) -> None:
    many = [SamplingOptions(length=60, seed=seed, temperature=20) for seed in range(50)]
    lengths = {len(text) for text in sample_many(DOCUMENT_MODELS[cell], VOCABULARY, many, documents=True)}
    assert len(lengths - {60}) > 3
    assert max(lengths) <= 60


def test_a_document_starts_from_the_stop_symbol_and_ends_where_it_is_the_likeliest() -> None:
    model = build("gru", stop_bias=0.0)
    with torch.no_grad():
        model.decoder.bias[VOCABULARY.stop_id] = 4
    for prime in ("", "ab"):
        ids = [VOCABULARY.stop_id, *VOCABULARY.encode(prime).tolist()]
        text = ""
        while (symbol := int(all_logits(model, ids)[-1].argmax())) != VOCABULARY.stop_id and len(text) < 30:
            ids.append(symbol)
            text += CHARACTERS[symbol]
        options = SamplingOptions(prime=prime, length=30, temperature=0)
        assert sample(model, VOCABULARY, options, documents=True) == text


def test_the_filters_see_the_stop_symbol_as_any_other(with_logits: Callable[..., CharRNN]) -> None:
    model = with_logits([0, 9, 8, 0, 0, 0, 0, 0, 0, 0])
    with torch.no_grad():
        model.decoder.bias[VOCABULARY.stop_id] = 7.0  # third of all
    two, three = (
        [
            sample(model, VOCABULARY, SamplingOptions(length=50, top_k=top_k, seed=seed), documents=True)
            for seed in range(20)
        ]
        for top_k in (2, 3)
    )
    assert {len(text) for text in two} == {50}
    assert {len(text) for text in three} != {50}
    assert set("".join(two + three)) == {"a", "b"}


def test_a_document_that_ends_at_once_is_empty(with_logits: Callable[..., CharRNN]) -> None:
    model = with_logits([0] * 10)  # the stop symbol has 99
    assert sample(model, VOCABULARY, SamplingOptions(), documents=True) == ""
    assert list(stream_many(model, VOCABULARY, [SamplingOptions()], documents=True)) == [[""]]


@given(
    many=st.lists(st.tuples(OPTIONS, STOPS), min_size=1, max_size=4),
    cell=st.sampled_from(list(MODELS)),
    documents=st.booleans(),
)
def test_the_log_probability_is_what_the_network_gives_to_the_text_that_is_read_back(
    many: list[tuple[SamplingOptions, str | None]], cell: str, documents: bool
) -> None:
    model = (DOCUMENT_MODELS if documents else MODELS)[cell]
    options = [changed(one, stop=stop, prime=one.prime or "b") for one, stop in many]
    logprobs = np.zeros(len(options))
    texts = sample_many(model, VOCABULARY, options, documents=documents, logprobs=logprobs)
    assert texts == sample_many(model, VOCABULARY, options, documents=documents)
    for one, text, logprob in zip(options, texts, logprobs.tolist(), strict=True):
        start = [VOCABULARY.stop_id] * documents + VOCABULARY.encode(one.prime).tolist()
        written = VOCABULARY.encode(text).tolist()
        if documents and len(text) < one.length and not (one.stop and text.endswith(one.stop)):
            written.append(VOCABULARY.stop_id)
        log_softmax = all_logits(model, start + written).double().log_softmax(1)[len(start) - 1 : -1]
        expected = log_softmax[range(len(written)), written].sum().item()
        assert logprob == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_a_model_that_has_diverged_is_told(with_logits: Callable[..., CharRNN]) -> None:
    model = with_logits([0, 1, 2, math.nan, 0, 0, 0, 0, 0, 0])
    for temperature in (0, 1):
        with pytest.raises(DivergedError, match="logits are not finite: its training diverged"):
            sample(model, VOCABULARY, SamplingOptions(temperature=temperature))


@pytest.mark.parametrize("training", [True, False])
def test_sampling_changes_neither_the_mode_nor_any_random_state(training: bool) -> None:
    model = build("lstm").train(training)
    random = torch.get_rng_state()
    expected = sample(model, VOCABULARY, SamplingOptions(length=20))
    streams = [stream_many(model, VOCABULARY, [SamplingOptions(length=20)]) for _ in range(2)]
    texts = ["".join(text for (text,) in islice(stream, 5)) for stream in streams]
    assert model.training == training
    assert not torch.is_inference_mode_enabled()
    assert isinstance(streams[0], Generator)
    streams[0].close()
    texts[1] += "".join(text for (text,) in streams[1])
    assert texts == [expected[:5], expected]
    assert all(module.training == training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)
