"""The Merkle tree against RFC 6962: its definition written down naively, and the vectors of the Certificate Transparency project."""

from __future__ import annotations

import pytest

from eventdb.storage.log.merkle import EMPTY, MerkleTree, is_consistent, leaf_hash, node_hash, root_of_inclusion

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


def naive(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1, word for word."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive(leaves[:k]), naive(leaves[k:]))


def tree(leaves: list[bytes]) -> MerkleTree:
    made = MerkleTree()
    made.extend(map(leaf_hash, leaves))
    return made


def test_vectors() -> None:
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    whole = tree(LEAVES)
    assert [whole.root(size).hex() for size in range(1, 9)] == ROOTS
    for (place, size), path in PATHS.items():
        assert [node.hex() for node in whole.inclusion(place, size)] == path
    assert [node.hex() for node in whole.consistency(1, 8)] == PATHS[0, 8]
    assert whole.consistency(8, 8) == []


def test_every_proof_of_small_trees_and_none_that_is_wrong() -> None:
    """All sizes to 20, grown in any two steps; each proof proves its own claim and no other."""
    leaves = [bytes([n]) for n in range(20)]
    for size in range(21):
        made = tree(leaves[: size // 2])
        made.extend(map(leaf_hash, leaves[size // 2 : size]))
        root = made.root()
        assert [made.root(part) for part in range(size + 1)] == [naive(leaves[:part]) for part in range(size + 1)]
        for place in range(size):
            path = made.inclusion(place)
            for claimed in range(size):
                assert (root_of_inclusion(leaf_hash(leaves[place]), claimed, size, path) == root) == (claimed == place)
            for cut in range(len(path)):
                assert root_of_inclusion(leaf_hash(leaves[place]), place, size, path[:cut]) is None
        for older in range(1, size + 1):
            path = made.consistency(older)
            for claimed in range(1, size + 1):
                assert is_consistent(claimed, made.root(older), size, root, path) == (claimed == older)
            for changed in range(len(path)):
                wrong = [bytes(32) if at == changed else node for at, node in enumerate(path)]
                assert not is_consistent(older, made.root(older), size, root, wrong)


def test_a_tree_without_its_first_leaves() -> None:
    """From the peaks alone it goes on to the same roots, and proves whatever concerns the leaves after them."""
    leaves = [bytes([n]) for n in range(24)]
    whole = tree(leaves)
    for given in range(25):
        rest = MerkleTree(given, whole.peaks(given))
        rest.extend(map(leaf_hash, leaves[given:]))
        for size in range(given, 25):
            assert rest.root(size) == whole.root(size)
            for place in range(given, size):
                assert rest.inclusion(place, size) == whole.inclusion(place, size)
            for older in range(max(given, 1), size + 1):
                assert rest.consistency(older, size) == whole.consistency(older, size)
        if given:
            with pytest.raises(LookupError):
                rest.root(given - 1)
            with pytest.raises(LookupError):
                rest.inclusion(given - 1)
    with pytest.raises(ValueError, match="3 leaves have 2 peaks"):
        MerkleTree(3, [EMPTY])


def test_what_there_is_not() -> None:
    made = tree(LEAVES)
    for place, size in ((8, 8), (-1, 8), (0, 0), (0, 9)):
        with pytest.raises(LookupError):
            made.inclusion(place, size)
    for older, newer in ((0, 8), (5, 4), (9, 9)):
        with pytest.raises(LookupError):
            made.consistency(older, newer)
