import hashlib
import json
import subprocess
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.loading import PROJECT
from charrnn.config.schema import DataParams, SplitParams
from charrnn.data import dataset as dataset_module
from charrnn.data.corpus import Corpus
from charrnn.data.counting import CharacterCounts, count_characters
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.data.documents import Piece, read_pieces
from charrnn.data.hashing import hash_documents
from charrnn.errors import CorpusError, FileError, VocabularyError
from tests.charrnn.data.text_files import corpus_of as corpus_of_files
from tests.charrnn.data.text_files import text_file
from tests.source_fixtures import one_line

ROSE = "A rose is a rose,\r\nis a rosé 😀!"
AS_IT_IS = {"newline": "keep", "unicode_form": "none"}


def corpus_of(content: str | bytes, folder: Path) -> Corpus:
    file = text_file(content, folder / "text.txt")
    return Corpus((file,), file.sha256, file.size, "the text", cached=True, warnings=())


def encode(content: str | bytes, folder: Path, **changes: Any) -> Dataset:
    return encode_corpus(corpus_of(content, folder), DataParams(directory=str(folder / "data"), **changes))


def files(folder: Path) -> list[str]:
    """Return what is in the folder of encodings, hidden files included."""
    return sorted(path.name for path in (folder / "data" / "encoded").iterdir())


# Encoding


@given(
    st.text(min_size=2, max_size=40).filter(lambda text: not text.startswith("\ufeff")),
    st.integers(1, 3),
    st.integers(1, 5),
)
@example("aab", 1, 1)
@example("abababc\x00\x00", 2, 2)
@example("a😀b中a", 1, 3)
def test_ids_counts_and_first_positions_are_those_of_the_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, min_count: int, chunk_bytes: int
) -> None:
    kept = sorted(character for character, count in Counter(text).items() if count >= min_count)
    in_pieces = partial(read_pieces, chunk_bytes=chunk_bytes)
    folder = tmp_path_factory.mktemp("dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_module, "read_pieces", in_pieces)
        if len(kept) < 2:
            with pytest.raises(CorpusError, match=f"has {len(kept)} distinct characters"):
                encode(text, folder, min_count=min_count, **AS_IT_IS)
            return
        found = encode(text, folder, min_count=min_count, **AS_IT_IS)
    vocabulary = found.vocabulary()
    assert list(vocabulary.characters) == kept
    assert vocabulary.counts == tuple(Counter(text)[character] for character in kept)
    assert vocabulary.first_seen == tuple(text.index(character) for character in kept)
    remaining = "".join(character for character in text if character in kept)
    assert vocabulary.decode(found.ids()) == remaining
    assert (found.length, found.dropped) == (len(remaining), len(text) - len(remaining))


def test_an_encoding_says_what_it_is_of(tmp_path: Path) -> None:
    corpus = corpus_of(ROSE, tmp_path)
    dataset = encode_corpus(corpus, DataParams(directory=str(tmp_path / "data")))
    assert dataset.directory.parent == tmp_path / "data" / "encoded"
    assert (dataset.corpus_sha256, dataset.cached, dataset.dropped) == (corpus.sha256, False, 0)
    names = ["dataset.json", "file_ends.bin", "file_hashes.bin", "ids.bin", "vocabulary.json"]
    assert sorted(path.name for path in dataset.directory.iterdir()) == names
    assert files(tmp_path) == [dataset.directory.name]
    assert dataset.vocabulary().decode(dataset.ids()) == ROSE.replace("\r\n", "\n")


@pytest.mark.parametrize(("distinct", "dtype"), [(255, "uint8"), (256, "uint16"), (66_000, "uint32")])
def test_ids_take_the_smallest_type_that_holds_them(tmp_path: Path, distinct: int, dtype: str) -> None:
    text = "".join(map(chr, range(0x10000, 0x10000 + distinct)))[::-1]
    dataset = encode(text, tmp_path, max_vocabulary=distinct, **AS_IT_IS)
    assert dataset.ids().dtype == np.dtype(dtype)
    assert (dataset.directory / "ids.bin").stat().st_size == distinct * np.dtype(dtype).itemsize
    assert dataset.ids().tolist() == list(range(distinct))[::-1]


@pytest.mark.parametrize("min_count", [1, 2])
def test_progress_is_told_in_characters_each_read_twice(tmp_path: Path, min_count: int) -> None:
    told: list[int] = []
    params = DataParams(directory=str(tmp_path / "data"), min_count=min_count)
    encode_corpus(corpus_of("abcab", tmp_path), params, told.append)
    assert told == sorted(told)
    assert told[-1] == 10


def test_ids_are_mapped_and_writing_to_them_changes_nothing_on_disk(tmp_path: Path) -> None:
    dataset = encode("abcabc", tmp_path)
    ids = dataset.ids()
    assert isinstance(ids, np.memmap)
    ids[:] = 2
    assert dataset.ids().tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (b"", {}, "the text: the text is empty"),
        (b"\xef\xbb\xbf", {}, "the text: the text is empty"),
        (b"aaa", {}, "the text: the text has 1 distinct characters that occur data.min_count 1 times or more"),
        (b"aAa", {"lowercase": True}, "has 1 distinct characters"),
        (b"aabbc", {"min_count": 3}, "has 0 distinct characters that occur data.min_count 3 times or more"),
        (b"ab\xff", {}, "is not utf-8 text: invalid start byte at byte offset 2"),
    ],
)
def test_a_text_that_cannot_be_used_is_an_error_that_leaves_nothing(
    tmp_path: Path, text: bytes, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorpusError) as caught:
        encode(text, tmp_path, **changes)
    assert message in one_line(caught.value)
    assert files(tmp_path) == []


def test_more_characters_than_allowed_are_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError) as caught:
        encode("abcd", tmp_path, max_vocabulary=3)
    expected = (
        "data.max_vocabulary: the text has 4 distinct characters, at most 3 are allowed; "
        "raise it, or raise data.min_count (now 1) to drop rare ones"
    )
    assert one_line(caught.value) == expected
    assert files(tmp_path) == []
    assert encode("abcdabc", tmp_path, max_vocabulary=3, min_count=2).dropped == 1


def test_a_text_that_changes_while_it_is_encoded_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    corpus = corpus_of("abcabc", tmp_path)

    def change(read: int) -> None:
        corpus.files[0].path.write_text("abcacb")

    with pytest.raises(CorpusError, match=r"text\.txt: changed while it was read; run again"):
        encode_corpus(corpus, DataParams(directory=str(tmp_path / "data")), change)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_a_file_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the way")
    with pytest.raises(FileError, match=r"data/encoded/\w+: cannot write: "):
        encode(ROSE, tmp_path)


# The cache


def test_the_same_text_is_encoded_once_wherever_it_lies(tmp_path: Path) -> None:
    first = encode(ROSE, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    corpus = corpus_of(ROSE, tmp_path / "elsewhere")
    again = encode_corpus(corpus, DataParams(directory=str(tmp_path / "data"), sources=("x",), timeout_seconds=1))
    assert again.cached
    assert again == replace(first, cached=True)


@pytest.mark.parametrize(
    "change",
    [
        {"encoding": "latin-1"},
        {"newline": "keep"},
        {"unicode_form": "NFD"},
        {"lowercase": True},
        {"min_count": 2},
        {"max_characters": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_shapes_the_text_is_encoded_anew_and_as_it_says(tmp_path: Path, change: dict[str, Any]) -> None:
    first = encode(ROSE, tmp_path)
    changed = encode(ROSE, tmp_path, **change)
    assert not changed.cached
    assert changed.directory != first.directory
    assert changed.vocabulary().decode(changed.ids()) != first.vocabulary().decode(first.ids())
    assert encode(ROSE, tmp_path).cached


def test_another_text_is_encoded_anew(tmp_path: Path) -> None:
    assert encode(ROSE, tmp_path).directory != encode(ROSE + " ", tmp_path).directory


def test_another_version_of_the_encoding_encodes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode(ROSE, tmp_path)
    monkeypatch.setattr(dataset_module, "ENCODING_VERSION", dataset_module.ENCODING_VERSION + 1)
    again = encode(ROSE, tmp_path)
    assert again.directory != first.directory
    assert again.digest == first.digest


def test_other_tables_of_unicode_encode_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode(ROSE, tmp_path)
    monkeypatch.setattr(unicodedata, "unidata_version", "99.0.0")
    assert encode(ROSE, tmp_path).directory != first.directory


def test_a_cached_encoding_larger_than_allowed_now_is_an_error(tmp_path: Path) -> None:
    encode("abcd", tmp_path)
    with pytest.raises(VocabularyError, match="has 4 distinct characters, at most 3 are allowed"):
        encode("abcd", tmp_path, max_vocabulary=3)


def test_threads_that_encode_the_same_at_once_encode_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, params = corpus_of(ROSE, tmp_path), DataParams(directory=str(tmp_path / "data"))
    together, counted = threading.Barrier(5), []
    count = count_characters

    def noting(pieces: Iterator[Piece]) -> CharacterCounts:
        counted.append(pieces)
        return count(pieces)

    monkeypatch.setattr(dataset_module, "count_characters", noting)

    def start(_: int) -> Dataset:
        together.wait()
        return encode_corpus(corpus, params)

    with ThreadPoolExecutor(5) as pool:
        datasets = list(pool.map(start, range(5)))
    assert len(counted) == 1
    assert sorted(dataset.cached for dataset in datasets) == [False, True, True, True, True]
    assert len({dataset.ids().tobytes() for dataset in datasets}) == 1


PROCESS = """
import sys
from pathlib import Path
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import encode_corpus
from charrnn.config.schema import DataParams
path, digest, folder = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
from charrnn.data.text_file import TextFile
corpus = Corpus((TextFile(path, Path(path), digest, 0),), digest, 0, "the text", True, ())
print(encode_corpus(corpus, DataParams(directory=folder)).cached)
"""


def test_processes_that_encode_the_same_at_once_encode_it_once(tmp_path: Path) -> None:
    corpus = corpus_of(ROSE * 20_000, tmp_path)
    command = [sys.executable, "-c", PROCESS, str(corpus.files[0].path), corpus.sha256, str(tmp_path / "data")]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        for _ in range(2)
    ]
    try:
        assert [process.stdout.readline() for process in both if process.stdout] == ["ready\n", "ready\n"]
        for process in both:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60)[0] for process in both]
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert sorted(answers) == ["False\n", "True\n"]
    assert len(files(tmp_path)) == 1


def test_an_encoding_that_fails_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(CorpusError):
        encode(b"a \xff text", tmp_path)
    assert files(tmp_path) == []


def test_the_locks_of_those_who_were_killed_go_with_the_next_encoding_and_those_in_use_stay(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "encoded"
    folder.mkdir(parents=True)
    (folder / "killed.lock").touch()
    with FileLock(folder / "used.lock"):
        encoded = encode(ROSE, tmp_path)
        assert files(tmp_path) == sorted([encoded.directory.name, "used.lock"])
    assert encode(ROSE, tmp_path).cached
    assert files(tmp_path) == [encoded.directory.name]


def test_all_files_that_do_not_decode_are_named_in_one_error(tmp_path: Path) -> None:
    corpus = corpus_of_files(["good", b"a \xff", "good, too", b"\xfe"], tmp_path)
    with pytest.raises(CorpusError) as caught:
        encode_corpus(corpus, DataParams(directory=str(tmp_path / "data")))
    line = one_line(caught.value)
    bad = [corpus.files[index].name for index in (1, 3)]
    start = "2 of 4 files are not what data.encoding = utf-8 can read: "
    assert line.startswith(f"{start}{bad[0]} (invalid start byte at byte offset 2 (0xff)), {bad[1]} (")
    assert files(tmp_path) == []


def test_a_table_that_is_no_text_is_not_named_among_the_files_that_do_not_decode(tmp_path: Path) -> None:
    corpus = corpus_of_files([b"text\n\xe9", b"PAR1\xff"], tmp_path)
    table, other = corpus.files
    corpus = replace(corpus, files=(replace(table, name="latin.csv"), replace(other, name="sound.parquet")))
    with pytest.raises(CorpusError, match=r"^latin\.csv: is not utf-8 text"):
        encode_corpus(corpus, DataParams(directory=str(tmp_path / "data"), documents="records"))


# What identifies the data


@given(st.text(min_size=2, max_size=40).filter(lambda text: len(set(text)) > 1), st.integers(1, 5))
@example("aab", 1)
@example("a😀b中a", 2)
def test_the_digest_is_that_of_the_vocabulary_and_the_ids_however_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, text: str, chunk_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_module, "read_pieces", partial(read_pieces, chunk_bytes=chunk_bytes))
        dataset = encode(text.lstrip("\ufeff") + "ab", tmp_path_factory.mktemp("dataset"), **AS_IT_IS)
    characters = json.dumps(list(dataset.vocabulary().characters)).encode()
    assert dataset.digest == hashlib.sha256(characters + dataset.ids().tobytes()).hexdigest()


def test_the_same_ids_from_another_file_are_the_same_data(tmp_path: Path) -> None:
    first = encode(ROSE, tmp_path)
    for content in (ROSE.replace("\r\n", "\n"), "\ufeff" + unicodedata.normalize("NFD", ROSE)):
        again = encode(content, tmp_path)
        assert not again.cached
        assert again.digest == first.digest
    assert encode(ROSE.encode("utf-16"), tmp_path, encoding="utf-16").digest == first.digest


@pytest.mark.parametrize(("content", "known"), [("abab", ""), ("acab", ""), ("abac ", ""), ("abac", "d")])
def test_other_ids_or_another_vocabulary_are_other_data(tmp_path: Path, content: str, known: str) -> None:
    params = DataParams(directory=str(tmp_path / "data"))
    first = encode_corpus(corpus_of("abac", tmp_path), params)
    assert encode_corpus(corpus_of(content, tmp_path), params, known=known).digest != first.digest


def test_the_same_ids_of_other_characters_are_other_data(tmp_path: Path) -> None:
    first, other = encode("abac", tmp_path), encode("xyxz", tmp_path)
    assert first.ids().tobytes() == other.ids().tobytes()
    assert first.digest != other.digest


# Damage


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b'{"digest": "x"}', b'{"directory": "/", "cached": true}']
)
def test_a_damaged_description_is_an_error_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = encode(ROSE, tmp_path).directory / "dataset.json"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        encode(ROSE, tmp_path)
    assert one_line(caught.value) == f"{path}: is damaged; delete the folder and run again"


@pytest.mark.parametrize("digest", ["5", "null", '"no digest"', "[]"])
def test_a_description_with_a_digest_that_is_none_is_an_error(tmp_path: Path, digest: str) -> None:
    dataset = encode(ROSE, tmp_path)
    path = dataset.directory / "dataset.json"
    path.write_text(path.read_text().replace(f'"{dataset.digest}"', digest))
    with pytest.raises(CorpusError, match=r"dataset\.json: is damaged; delete the folder and run again$"):
        encode(ROSE, tmp_path)


@pytest.mark.parametrize("length", ['"5"', "null", "31", "-31", "{}"])
def test_a_description_with_another_length_is_an_error(tmp_path: Path, length: str) -> None:
    dataset = encode(ROSE, tmp_path)
    path = dataset.directory / "dataset.json"
    path.write_text(path.read_text().replace(f'"length": {dataset.length}', f'"length": {length}'))
    with pytest.raises(CorpusError, match=r"is damaged.*; delete the folder and run again"):
        encode(ROSE, tmp_path)


@pytest.mark.parametrize("change", [lambda ids: ids[:-1], lambda ids: ids + b"\0", lambda ids: b""])
def test_ids_cut_off_or_too_long_are_an_error_that_says_what_to_do(tmp_path: Path, change: Any) -> None:
    dataset = encode(ROSE, tmp_path)
    path = dataset.directory / "ids.bin"
    path.write_bytes(change(path.read_bytes()))
    expected = rf"^{path}: is damaged \(\d+ bytes for {dataset.length} ids of 1\); delete the folder and run again$"
    with pytest.raises(CorpusError, match=expected):
        dataset.ids()
    with pytest.raises(CorpusError, match=expected):
        encode(ROSE, tmp_path)


def test_a_damaged_vocabulary_is_an_error_that_names_it(tmp_path: Path) -> None:
    dataset = encode(ROSE, tmp_path)
    dataset.vocabulary_path.write_text("{")
    with pytest.raises(VocabularyError, match=rf"^{dataset.vocabulary_path}: is not a vocabulary"):
        encode(ROSE, tmp_path)


@pytest.mark.parametrize("name", ["dataset.json", "ids.bin", "vocabulary.json"])
def test_a_file_that_is_gone_is_a_file_error(tmp_path: Path, name: str) -> None:
    path = encode(ROSE, tmp_path).directory / name
    path.unlink()
    with pytest.raises(FileError, match=rf"^{path}: cannot read: No such file or directory$"):
        encode(ROSE, tmp_path)


def test_a_description_is_plain_and_holds_no_place(tmp_path: Path) -> None:
    dataset = encode(ROSE, tmp_path)
    assert json.loads((dataset.directory / "dataset.json").read_text()) == {
        "digest": dataset.digest,
        "length": dataset.length,
        "documents": None,
        "files": 1,
        "left_out": {},
        "dropped": 0,
        "corpus_sha256": dataset.corpus_sha256,
    }


def test_a_dataset_knows_the_ids_of_its_splits(tmp_path: Path) -> None:
    dataset = encode(ROSE * 10, tmp_path)
    splits = dataset.splits(SplitParams(val_fraction=0.2, test_fraction=0.1))
    assert sum(splits.sizes.values()) == dataset.length
    assert np.concatenate([splits.ids(name)[:] for name in splits.sizes]).tolist() == dataset.ids().tolist()


# Documents


def documents_of(dataset: Dataset) -> list[str]:
    """Read the documents back, as the ends say where they are."""
    ids, vocabulary = dataset.ids(), dataset.vocabulary()
    assert ids[0] == vocabulary.stop_id
    found, start = [], 1
    for end in dataset.ends().tolist():
        assert ids[end - 1] == vocabulary.stop_id
        assert vocabulary.stop_id not in ids[start : end - 1]
        found.append(vocabulary.decode(ids[start : end - 1]))
        start = end
    assert start == len(ids) == dataset.length
    return found


def encode_files(contents: Sequence[str], folder: Path, chunk_bytes: int = 2**18, **changes: Any) -> Dataset:
    corpus, params = corpus_of_files(contents, folder), DataParams(directory=str(folder / "data"), **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_module, "read_pieces", partial(read_pieces, chunk_bytes=chunk_bytes))
        return encode_corpus(corpus, params)


CONTENTS = st.lists(st.text("ab\n%é😀", min_size=1, max_size=25), min_size=1, max_size=4)
NAIVE: dict[str, Callable[[str], list[str]]] = {
    "lines": lambda text: text.removesuffix("\n").split("\n"),
    "files": lambda text: [text.removesuffix("\n")],
    "%": lambda text: text.removesuffix("%").split("%") if text != "%" else [""],
}


@given(CONTENTS, st.sampled_from(list(NAIVE)), st.integers(1, 7), st.integers(0, 3), st.none() | st.integers(3, 9))
@example(["ab\n\nb", "a"], "lines", 2, 0, None)
@example(["a%b%%", "%"], "%", 1, 1, None)
def test_documents_are_those_of_a_plain_reading(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[str],
    kind: str,
    chunk_bytes: int,
    shortest: int,
    longest: int | None,
) -> None:
    every = [document for content in contents for document in NAIVE[kind](content)]
    kept = [one for one in every if shortest <= len(one) <= (longest or 1000)]
    filters = {"min_length": shortest, "max_length": longest}
    folder = tmp_path_factory.mktemp("documents")
    occurs = kind != "%" or any("%" in content for content in contents)
    if len(kept) < 2 or len(set("".join(kept))) < 2 or not occurs:
        with pytest.raises(CorpusError):
            encode_files(contents, folder, chunk_bytes, documents=kind, **filters)
        assert files(folder) == []
        return
    dataset = encode_files(contents, folder, chunk_bytes, documents=kind, **filters)
    assert documents_of(dataset) == kept
    assert dataset.documents == len(kept)
    assert dataset.characters == sum(map(len, kept))
    assert dataset.hashes().tolist() == hash_documents(kept).tolist()
    assert sum(dataset.left_out.values()) == len(every) - len(kept)
    counts = Counter("".join(kept))
    vocabulary = dataset.vocabulary()
    assert dict(zip(vocabulary.characters, vocabulary.counts, strict=True)) == counts
    text = "".join(kept)
    assert list(vocabulary.first_seen) == [text.index(character) for character in vocabulary.characters]
    ends = dataset.file_ends().tolist()
    assert len(ends) == len(contents)
    assert ends[-1] == dataset.length


@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "é"]), min_size=4, max_size=40), st.integers(1, 9))
def test_of_equal_documents_the_first_is_kept(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str], chunk_bytes: int
) -> None:
    kept = list(dict.fromkeys(documents))
    text = "".join(f"{one}\n" for one in documents)
    if len(kept) < 2:
        return
    dataset = encode_files([text], tmp_path_factory.mktemp("unique"), chunk_bytes, documents="lines", unique=True)
    assert documents_of(dataset) == kept
    assert dataset.left_out.get("repeated", 0) == len(documents) - len(kept)


def test_rare_characters_leave_documents_and_their_ends_where_they_are(tmp_path: Path) -> None:
    dataset = encode_files(["axb\nab\ny\nbza\n"], tmp_path, documents="lines", min_count=2)
    assert documents_of(dataset) == ["ab", "ab", "ba"]
    assert dataset.hashes().tolist() == hash_documents(["ab", "ab", "ba"]).tolist()
    assert (dataset.dropped, dataset.left_out) == (3, {"empty": 1})
    with_empty = encode_files(["axb\nab\ny\nbza\n"], tmp_path, documents="lines", min_count=2, min_length=0)
    assert documents_of(with_empty) == ["ab", "ab", "", "ba"]
    with pytest.raises(CorpusError, match="only 1 document is left of 3"):
        encode_files(["aabb\nx\ny\n"], tmp_path, documents="lines", min_count=2)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "ab", "ba", "aab"]), st.booleans()), min_size=20, max_size=60),
    st.booleans(),
    st.integers(0, 9),
)
@example([(one, mark) for one in ("a", "b", "ab", "ba", "aab") for mark in (False, True)] * 2, True, 1)
def test_documents_that_become_equal_as_rare_characters_are_dropped_are_on_one_side(
    tmp_path_factory: pytest.TempPathFactory, documents: list[tuple[str, bool]], unique: bool, seed: int
) -> None:
    # A mark is a character that occurs once.
    marked = [one + chr(0x4E00 + number) * mark for number, (one, mark) in enumerate(documents)]
    folder = tmp_path_factory.mktemp("equal")
    params = SplitParams(seed=seed, val_fraction=0.3, test_fraction=0.3)
    try:
        dataset = encode_files(["\n".join(marked)], folder, documents="lines", unique=unique, min_count=2)
        splits = dataset.splits(params)
    except CorpusError:  # so many are equal that they cannot be divided, or too few are left
        return
    found = documents_of(dataset)
    if not unique and dataset.dropped == sum(mark for _, mark in documents):
        assert found == [one for one, _ in documents]
    assert splits.documents is not None
    sides = [{found[number] for number in splits.documents[name]} for name in ("train", "val", "test")]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


def test_documents_are_judged_with_their_rare_characters(tmp_path: Path) -> None:
    limits = {"min_length": 2, "max_length": 3, "unique": True}
    dataset = encode_files(["ab\nxab\nyzab\nab\nb\nvb\naab\n"], tmp_path, documents="lines", min_count=2, **limits)
    assert documents_of(dataset) == ["ab", "ab", "b", "aab"]
    assert dataset.left_out == {"longer": 1, "repeated": 1, "shorter": 1}


@pytest.mark.parametrize(
    ("join", "expected"),
    [("\n\n", "Anna\nBob\n\nCarl\n\nDora"), ("", "Anna\nBobCarl\nDora"), ("\n", "Anna\nBob\nCarl\nDora")],
)
def test_files_of_one_stream_are_joined_by_what_is_missing_of_the_rule(
    tmp_path: Path, join: str, expected: str
) -> None:
    dataset = encode_files(["Anna\nBob", "Carl\n", "Dora"], tmp_path, join=join)
    assert dataset.vocabulary().decode(dataset.ids()) == expected
    assert dataset.documents is None
    assert dataset.files == 3


def test_the_same_ids_from_files_with_other_ends_are_the_same_data(tmp_path: Path) -> None:
    first = encode_files(["ab\n", "ba"], tmp_path, join="")
    second = encode_files(["ab", "\nba"], tmp_path, join="")
    assert first.ids().tobytes() == second.ids().tobytes()
    assert first.digest == second.digest
    assert first.file_ends().tolist() != second.file_ends().tolist()


def test_whole_documents_are_taken_until_the_characters_are_enough(tmp_path: Path) -> None:
    dataset = encode_files(["abc\nab\nabcd\na\n"], tmp_path, documents="lines", max_characters=8)
    assert documents_of(dataset) == ["abc", "ab"]


@pytest.mark.parametrize(
    ("contents", "changes", "message"),
    [
        (["abc\n"], {"documents": "lines"}, "only 1 document is left of 1 (data.documents = 'lines')"),
        (["abcdef\nabcdeg\n"], {"documents": "lines", "max_length": 5}, "2 longer than data.max_length 5"),
        (["\n\n\n"], {"documents": "lines"}, "no document is left of 3"),
        (["ab\nba\n"], {"documents": "line"}, "the separator 'line' never occurs in the text; allowed are none, lines"),
    ],
)
def test_too_few_documents_are_an_error_that_says_why(
    tmp_path: Path, contents: list[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorpusError) as caught:
        encode_files(contents, tmp_path, **changes)
    assert message in one_line(caught.value)
    assert files(tmp_path) == []


def test_documents_are_found_again_and_damage_to_their_ends_is_seen(tmp_path: Path) -> None:
    dataset = encode_files(["ab\nba\n"], tmp_path, documents="lines")
    assert encode_files(["ab\nba\n"], tmp_path, documents="lines").cached
    for name in ("ends.bin", "hashes.bin", "file_ends.bin", "file_hashes.bin"):
        path = dataset.directory / name
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        with pytest.raises(CorpusError, match=rf"{name}: is damaged"):
            encode_files(["ab\nba\n"], tmp_path, documents="lines")
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("contents", "documents"), [(["ab", "b\nc", "\n"], "files"), (["ab%b\nc%%"], "%")], ids=["files", "separator"]
)
def test_first_positions_count_no_stop_symbol_also_where_documents_have_several_lines(
    tmp_path: Path, contents: list[str], documents: str
) -> None:
    dataset = encode_files(contents, tmp_path, documents=documents, min_length=0)
    vocabulary = dataset.vocabulary()
    assert documents_of(dataset) == ["ab", "b\nc", ""]
    assert vocabulary.characters == "\nabc"
    assert vocabulary.counts == (1, 1, 2, 1)
    assert vocabulary.first_seen == (3, 0, 1, 4)


def test_files_have_ends_and_hashes_where_nothing_is_taken_of_them_too(tmp_path: Path) -> None:
    contents = ["\n\n", "ab\nba\n", "\n", "a\nab\n", "b"]
    dataset = encode_files(contents, tmp_path, documents="lines", unique=True, min_length=2)
    assert documents_of(dataset) == ["ab", "ba"]
    assert dataset.file_ends().tolist() == [1, 7, 7, 7, 7]
    assert len(dataset.file_hashes()) == len(contents)
    stream = encode_files(contents, tmp_path, max_characters=6, join="--")
    assert stream.vocabulary().decode(stream.ids()) == "\n\n--ab"
    assert stream.file_ends().tolist() == [4, 6, 6, 6, 6]


@pytest.mark.parametrize("documents", ["none", "files", "lines"])
def test_files_are_equal_where_the_same_is_learnt_of_them_whatever_bytes_they_have(
    tmp_path: Path, documents: str
) -> None:
    contents = ["a text\nof lines\n", "\ufeffa text\r\nof lines\r\n", "a te\xd7xt\nof lines\n", "a text\nof line\n"]
    rare = encode_files([*contents, contents[0]], tmp_path, documents=documents, min_count=2)
    first, *others = rare.file_hashes().tolist()
    assert [other == first for other in others] == [True, True, False, True]


def test_characters_of_the_model_that_training_starts_from_have_ids_in_documents_too(tmp_path: Path) -> None:
    corpus = corpus_of_files(["ab\nax\n"], tmp_path)
    params = DataParams(directory=str(tmp_path / "data"), documents="lines", min_count=2)
    dataset = encode_corpus(corpus, params, known="xyb\n")
    assert dataset.vocabulary().characters == "\nabxy"
    assert dataset.vocabulary().counts == (0, 2, 1, 1, 0)
    assert documents_of(dataset) == ["ab", "ax"]


def test_records_become_documents(tmp_path: Path) -> None:
    table = 'name,genre\nAnna,"a\nb"\nBOB,\n'
    corpus = corpus_of_files([table], tmp_path, ".csv")
    params = {"directory": str(tmp_path / "data"), "documents": "records", "lowercase": True}
    dataset = encode_corpus(corpus, DataParams(**params, template="{genre}: {name}"))
    assert documents_of(dataset) == ["a\nb: anna", ": bob"]
    assert documents_of(encode_corpus(corpus, DataParams(**params, template="{name}"))) == ["anna", "bob"]
    with pytest.raises(CorpusError, match="the nearest is 'genre'"):
        encode_corpus(corpus, DataParams(**params, template="{Genre}"))


def test_the_same_bytes_under_the_name_of_another_table_are_encoded_anew(tmp_path: Path) -> None:
    params = DataParams(directory=str(tmp_path / "data"), documents="records")
    content = "a,b\nc,d\ne,f\n"
    as_tabs = encode_corpus(corpus_of_files([content], tmp_path, ".tsv"), params)
    assert documents_of(as_tabs) == ["c,d", "e,f"]
    with pytest.raises(CorpusError, match="has 2 columns"):
        encode_corpus(corpus_of_files([content], tmp_path, ".csv"), params)


@pytest.mark.parametrize(
    "change",
    [
        {"documents": "a"},
        {"documents": "lines", "min_length": 2},
        {"documents": "lines", "max_length": 2},
        {"documents": "lines", "unique": True},
        {"join": "+"},
    ],
    ids=lambda change: list(change)[-1],
)
def test_what_makes_other_documents_is_encoded_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    contents = ["b\nab\nab\nbab", "ab\n"]
    before: dict[str, Any] = {"documents": "lines"} if "documents" in change else {}
    first = encode_files(contents, tmp_path, **before)
    changed = encode_files(contents, tmp_path, **change)
    assert not changed.cached
    assert changed.ids().tobytes() != first.ids().tobytes()
    assert encode_files(contents, tmp_path, **before).ids().tobytes() == first.ids().tobytes()


def test_what_makes_no_difference_to_a_text_is_found_again(tmp_path: Path) -> None:
    encode(ROSE, tmp_path)
    assert encode(ROSE, tmp_path, join="", min_length=3).cached


def test_progress_on_unique_documents_is_told_three_times_for_each_character_and_line_end(tmp_path: Path) -> None:
    told: list[int] = []
    params = DataParams(directory=str(tmp_path / "data"), documents="lines", unique=True)
    encode_corpus(corpus_of("ab\nba\n", tmp_path), params, told.append)
    assert told[-1] == 18


@pytest.mark.parametrize(
    ("content", "changes", "digest"),
    [
        (ROSE, {}, "a121e7a937094f43cb58a243d83ca73b37aa7fec0833d0c2fc3f34d017f33081"),
        ("aabbc x", {"min_count": 2}, "0638fe90fcc0f93d05b3c7891927d29b56ead913c3ab0be2a0414a396dc2a6be"),
    ],
)
def test_a_text_in_one_file_is_the_same_data_as_before_there_were_documents(
    tmp_path: Path, content: str, changes: dict[str, Any], digest: str
) -> None:
    assert encode(content, tmp_path, **changes).digest == digest
