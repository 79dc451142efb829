"""The encoded corpus on disk: ids, memory-mapped, beside their vocabulary. Knows nothing of sources or models.

Encoding takes two passes over the text in pieces, so that a corpus larger than memory is no special case. The result
is kept under a key made of the text's digest, the parameters and ENCODING_VERSION, and found again by the next run.
What identifies the data, whatever file they are from, is the digest of vocabulary and ids.
"""

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock

from charrnn.config.schema import DataParams, SplitParams
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import read_file
from charrnn.data.folder import DataFolder
from charrnn.data.hashing import Hashes
from charrnn.data.normalisation import normal_forms
from charrnn.data.splits import Splits, split
from charrnn.data.vocabulary import CODE_POINTS, Ids, Vocabulary, code_points
from charrnn.errors import CorpusError, VocabularyError
from charrnn.files import atomic_directory, explain, sweep

ENCODING_VERSION = 1
"""Part of the key of each encoding. Raise it in a commit by which the same text and parameters give other ids, another
vocabulary or other files than before, so that older encodings are not found any more; leave it otherwise."""
ENCODING_PARAMS = {"encoding", "newline", "unicode_form", "lowercase", "min_count", "max_characters"}

OnProgress = Callable[[int], None]
"""Called with the number of characters read so far; each character is read twice."""


@dataclass(frozen=True)
class Dataset:
    """An encoded corpus on disk; small, so that it can travel between tasks.

    Attributes:
        directory: holds `ids.bin`, `vocabulary.json` and `dataset.json`; its name is the key of the encoding.
        digest: hex SHA-256 of the vocabulary's characters and the ids: what a model is trained on, whatever file it is
            from. A run goes on only with data of the same digest.
        length: ids in all (characters).
        dropped: characters left out because they are rarer than `data.min_count` (characters).
        corpus_sha256: digest of the text it was made from.
        cached: it was there already.
    """

    directory: Path
    digest: str
    length: int
    dropped: int
    corpus_sha256: str
    cached: bool

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
        path, dtype = self.directory / "ids.bin", self.vocabulary().dtype
        try:
            size = path.stat().st_size
            if size != self.length * dtype.itemsize:
                raise CorpusError(
                    f"{path}: is damaged ({size} bytes for {self.length} ids of {dtype.itemsize}); "
                    "delete the folder and run again"
                )
            return np.memmap(path, dtype=dtype, mode="c", shape=(self.length,))
        except OSError as error:
            raise explain(error, "read", path) from error

    def hashes(self) -> Hashes:
        """Map the hash of each document: (documents,) uint64. Raises FileError."""
        path = self.directory / "hashes.bin"
        try:
            return np.memmap(path, dtype=np.uint64, mode="r")
        except OSError as error:
            raise explain(error, "read", path) from error

    def splits(self, params: SplitParams) -> Splits:
        """Return the ids divided as `params` say. Raises as `ids` and `split`."""
        return split(self.ids(), params)


def find_encoded(folder: DataFolder, digest: str) -> Dataset | None:
    """Return the encoded corpus of `digest` (see `Dataset`) in `folder`; None where there is none that is sound."""
    for path in sorted(folder.encoded.glob("*/dataset.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["digest"] == digest and not path.parent.name.startswith("."):  # so begins what is half-written
                return Dataset(directory=path.parent, cached=True, **values)
        except (OSError, ValueError, TypeError, KeyError):
            continue
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
        CorpusError: the text is empty, has fewer than two distinct characters, does not decode or changes meanwhile.
        VocabularyError: it has more distinct characters than `data.max_vocabulary`.
        FileError: something cannot be read or written.
    """
    directory = DataFolder(Path(params.directory)).encoded / _key(corpus, params, known)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.with_suffix(".lock")):
            sweep(directory.parent)
            if directory.exists():
                return _load(directory, params, known)
            dataset = _encode(corpus, params, known, directory, on_progress or (lambda _: None))
    except OSError as error:
        raise explain(error, "write", directory) from error
    return dataset


def _encode(corpus: Corpus, params: DataParams, known: str, directory: Path, on_progress: OnProgress) -> Dataset:
    read = 0

    def pieces() -> Iterator[str]:
        nonlocal read
        for piece in normal_forms(chain.from_iterable(read_file(file, params) for file in corpus.files), params):
            yield piece
            read += len(piece)
            on_progress(read)

    vocabulary, dropped = _count(pieces(), corpus, params, known)
    with atomic_directory(directory) as temporary:
        with open(temporary / "ids.bin", "wb") as file, ThreadPoolExecutor(1) as worker:
            digest = hashlib.sha256()
            hashed = worker.submit(digest.update, json.dumps(list(vocabulary.characters)).encode())
            for piece in pieces():
                ids = vocabulary.encode_known(piece)
                file.write(ids)
                hashed.result()  # the piece before: hashing runs beside encoding, and holds one piece
                hashed = worker.submit(digest.update, ids)
            file.flush()
            synced = worker.submit(os.fsync, file.fileno())  # while the text is read once more
            for read_again in corpus.files:
                read_again.check_unchanged()
            synced.result()
        length = sum(vocabulary.counts)
        dataset = Dataset(directory, digest.hexdigest(), length, dropped, corpus.sha256, cached=False)
        vocabulary.save(temporary / "vocabulary.json")
        description = {name: value for name, value in asdict(dataset).items() if name not in ("directory", "cached")}
        (temporary / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    return dataset


def _count(pieces: Iterator[str], corpus: Corpus, params: DataParams, known: str) -> tuple[Vocabulary, int]:
    """Return the vocabulary of the text and how many characters are dropped as too rare."""
    counts = np.zeros(CODE_POINTS, dtype=np.int64)
    first_seen: dict[int, int] = {}
    position = 0
    for piece in pieces:
        found = _bincount(code_points(piece))
        new = np.flatnonzero((found > 0) & (counts[: len(found)] == 0))
        first_seen.update({int(point): position + piece.index(chr(point)) for point in new})
        counts[: len(found)] += found
        position += len(piece)
    if position == 0:
        raise CorpusError(f"{corpus.source}: the text is empty")
    wanted = counts >= params.min_count
    wanted[code_points(known)] = True
    kept = np.flatnonzero(wanted)
    occurring = np.count_nonzero(counts[kept])
    if occurring < 2:
        raise CorpusError(
            f"{corpus.source}: the text has {occurring} distinct characters that occur data.min_count "
            f"{params.min_count} times or more; at least 2 are needed to learn from"
        )
    if len(kept) > params.max_vocabulary:
        raise _too_many(len(kept), params, known)
    points = [int(point) for point in kept]
    vocabulary = Vocabulary(
        characters="".join(map(chr, points)),
        counts=tuple(int(counts[point]) for point in points),
        first_seen=tuple(first_seen.get(point, -1) for point in points),
    )
    return vocabulary, position - sum(vocabulary.counts)


def _bincount(points: npt.NDArray[np.uint8] | npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Count each code point; PyTorch does it three times as fast as NumPy, which makes 64-bit integers of all first."""
    signed = points if points.dtype == np.uint8 else points.view(np.int32)
    counts: npt.NDArray[np.int64] = torch.bincount(torch.from_numpy(signed)).numpy()
    return counts


def _too_many(found: int, params: DataParams, known: str) -> VocabularyError:
    having = "the text and the model it starts from have" if known else "the text has"
    return VocabularyError(
        f"data.max_vocabulary: {having} {found} distinct characters, at most {params.max_vocabulary} are allowed; "
        f"raise it, or raise data.min_count (now {params.min_count}) to drop rare ones"
    )


def _load(directory: Path, params: DataParams, known: str) -> Dataset:
    """Read what was encoded before. Raises FileError or CorpusError where it is damaged, VocabularyError."""
    path = directory / "dataset.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["length"] = int(values["length"])
        bytes.fromhex(values["digest"])  # raises where it is not a digest
        dataset = Dataset(directory=directory, cached=True, **values)
    except OSError as error:
        raise explain(error, "read", path) from error
    except (ValueError, TypeError, KeyError):
        raise CorpusError(f"{path}: is damaged; delete the folder and run again") from None
    found = dataset.vocabulary().size - 1
    if found > params.max_vocabulary:
        raise _too_many(found, params, known)
    dataset.ids()  # raises where they are damaged
    return dataset


def _key(corpus: Corpus, params: DataParams, known: str) -> str:
    """Return the key of an encoding: a digest of everything that it depends on."""
    identity = {
        "corpus": corpus.sha256,
        "params": params.model_dump(mode="json", include=ENCODING_PARAMS),
        "version": ENCODING_VERSION,
        # Python's tables of lower case and normal forms.
        "unicode": unicodedata.unidata_version,
        **({"known": sorted(set(known))} if known else {}),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
