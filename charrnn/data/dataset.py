"""The encoded corpus on disk: ids, memory-mapped, beside their vocabulary. Knows nothing of sources or models.

Encoding takes two passes over the text in pieces, three where documents are to be unique, so that a corpus larger than
memory is no special case. The result is kept under a key made of the text's digest, the parameters and
ENCODING_VERSION, and found again by the next run. What identifies the data, whatever file they are from, is the digest
of vocabulary and ids.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from charrnn.config.schema import DataParams, SplitParams
from charrnn.data.corpus import Corpus
from charrnn.data.counting import count_characters, too_many
from charrnn.data.decoding import undecoded
from charrnn.data.documents import Piece, read_pieces
from charrnn.data.filters import Selection, first_of_each, limited
from charrnn.data.folder import DataFolder
from charrnn.data.hashing import Hashes
from charrnn.data.ids_writer import open_writer
from charrnn.data.positions import Positions
from charrnn.data.records import table_format, table_suffix
from charrnn.data.splits import Splits, Units, split
from charrnn.data.text_file import TextFile
from charrnn.data.vocabulary import Ids, Vocabulary
from charrnn.data.watch import watched
from charrnn.errors import CorpusError, FileError, UndecodedError
from charrnn.files import atomic_directory, explain, sweep

ENCODING_VERSION = 4
"""Part of the key of each encoding. Raise it in a commit by which the same text and parameters give other ids, another
vocabulary or other files than before, so that older encodings are not found any more; leave it otherwise."""
ENCODING_PARAMS = {"encoding", "newline", "unicode_form", "lowercase", "min_count", "max_characters"}
DOCUMENT_PARAMS = {"documents", "template", "min_length", "max_length", "unique"}

OnProgress = Callable[[int], None]
"""Called with the number of characters read so far; each character is read twice, three times with `data.unique`."""


@dataclass(frozen=True)
class Dataset:
    """An encoded corpus on disk; small, so that it can travel between tasks.

    With documents, the first id is the stop symbol; each document's characters follow, and after each the stop symbol.

    Attributes:
        directory: holds `dataset.json`, `vocabulary.json`, `ids.bin`, `file_ends.bin` and `file_hashes.bin`, with
            documents also `ends.bin` and `hashes.bin`; its name is the key of the encoding.
        digest: hex SHA-256 of the vocabulary's characters and the ids: what a model is trained on, whatever file it is
            from. A run goes on only with data of the same digest.
        length: ids in all, stop symbols included.
        documents: how many there are; None where the text is one stream.
        files: how many the text came in.
        dropped: characters left out because they are rarer than `data.min_count` (characters).
        left_out: documents that are not used, by reason (empty, shorter, longer, repeated).
        corpus_sha256: digest of the text it was made from.
        cached: it was there already.
    """

    directory: Path
    digest: str
    length: int
    documents: int | None
    files: int
    dropped: int
    left_out: Mapping[str, int]
    corpus_sha256: str
    cached: bool

    @property
    def characters(self) -> int:
        """Characters in all: ids that are no stop symbol."""
        return self.length if self.documents is None else self.length - self.documents - 1

    @property
    def vocabulary_path(self) -> Path:
        """Where the vocabulary is."""
        return self.directory / "vocabulary.json"

    def vocabulary(self) -> Vocabulary:
        """Read the vocabulary. Raises FileError or VocabularyError."""
        return Vocabulary.load(self.vocabulary_path)

    def ids(self) -> Ids:
        """Map the ids: (length,) of the vocabulary's dtype. Pages are read as they are touched; writes stay private.

        Raises:
            FileError: they cannot be read.
            CorpusError: they are damaged.
        """
        return self._map("ids.bin", self.vocabulary().dtype, self.length, "ids")

    def ends(self) -> Positions:
        """Map the ends of documents: (documents,) int64, the position in the ids just past each one's stop symbol.

        Document i is `ids[ends[i - 1] : ends[i]]`, with 1 for `ends[-1]`. (0,) where the text is one stream. Raises as
        `ids`.
        """
        return self._positions("ends.bin", self.documents or 0, "documents")

    def hashes(self) -> Hashes:
        """Map the hashes of documents: (documents,) uint64, those of `hash_documents` of what the ids stand for.

        (0,) where the text is one stream. Raises as `ids`.
        """
        return self._map("hashes.bin", np.dtype(np.uint64), self.documents or 0, "documents")

    def file_ends(self) -> Positions:
        """Map the ends of files: (files,) int64, the position in the ids just past each.

        The text that joins two files counts to the first. Raises as `ids`.
        """
        return self._positions("file_ends.bin", self.files, "files")

    def file_hashes(self) -> Hashes:
        """Map what tells files apart: (files,) uint64, equal for files with the same ids, without what joins them.

        Raises as `ids`.
        """
        return self._map("file_hashes.bin", np.dtype(np.uint64), self.files, "files")

    def _positions(self, name: str, count: int, what: str) -> Positions:
        positions: Positions = self._map(name, np.dtype(np.int64), count, what)
        if count and positions[-1] != self.length:
            raise CorpusError(f"{self.directory / name}: is damaged; delete the folder and run again")
        return positions

    def _map(self, name: str, dtype: np.dtype[Any], count: int, what: str) -> npt.NDArray[Any]:
        if count == 0:  # what is empty cannot be mapped
            return np.zeros(0, dtype=dtype)
        path = self.directory / name
        try:
            size = path.stat().st_size
            if size != count * dtype.itemsize:
                raise CorpusError(
                    f"{path}: is damaged ({size} bytes for {count} {what} of {dtype.itemsize}); "
                    "delete the folder and run again"
                )
            return np.memmap(path, dtype=dtype, mode="c", shape=(count,))
        except OSError as error:
            raise explain(error, "read", path) from error

    def splits(self, params: SplitParams) -> Splits:
        """Return the ids divided as `params` say. Raises as `ids` and `split`."""
        ends, hashes = (None, None) if self.documents is None else (self.ends(), self.hashes())
        return split(self.ids(), Units(ends, hashes, self.file_ends(), self.file_hashes()), params)


def find_encoded(folder: DataFolder, digest: str) -> Dataset | None:
    """Return the encoded corpus of `digest` (see `Dataset`) in `folder`; None where there is none that is sound."""
    for path in sorted(folder.encoded.glob("*/dataset.json")):
        if path.parent.name.startswith("."):  # half-written
            continue
        try:
            dataset = read_encoded(path.parent)
        except (CorpusError, FileError):
            continue
        if dataset.digest == digest:
            return dataset
    return None


def encode_corpus(
    corpus: Corpus, params: DataParams, on_progress: OnProgress | None = None, known: str = ""
) -> Dataset:
    """Encode `corpus`, or find it encoded already under `<data.directory>/encoded/`.

    Args:
        corpus: the text.
        params: how it is read.
        on_progress: called for every piece read.
        known: characters that have an id whether the text has them or not, and however rare they are in it: those
            of the model that training starts from.

    Raises:
        CorpusError: the text is empty, has fewer than two documents or distinct characters, does not decode, is not
            what `data.documents` says or changes meanwhile.
        VocabularyError: it has more distinct characters than `data.max_vocabulary`.
        FileError: something cannot be read or written.
    """
    directory = DataFolder(Path(params.directory)).encoded / _key(corpus, params, known)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _sweep(directory.parent)
        if not directory.exists():
            with _one_at_a_time(directory.with_suffix(".lock")):
                if not directory.exists():
                    return _encode(corpus, params, known, directory, on_progress or (lambda _: None))
        return _load(directory, params, known)
    except UndecodedError as error:
        of_records = params.documents == "records"
        texts = [file for file in corpus.files if not of_records or table_format(file.name).is_text]
        raise UndecodedError(undecoded(texts, params) or str(error)) from None
    except OSError as error:
        raise explain(error, "write", directory) from error


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Keep others from encoding the same text meanwhile; they wait. The lock `path` is gone afterwards.

    Whoever waited for a lock that is gone may get it while another one makes it anew. Both find what was encoded; where
    that failed, they both try, and one result is kept (`atomic_directory`). The lock saves work, no more.
    """
    with FileLock(path):
        try:
            yield
        finally:
            with suppress(OSError):  # some systems do not remove what is open
                path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove from `folder` what processes that have ended left there: half-written files, and locks."""
    sweep(folder)
    for path in folder.glob("*.lock"):
        with suppress(OSError, Timeout), FileLock(path, timeout=0):  # it may be gone, or in use
            path.unlink(missing_ok=True)


def _encode(corpus: Corpus, params: DataParams, known: str, directory: Path, on_progress: OnProgress) -> Dataset:
    text = _Text(corpus, params, on_progress)
    counted = count_characters(text.used(corpus.files))
    text.check()
    vocabulary = counted.vocabulary(corpus.source, params, known)
    dropped = counted.characters - sum(vocabulary.counts)
    with atomic_directory(directory) as temporary:
        with (
            watched(corpus.files) as watches,
            open_writer(temporary, vocabulary, len(corpus.files), params.has_documents) as writer,
        ):
            for piece in text.used([watch.file for watch in watches]):
                known_only = piece.only(vocabulary.knows(piece.points)) if dropped else piece
                writer.write(known_only, with_empty=not params.min_length)
            text.selection.leave_out(text.selection.documents - writer.documents)
            text.check()
            digest = writer.finish(watches)
        dataset = Dataset(
            directory,
            digest,
            writer.length,
            text.selection.documents if params.has_documents else None,
            len(corpus.files),
            dropped,
            dict(text.selection.left_out),
            corpus.sha256,
            cached=False,
        )
        vocabulary.save(temporary / "vocabulary.json")
        description = {name: value for name, value in asdict(dataset).items() if name not in ("directory", "cached")}
        (temporary / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    return dataset


class _Text:
    """The text that is used; it can be read again and again.

    Attributes:
        selection: what was taken of it when it was last read.
    """

    def __init__(self, corpus: Corpus, params: DataParams, on_progress: OnProgress) -> None:
        self._corpus, self._params, self._on_progress = corpus, params, on_progress
        self._read = 0
        self._first = (
            first_of_each(self._whole(corpus.files), params) if params.has_documents and params.unique else None
        )
        self.selection = Selection(params, self._first)

    def used(self, files: Sequence[TextFile]) -> Iterator[Piece]:
        """Yield it from the start, out of `files`, which are those of the corpus; see `Selection.of`."""
        if not self._params.has_documents:
            return self._whole(files)
        self.selection = Selection(self._params, self._first)
        return self.selection.of(self._whole(files))

    def check(self) -> None:
        """Raise CorpusError where the documents that were taken are too few."""
        if self._params.has_documents:
            self.selection.check(self._corpus.source)

    def _whole(self, files: Sequence[TextFile]) -> Iterator[Piece]:
        pieces = read_pieces(files, self._params)
        if not self._params.has_documents:
            pieces = limited(pieces, self._params.max_characters)
        for piece in pieces:
            yield piece
            self._read += len(piece.points)
            self._on_progress(self._read)


def _load(directory: Path, params: DataParams, known: str) -> Dataset:
    """Return what was encoded before. Raises FileError or CorpusError where it is damaged, VocabularyError."""
    dataset = read_encoded(directory)
    found = dataset.vocabulary().size - 1
    if found > params.max_vocabulary:
        raise too_many(found, params, known)
    # Each raises where it is damaged.
    dataset.ids(), dataset.ends(), dataset.hashes(), dataset.file_ends(), dataset.file_hashes()
    return dataset


def read_encoded(directory: Path) -> Dataset:
    """Return the encoded corpus in `directory`. Raises FileError, or CorpusError where its description is damaged."""
    path = directory / "dataset.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for name in ("length", "files", "dropped"):
            values[name] = int(values[name])
        if values["documents"] is not None:
            values["documents"] = int(values["documents"])
        values["left_out"] = {reason: int(count) for reason, count in values["left_out"].items()}
        bytes.fromhex(values["digest"])  # raises where it is not a digest
        return Dataset(directory=directory, cached=True, **values)
    except OSError as error:
        raise explain(error, "read", path) from error
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CorpusError(f"{path}: is damaged; delete the folder and run again") from None


def _key(corpus: Corpus, params: DataParams, known: str) -> str:
    """Return the key of an encoding: a digest of everything that it depends on."""
    names = set(ENCODING_PARAMS)
    if params.has_documents:
        names |= DOCUMENT_PARAMS
    elif len(corpus.files) > 1:
        names.add("join")
    identity = {
        "corpus": corpus.sha256,
        "params": params.model_dump(mode="json", include=names),
        "version": ENCODING_VERSION,
        # Python's tables of lower case and normal forms.
        "unicode": unicodedata.unidata_version,
        **({"known": sorted(set(known))} if known else {}),
        # The same bytes under another name may be another table.
        **({"formats": [table_suffix(file.name) for file in corpus.files]} if params.documents == "records" else {}),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
