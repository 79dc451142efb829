"""From a text to parameters for it, each with its reason. Trains nothing.

`documents` decides what a document is, `sizes` how long to train which model; `trial` finds out what training would
refuse. Since the text is encoded for that, what is said of its size is exact, and training finds it encoded.
"""

from collections.abc import Sequence

import numpy as np

from charrnn.advice.documents import MANY_FILES, Documents, choose_documents
from charrnn.advice.sizes import (
    LARGEST_SHARE,
    SMALLEST_SHARE,
    SPLIT_CHARACTERS,
    SPLIT_DOCUMENTS,
    size_choices,
    split_share,
)
from charrnn.advice.trial import check_splits, with_choices
from charrnn.config.overlay import Choice, quoted
from charrnn.config.redaction import one_line
from charrnn.config.schema import Params
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import Dataset, OnProgress, encode_corpus
from charrnn.data.encodings import AUTO, encodings_taken
from charrnn.data.filters import described
from charrnn.data.survey import Survey, survey
from charrnn.data.survey.mixture import Mixture
from charrnn.data.survey.reading import AS_FOUND
from charrnn.data.text_file import TextFile
from charrnn.errors import CorpusError
from charrnn.wording import counted

FEWEST_CHARACTERS = 500
"""A shorter text is refused."""

# Parts of a text that are less alike than this are in different languages, or of different kinds. Measured: parts of
# one book have at least 0.5, of English and German 0.1 to 0.3.
_UNLIKE = 0.4
_UNSEEN = 0.2
_MOST_RARE, _LARGEST_ALPHABET = 10, 1000
# From this share on, neighbours in order are no chance.
_SORTED, _ENOUGH_TO_SORT = 0.65, 100
# From this share on, documents that occur again are left out; from that on, they are mentioned.
_REPEATED, _SOME_REPEATED = 0.2, 0.01
# The share of characters that have case from which on it is mentioned that they have only one.
_CASED = 0.3


def advise(
    corpus: Corpus,
    params: Params,
    name: str,
    source: str,
    typed: str,
    minutes: float | None,
    on_progress: OnProgress | None = None,
) -> tuple[list[str], list[Choice]]:
    """Return paragraphs about the text, and parameters for it with which training takes it.

    Args:
        corpus: the text. It is encoded in `params.data.directory`.
        params: what the parameters returned will be an overlay of.
        name: of the model.
        source: the line of data.sources.
        typed: what messages call the text.
        minutes: to train; None to choose.
        on_progress: of the encoding.

    Raises:
        CorpusError: the text is damaged, too short to learn from, or too uniform to be divided.
        VocabularyError: it has more distinct characters than are allowed.
        FileError: something cannot be read or written.
    """
    found = survey(corpus.files)
    documents = choose_documents(found, one_line(typed))
    choices = [Choice("data.sources", [source], "")]
    choices += _data(found, documents, corpus.files)
    encoded = with_choices(params, choices)
    dataset = encode_corpus(corpus, encoded.data, on_progress)
    if dataset.characters < FEWEST_CHARACTERS:
        raise CorpusError(
            f"{one_line(typed)}: has {dataset.characters} characters; at least {FEWEST_CHARACTERS} are needed to "
            "learn from"
        )
    share = split_share(dataset.length, dataset.documents)
    choices += _splits(found, documents, dataset, share)
    choices += size_choices(dataset.length, share, minutes, is_stream=documents.is_stream)
    choices += _sampling(documents, dataset)
    why = "A model of its own for each text: only versions that are trained on the same text can be compared."
    choices.append(Choice("tracking.registered_model", name, why))
    check_splits(dataset, with_choices(params, choices), one_line(typed))
    return _facts(found, dataset, encoded), choices


def _facts(found: Survey, dataset: Dataset, params: Params) -> list[str]:
    vocabulary, files = dataset.vocabulary(), len(found.file_sizes)
    size = f"{counted(files, 'file')} of {found.size:,} bytes{' in all' if files > 1 else ''}"
    documents = "" if dataset.documents is None else f" in {counted(dataset.documents, 'document')}"
    facts = [f"{size}: {dataset.characters:,} characters ({vocabulary.occurring:,} distinct){documents}."]
    if dataset.left_out:
        facts.append(f"Documents left out: {described(dataset.left_out, params.data)}.")
    facts.append("Training accepts it with these parameters: all of it was prepared and split to make sure.")
    if not found.is_whole:
        seen, part = "lines and repeated documents", f"{found.read:,} bytes of it"
        if found.table is not None:
            seen, part = "columns and repeated documents", f"its first {found.table.rows:,} rows"
        facts.append(f"What is said below of {seen} is from {part}.")
    if found.line_ends:
        facts.append(f"Some lines or all end in {' or '.join(found.line_ends)}, which is read as LF (data.newline).")
    counts = list(zip(vocabulary.characters, vocabulary.counts, strict=True))
    capital = sum(count for character, count in counts if character.isupper())
    small = sum(count for character, count in counts if character.islower())
    if capital + small > _CASED * dataset.characters and not (capital and small):
        facts.append(f"It has no {'capital' if small else 'small'} letters, so a prime must have none.")
    return facts


def _data(found: Survey, documents: Documents, files: Sequence[TextFile]) -> list[Choice]:
    choices = []
    if found.encodings:
        taken = encodings_taken(files, AS_FOUND)
        why = f"Found: {taken}."
        if "guessed" in taken:
            why += " A guess is made from the letters: if the samples look wrong, name the encoding here."
        choices.append(Choice("data.encoding", AUTO, why))
    choices.append(Choice("data.documents", documents.value, documents.reason))
    if documents.template is not None:
        choices.append(Choice("data.template", documents.template, documents.template_reason))
    if not documents.is_stream and documents.repeated >= _SOME_REPEATED:
        left_out = documents.repeated >= _REPEATED
        stay = ". They may stay, since equal documents are in the same split."
        why = f"{documents.repeated:.0%} of the documents are equal to an earlier one"
        why += ": left out, or they would be learnt by heart." if left_out else stay
        choices.append(Choice("data.unique", left_out, why))
    rare, distinct = found.characters.rare, found.characters.distinct
    if found.is_whole and found.table is None and len(rare) >= _MOST_RARE and distinct <= _LARGEST_ALPHABET:
        why = f"{len(rare)} characters occur too rarely to be learnt, such as {quoted(rare)}: they are left out."
        choices.append(Choice("data.min_count", 3, why))
    return choices


def _splits(found: Survey, documents: Documents, dataset: Dataset, share: float) -> list[Choice]:
    by, why = _split_by(found, documents, dataset)
    each = f"{int(dataset.characters * share):,} characters"
    wanted = f"{SPLIT_CHARACTERS:,} characters"
    if dataset.documents is not None:
        each += f" in {counted(max(int(dataset.documents * share), 1), 'document')}"
        wanted += f" and {SPLIT_DOCUMENTS:,} documents"
    size = (
        f"Validation and test have {share:.0%} of the text each, about {each}. init aims at {wanted}, and takes at "
        f"least {SMALLEST_SHARE:.0%} and at most {LARGEST_SHARE:.0%} of the text."
    )
    return [
        Choice("splits.by", by, why),
        Choice("splits.val_fraction", share, size),
        Choice("splits.test_fraction", share, ""),
    ]


def _split_by(found: Survey, documents: Documents, dataset: Dataset) -> tuple[str, str]:
    files = len(found.file_sizes)
    if dataset.documents is not None:
        why = "Validation and test documents are drawn at random; equal documents are in the same split."
        sorting = max(documents.ordered, 1 - documents.ordered)
        if sorting > _SORTED and dataset.documents >= _ENOUGH_TO_SORT:
            order = f"The documents are sorted ({sorting:.0%} of neighbours are in order)"
            return "documents", f"{order}, so the end of the text is unlike the rest. {why}"
        return "documents", why
    spread = "Validation and test are blocks spread over the text, so that each has some of all."
    if found.mixture is not None and _is_mixed(found.mixture):
        return "blocks", f"{_why_mixed(found.mixture)} {spread}"
    if files >= MANY_FILES:
        return "files", f"{files:,} files: whole files are drawn at random for validation and test."
    if files > 1:
        return "blocks", f"By position, validation and test would be parts of the last files only. {spread}"
    alike = ""
    if found.mixture is not None:
        alike = f" Its beginning, middle and end are alike (similarity {found.mixture.similarity:.2f} of 1)."
    return "position", f"The text is split in order: training, validation, test.{alike}"


def _is_mixed(mixture: Mixture) -> bool:
    return mixture.similarity < _UNLIKE or mixture.unseen > _UNSEEN


def _why_mixed(mixture: Mixture) -> str:
    scripts = list(dict.fromkeys(script.capitalize() for script in mixture.scripts if script))
    seen = f"they share few sequences of letters (similarity {mixture.similarity:.2f} of 1)"
    if len(scripts) > 1:
        seen = f"the letters are {', then '.join(scripts)}"
    return f"Beginning, middle and end of the text differ as different languages do: {seen}."


def _sampling(documents: Documents, dataset: Dataset) -> list[Choice]:
    if dataset.documents is None:
        return []
    choices = []
    if documents.prime:
        why = f"Begin with a kind to ask for it, such as {quoted(documents.prime)}; empty lets the model choose."
        choices.append(Choice("sampling.prime", "", why))
    longest = int(np.diff(dataset.ends(), prepend=1).max()) - 1
    length = min(max(-(-2 * longest // 10) * 10, 20), 5000)
    why = f"The longest document has {longest:,} characters; a sample that does not end by itself is cut here."
    return [*choices, Choice("sampling.length", length, why)]
