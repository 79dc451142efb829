"""From facts about a text to parameters for it, each with its reason. Reads no file, trains nothing.

`documents` decides what a document is, `sizes` how long to train which model.
"""

from charrnn.advice.documents import MANY_FILES, Documents, choose_documents
from charrnn.advice.sizes import size_choices, split_share
from charrnn.config.overlay import Choice, quoted
from charrnn.config.redaction import one_line
from charrnn.data.encodings import AUTO
from charrnn.data.survey import Survey
from charrnn.data.survey.mixture import Mixture
from charrnn.errors import CorpusError

FEWEST_CHARACTERS = 500
"""A shorter text is refused."""
SHORTEST_LINE = 10_000
"""A text of one line that is shorter is refused (characters)."""

# Parts of a text that are less alike than this are in different languages, or of different kinds. Measured: parts of
# one book have at least 0.5, of English and German 0.1 to 0.3.
_UNLIKE = 0.4
_UNSEEN = 0.2
_MOST_RARE, _LARGEST_ALPHABET = 10, 1000
# From this share on, neighbours in order are no chance.
_SORTED, _ENOUGH_TO_SORT = 0.65, 100
# From this share on, documents that occur again are left out; from that on, they are mentioned.
_REPEATED, _SOME_REPEATED = 0.2, 0.01


def advise(survey: Survey, name: str, source: str, minutes: float | None) -> tuple[list[str], list[Choice]]:
    """Return paragraphs about the text, and parameters for it.

    Args:
        survey: facts about the text.
        name: of the model.
        source: the line of data.sources.
        minutes: to train; None to choose.

    Raises:
        CorpusError: the text is too short to learn from, or records without a column to write.
    """
    documents = choose_documents(survey)
    _check(survey, documents, one_line(source))
    share = split_share(documents.characters, documents.count)
    choices = [Choice("data.sources", [source], "")]
    choices += _data(survey, documents)
    choices += _splits(survey, documents, share)
    choices += size_choices(documents.characters, share, minutes, is_stream=documents.is_stream)
    choices += _sampling(documents)
    why = "A model of its own: versions of one model compete for the alias champion, and should be of one text."
    choices.append(Choice("tracking.registered_model", name, why))
    return _facts(survey, documents), choices


def _check(survey: Survey, documents: Documents, name: str) -> None:
    count = documents.characters
    if count < FEWEST_CHARACTERS:
        raise CorpusError(f"{name}: has {count} characters; at least {FEWEST_CHARACTERS} are needed to learn from")
    if survey.lines is not None and survey.lines.parts.count == 1 and count < SHORTEST_LINE:
        raise CorpusError(f"{name}: is one line of {count} characters; one line must have at least {SHORTEST_LINE}")
    if not documents.is_stream and documents.count < 2:
        raise CorpusError(f"{name}: has one record; at least 2 are needed")


def _facts(survey: Survey, documents: Documents) -> list[str]:
    files, characters = len(survey.file_sizes), survey.characters
    size = f"{survey.size:,} bytes in {files:,} file{'s' if files > 1 else ''}"
    about = "" if survey.is_whole else "about "
    count = int(characters.count * survey.scale) or documents.characters
    alphabet = f", {characters.distinct:,} different ones" if characters.distinct else ""
    read = "All of it was read." if survey.is_whole else f"{survey.read:,} bytes were read, the rest is estimated."
    facts = [f"{size}: {about}{count:,} characters{alphabet}. {read}"]
    if survey.has_crlf:
        facts.append("Lines end in CR LF, or in CR; both are read as LF (data.newline).")
    if characters.cased > 0.3 and characters.capitals in (0, 1):
        only = "capitals" if characters.capitals else "small letters"
        facts.append(f"It has only {only}: a prime must have no others.")
    return facts


def _data(survey: Survey, documents: Documents) -> list[Choice]:
    choices = []
    if survey.encodings:
        why = (
            f"Found: {', '.join(survey.encodings)}. auto finds it again: what has no byte-order mark was recognised by "
        )
        why += "its letters, so look at the samples; if they look wrong, name the encoding here."
        choices.append(Choice("data.encoding", AUTO, why))
    choices.append(Choice("data.documents", documents.value, documents.reason))
    if documents.template is not None:
        choices.append(Choice("data.template", documents.template, documents.template_reason))
    if not documents.is_stream and documents.repeated >= _SOME_REPEATED:
        left_out = documents.repeated >= _REPEATED
        why = f"{documents.repeated:.0%} of the documents had occurred before"
        why += "; they would be learnt by heart." if left_out else ". They may stay: equal ones are in the same split."
        choices.append(Choice("data.unique", left_out, why))
    rare, distinct = survey.characters.rare, survey.characters.distinct
    if survey.is_whole and survey.table is None and len(rare) >= _MOST_RARE and distinct <= _LARGEST_ALPHABET:
        why = f"{len(rare)} characters occur once or twice, such as {quoted(rare)}: too few to learn, so left out."
        choices.append(Choice("data.min_count", 3, why))
    return choices


def _splits(survey: Survey, documents: Documents, share: float) -> list[Choice]:
    by, why = _split_by(survey, documents)
    held_out = f"{int(documents.characters * share):,} characters"
    if not documents.is_stream:
        held_out += f" ({int(documents.count * share):,} documents)"
    size = (
        f"About {held_out} for validation, and as many for test. A small text needs a larger share: 50,000 characters "
        "and 1,000 documents each, between 3 and 10 % of the text."
    )
    return [
        Choice("splits.by", by, why),
        Choice("splits.val_fraction", share, size),
        Choice("splits.test_fraction", share, ""),
    ]


def _split_by(survey: Survey, documents: Documents) -> tuple[str, str]:
    files = len(survey.file_sizes)
    if not documents.is_stream:
        order, sorting = "", max(documents.ordered, 1 - documents.ordered)
        if sorting > _SORTED and documents.count >= _ENOUGH_TO_SORT:
            order = f"{sorting:.0%} of neighbours are in alphabetical order: the end of the text is unlike the rest. "
        return "documents", f"{order}Validation and test documents are drawn at random; equal ones stay together."
    if survey.mixture is not None and _is_mixed(survey.mixture):
        return "blocks", _why_mixed(survey.mixture)
    if files >= MANY_FILES:
        return "files", f"{files:,} files: whole ones are held out, drawn at random."
    if files > 1:
        return "blocks", f"{files} files: by position, validation and test would be the last of them only."
    alike = "" if survey.mixture is None else f" Beginning and end are alike ({survey.mixture.similarity:.2f} of 1)."
    return "position", f"Training first, then validation, then test.{alike}"


def _is_mixed(mixture: Mixture) -> bool:
    return mixture.similarity < _UNLIKE or mixture.unseen > _UNSEEN


def _why_mixed(mixture: Mixture) -> str:
    scripts = list(dict.fromkeys(script.capitalize() for script in mixture.scripts if script))
    seen = f"letters are {', then '.join(scripts)}" if len(scripts) > 1 else "they share few sequences of letters"
    return (
        f"Beginning, middle and end differ as texts in two languages do: {seen} (likeness {mixture.similarity:.2f}). "
        "Blocks spread over the text give each split some of all."
    )


def _sampling(documents: Documents) -> list[Choice]:
    if documents.is_stream:
        return []
    choices = []
    if documents.prime:
        why = f"Begin with a kind to ask for it, such as {quoted(documents.prime)}; empty lets the model choose."
        choices.append(Choice("sampling.prime", "", why))
    length = min(max(-(-2 * documents.longest // 10) * 10, 20), 5000)
    why = f"The longest document that was read has {documents.longest:,} characters; one that does not end is cut here."
    return [*choices, Choice("sampling.length", length, why)]
