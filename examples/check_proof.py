"""Check a proof that somebody with an eventdb database gave you, with nothing but it and the digests that you kept.

    python check_proof.py PROOF.json DIGEST.json …

The proof says either that a transaction is in the log, or that one digest's log goes on another's (RFC 6962, 2.1.1 and 2.1.2).
"""

import hashlib
import json
import pathlib
import sys


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def roots(place, last, path, node):
    """The roots (of the older tree, of the whole) that the path leads to from a node `place` of 0 … `last` in its row."""
    old = new = node
    while last:
        if place % 2 == 1 or place < last:
            other = path.pop(0) if path else b""
            if place % 2 == 1:
                old, new = sha(b"\1", other, old), sha(b"\1", other, new)
            else:
                new = sha(b"\1", new, other)
        place, last = place // 2, last // 2
    return old, new


def included(proof, digest, path):
    header, place = bytes.fromhex(proof["header"]), proof["transaction"] - 1
    if not 0 <= place < digest["transaction"]:
        return False
    at = 1  # the header is a CBOR array: number, time, txid, previous hash, body hash, …
    for _ in range(2):
        at += 1 + {24: 1, 25: 2, 26: 4, 27: 8}.get(header[at] & 31, 0)
    if "body" in proof and header[at + 53 : at + 85] != sha(bytes.fromhex(proof["body"])):
        return False
    return roots(place, digest["transaction"] - 1, path, sha(b"\0", header))[1].hex() == digest["root"] and not path


def continued(older, newer, path):
    place, last = older["transaction"] - 1, newer["transaction"] - 1
    if not 0 <= place < last or older["log_id"] != newer["log_id"]:
        return older == newer and not path
    while place % 2 == 1:
        place, last = place // 2, last // 2
    old, new = roots(place, last, path, path.pop(0) if place and path else bytes.fromhex(older["root"]))
    return old.hex() == older["root"] and new.hex() == newer["root"] and not path


proof, *kept = [json.loads(pathlib.Path(name).read_text()) for name in sys.argv[1:]]
path, named = [bytes.fromhex(node) for node in proof["path"]], [proof[k] for k in ("digest", "older", "newer") if k in proof]
plain = [{k: v for k, v in digest.items() if k != "signature"} for digest in kept]
good = bool(kept) and all(digest in named for digest in plain)
good = good and (included(proof, named[0], path) if "digest" in proof else continued(*named, path))
print("the proof holds" if good else "the proof does NOT hold")
sys.exit(not good)
