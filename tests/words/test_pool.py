"""Pools and embeddings: words with sizes from the files that people have, or a clear error."""

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopslab.errors import FlopslabWarning, SequenceError
from flopslab.words.embeddings import read_embeddings
from flopslab.words.pool import Pool, is_pool, read_pool


@pytest.fixture
def write(tmp_path):
    """`write(name, content)`: the path of a file with it."""

    def write(name, content):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write


POOLS = {
    "sizes by word": ("a.json", {"sea": 3, "fire": 1}),
    "entries": ("a.json", {"pool": [{"word": "sea", "font_size": 3}, {"word": "fire"}]}),
    "a list": ("a.json", [{"word": "sea", "size": 3}, {"word": "fire", "size": 1}]),
    "copies one by one": (
        "a.json",
        {"pool": [{"word": "sea", "font_size": 3, "instance": n} for n in (1, 2, 3)] + ["fire"]},
    ),
    "CSV": ("a.csv", "word,size\nsea,3\nfire,1\n"),
    "TSV": ("a.tsv", "Word\tcount\nsea\t3\nfire\t\n"),
}


@pytest.mark.parametrize(("name", "content"), POOLS.values(), ids=POOLS)
def test_a_pool_is_read_with_its_sizes(write, name, content):
    path = write(name, content)
    assert is_pool(path)
    assert read_pool(path) == Pool(("sea", "fire"), (3, 1))


def test_any_other_file_is_a_pool_of_the_words_in_it(write):
    path = write("a.txt", "the sea, the sea\nand fire\n")
    assert not is_pool(path)
    assert read_pool(path, unit="word") == Pool(("the", "sea", "and", "fire"), (2, 2, 1, 1))
    own = write("a.json", {"sequence": [{"word": "sea", "font_size": 3}, "fire"]})
    assert not is_pool(own) and read_pool(own) == Pool(("sea", "fire"), (3, 1))
    assert not is_pool(write("a.csv", "word,start,size\nsea,0,3\n"))


def test_more_occurrences_than_seven_are_seven(write):
    assert read_pool(write("a.txt", "sea\n" * 9)).sizes == (7,)


def test_a_word_of_size_0_is_left_out_and_named(write):
    with pytest.warns(FlopslabWarning, match="size 0, left out: fire"):
        assert read_pool(write("a.json", {"sea": 3, "fire": 0})).texts == ("sea",)


FAULTS = {
    "size 8": ({"sea": 8}, "entry 1: font_size|size is 8"),
    "two sizes": ([{"word": "a", "size": 1}, {"word": "a", "size": 2}], "sizes 1 and 2"),
    "no words": ({"pool": []}, "no words"),
    "a wrong key": ([{"word": "a", "size": 1, "sise": 2}], r"'sise' \(size\?\)"),
    "an entry of another kind": ({"pool": [7]}, "entry 1 is 7"),
    "an empty word": ({"pool": [{"word": " "}]}, "an empty word"),
    "a word twice": ('{"sea": 3, "sea": 5}', "'sea' twice"),
    "infinity": ('{"sea": 1e999}', "'sea' is inf"),
    "NaN": ('{"sea": NaN}', "'sea' is nan"),
    "a vector of text": ([{"word": "a", "embedding": "far"}], "give a list of numbers"),
    "vectors of two lengths": (
        [{"word": "a", "embedding": [1, 0]}, {"word": "b", "embedding": [1, 0, 0]}],
        "'a' and 'b' with 2 and 3 numbers",
    ),
}


@pytest.mark.parametrize(("content", "actual"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_pool_is_named(write, content, actual):
    with pytest.raises(SequenceError, match=actual):
        read_pool(write("a.json", content))


def test_embeddings_in_the_pool_are_taken_and_words_without_are_named(write):
    entries = [{"word": "sea", "size": 2, "embedding": [1, 0]}, {"word": "fire"}]
    with pytest.warns(FlopslabWarning, match="1 of 2 words without embedding, left out: fire"):
        pool = read_pool(write("a.json", entries))
    assert pool.texts == ("sea",) and pool.vectors.tolist() == [[1, 0]]


@pytest.fixture
def files(write, tmp_path):
    """The same two vectors in every format."""
    separate, together = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(separate, sea=[1.0, 2], fire=[0.5, -1])
    np.savez(together, words=["sea", "fire"], vectors=[[1.0, 2], [0.5, -1]])
    return [
        write("a.json", {"sea": [1, 2], "fire": [0.5, -1]}),
        write("b.json", {"sea": {"vector": [1, 2]}, "fire": {"embedding": [0.5, -1]}}),
        separate,
        together,
        write("a.txt", "2 2\nsea 1 2\nfire 0.5 -1\n"),
        write("a.vec", "sea 1 2\nfire 0.5 -1e0\n"),
    ]


def test_embeddings_of_the_words_are_read_from_every_format(files):
    for path in files:
        vectors = read_embeddings(path, ["fire", "moon"])
        assert {word: v.tolist() for word, v in vectors.items()} == {"fire": [0.5, -1]}


def test_words_without_embedding_are_left_out_and_listed():
    pool = Pool(("sea", "moon", "fire"), (1, 2, 3))
    with pytest.warns(FlopslabWarning, match="1 of 3 words without embedding, left out: moon"):
        selection = pool.select({"sea": np.array([1.0, 2]), "fire": np.array([0.5, -1])})
    assert selection.texts == ("sea", "fire") and selection.sizes == (1, 3)
    with pytest.raises(SequenceError, match="those of none"):
        pool.select({})


BAD_VECTORS = {
    "two lengths": ('{"a": [1, 2], "b": [1]}', "'a' and 'b' with 2 and 1 numbers"),
    "NaN": ('{"a": [1, NaN]}', "a vector with NaN or infinity: 'a'"),
    "zero": ('{"a": [0, 0]}', "a zero vector: 'a'"),
    "text": ('{"a": "far"}', "give a list of numbers"),
    "a list": ("[1]", "no object of words and vectors"),
    "cut off": ('{"a": [1', "JSON that cannot be read"),
}


@pytest.mark.parametrize(("content", "actual"), BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_embeddings_that_cannot_be_used_are_an_error(write, content, actual):
    with pytest.raises(SequenceError, match=actual):
        read_embeddings(write("a.json", content), ["a", "b"])


def test_a_missing_file_of_embeddings_is_an_error(tmp_path):
    for name in ("a.json", "a.npz", "a.vec"):
        with pytest.raises(SequenceError, match="No such file"):
            read_embeddings(tmp_path / name, ["a"])


@given(data=st.data())
def test_a_mangled_file_of_embeddings_is_read_or_is_a_sequence_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("vectors")
    np.savez(folder / "a.npz", sea=[1.0, 2], fire=[0.5, -1])
    (folder / "a.json").write_text('{"sea": [1, 2], "fire": {"vector": [0.5, -1]}}')
    (folder / "a.vec").write_text("sea 1 2\nfire 0.5 -1\n")
    path = folder / data.draw(st.sampled_from(["a.npz", "a.json", "a.vec"]))
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut] + data.draw(st.binary(max_size=6)) + content[cut + 3 :])
    with suppress(SequenceError):
        vectors = read_embeddings(path, ["sea", "fire"])
        assert set(vectors) <= {"sea", "fire"}
