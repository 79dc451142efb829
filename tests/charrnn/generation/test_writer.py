import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import DataParams, ModelParams
from charrnn.data.normalisation import normalise
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import VocabularyError
from charrnn.generation import writer as writer_module
from charrnn.generation.sampling import sample
from charrnn.generation.writer import Writer
from charrnn.model.char_rnn import CharRNN

CHARACTERS = "\n '_abcdelmntsé"


def make(characters: str = CHARACTERS, **data: object) -> Writer:
    """A writer whose network is untrained, in float64."""
    size = len(characters)
    vocabulary = Vocabulary("".join(sorted(characters)), (1,) * size, tuple(range(size)))
    torch.manual_seed(1)
    network = CharRNN(ModelParams(hidden_size=8, embedding_size=5), vocabulary.size).double()
    return Writer(network, vocabulary, DataParams.model_validate(data))


STREAM, LINES = make(), make("'_abcdelmntsé", documents="lines")


def prepared(writer: Writer, **options: object) -> SamplingOptions:
    """The options that are written with; nothing is said of them."""
    found, warnings = writer.prepare(SamplingOptions.model_validate(options))
    assert warnings == ()
    return found


def test_what_the_model_knows_is_taken_as_it_is() -> None:
    options = SamplingOptions(prime="a table", stop="é\n", seed=3, top_k=2)
    assert STREAM.prepare(options, strict=True) == (options, ())
    assert STREAM.prepare(SamplingOptions()) == (SamplingOptions(), ())


def test_prime_and_stop_take_the_normal_form_of_the_text() -> None:
    assert prepared(STREAM, prime="e\u0301te\u0301", stop="e\u0301") == SamplingOptions(prime="été", stop="é")
    decomposed = make("e\u0301t", unicode_form="NFD")
    assert prepared(decomposed, prime="été", stop="é") == SamplingOptions(prime="e\u0301te\u0301", stop="e\u0301")


def test_prime_and_stop_are_in_lower_case_where_the_text_was() -> None:
    small = make(lowercase=True)
    assert prepared(small, prime="L'ÉTÉ", stop="SÉ") == SamplingOptions(prime="l'été", stop="sé")
    found, (warning,) = STREAM.prepare(SamplingOptions(prime="L'ÉTÉ"))
    assert found.prime == "'"
    assert warning.startswith("prime: the model has never seen 'L' (LATIN CAPITAL LETTER L), 'É'")


def test_a_mark_and_line_ends_are_read_as_in_a_file() -> None:
    assert prepared(STREAM, prime="\ufeffa\r\nb\rc\n", stop="\r\n") == SamplingOptions(prime="a\nb\nc\n", stop="\n")
    kept = make(CHARACTERS + "\r", newline="keep")
    assert prepared(kept, prime="\ufeffa\r\nb", stop="\r\n") == SamplingOptions(prime="a\r\nb", stop="\r\n")


@given(
    prime=st.text(st.sampled_from("aAéÉe\u0301\r\n\ufeff中\u03c3\u03a3\ud800"), max_size=12),
    lowercase=st.booleans(),
    form=st.sampled_from(["none", "NFC", "NFD", "NFKC", "NFKD"]),
)
def test_what_is_not_kept_of_the_prime_is_named(prime: str, lowercase: bool, form: str) -> None:
    writer = make(lowercase=lowercase, unicode_form=form)
    found, warnings = writer.prepare(SamplingOptions.model_construct(prime=prime, stop=None))
    read = normalise(prime, writer.data)
    assert found.prime == "".join(character for character in read if character in writer.vocabulary.characters)
    assert bool(warnings) == (found.prime != read)
    assert all(warning.isprintable() for warning in warnings)


def test_a_stop_that_the_model_cannot_write_is_named() -> None:
    _, (warning,) = STREAM.prepare(SamplingOptions(stop="a☃"))
    assert warning == "stop (--until): the model never writes '☃' (SNOWMAN); it ends no text"
    found, (warning,) = STREAM.prepare(SamplingOptions(stop="\ufeff"))
    assert (found.stop, warning) == (None, "stop (--until): nothing but a byte-order mark; it ends no text")


@pytest.mark.parametrize("stop", ["\\n", "a\\t", "\\n\\n"])
def test_a_backslash_and_n_are_no_line_end_which_is_said_with_how_to_give_one(stop: str) -> None:
    _, (warning,) = STREAM.prepare(SamplingOptions(stop=stop))
    assert warning == (
        "stop (--until): the model never writes '\\' (REVERSE SOLIDUS); it ends no text; "
        """a line end is given as $'\\n' in bash, as "\\n" in JSON and YAML"""
    )


def test_a_model_that_writes_backslashes_may_be_stopped_by_one() -> None:
    assert prepared(make(CHARACTERS + "\\"), stop="\\n").stop == "\\n"
    _, (warning,) = STREAM.prepare(SamplingOptions(stop="\\a"))
    assert "line end" not in warning


@pytest.mark.parametrize("wrong", [{"prime": "a☃"}, {"stop": "☃"}, {"stop": "\\n"}])
def test_strict_refuses_what_the_model_cannot_use(wrong: dict[str, str]) -> None:
    with pytest.raises(VocabularyError, match=r"^(prime: the model has never seen|stop \(--until\): the model never)"):
        STREAM.prepare(SamplingOptions.model_validate(wrong), strict=True)


@pytest.mark.parametrize("writer", [STREAM, LINES])
def test_texts_are_those_of_one_by_one_in_order_however_many(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "BLOCK", 4)
    options = [SamplingOptions(prime="a" * (seed % 3), length=9, seed=seed) for seed in range(11)]
    written = list(writer.write(options))
    assert [one.options for one in written] == options
    documents = writer.data.has_documents
    expected = [sample(writer.network, writer.vocabulary, one, documents=documents) for one in options]
    assert [one.continuation for one in written] == expected
    assert [one.text for one in written] == [o.prime + text for o, text in zip(options, expected, strict=True)]
    assert ["".join(writer.stream(one)) for one in options] == [one.text for one in written]
    assert {one.logprob for one in written} == {None}
    assert list(writer.write([])) == []


def test_log_probabilities_are_those_of_each_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "BLOCK", 3)
    options = [SamplingOptions(length=9, seed=seed) for seed in range(7)]
    together = [one.logprob for one in LINES.write(options, logprobs=True)]
    alone = [one.logprob for option in options for one in LINES.write([option], logprobs=True)]
    assert len(set(together)) > 3
    assert together == pytest.approx(alone)
    assert all(logprob is not None and logprob < 0 for logprob in together)


def test_a_document_is_its_characters_and_never_a_stop_symbol_and_an_underscore_stays_one() -> None:
    with torch.no_grad():
        LINES.network.decoder.bias[LINES.vocabulary.encode("_").tolist()] = 2.0
    written = list(LINES.write([SamplingOptions(length=50, seed=seed) for seed in range(100)]))
    texts = [one.text for one in written]
    assert set("".join(texts)) == set(LINES.vocabulary.characters)
    assert any("_" in text for text in texts)
    assert len({len(text) for text in texts} - {50}) > 5


def test_only_documents_without_line_ends_are_lines() -> None:
    assert LINES.of_lines
    assert not STREAM.of_lines
    assert not make("ab").of_lines
    assert not make("ab\n", documents="%\n").of_lines
    assert not make("ab\r", documents="lines", newline="keep").of_lines
    # A line end that only the model it starts from has seen.
    vocabulary = Vocabulary("\nab", (0, 1, 1), (-1, 0, 1))
    network = CharRNN(ModelParams(hidden_size=2, embedding_size=2), vocabulary.size)
    assert Writer(network, vocabulary, DataParams(documents="lines")).of_lines
