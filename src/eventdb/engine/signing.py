"""Ed25519 signatures (RFC 8032) of digests, with the optional package `cryptography` (`pip install eventdb[sign]`).

What is signed is the digest without its signature, as JSON with sorted keys and no spaces, in UTF-8. A key is the path of a PEM file
(PKCS 8 or SubjectPublicKeyInfo, what `openssl genpkey -algorithm ed25519` writes), the bytes of such a file, or the 32 bytes of the key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eventdb.engine.digests import InvalidProof, digest_from
from eventdb.errors import CannotConnect, InvalidParameterValue, NotSupportedError

Key = str | os.PathLike[str] | bytes
_RAW = 32
_MISSING = "signatures need the package cryptography"


def sign_digest(digest: Mapping[str, Any], private_key: Key, password: bytes | None = None) -> dict[str, Any]:
    """The digest with a signature in it. `password` is that of an encrypted key file.

    Raises InvalidParameterValue (no digest, or no such key), CannotConnect (no such file), NotSupportedError (the package is missing).
    """
    digest_from(digest)
    unsigned = _unsigned(digest)
    value = _key(private_key, True, password).sign(_message(unsigned))
    return {**unsigned, "signature": {"algorithm": "Ed25519", "value": value.hex()}}


def verify_signature(digest: Mapping[str, Any], public_key: Key) -> None:
    """Check the signature of a digest against a public key that is trusted.

    Raises InvalidProof where there is none, or it is not that key's; else as `sign_digest`.
    """
    digest_from(digest)
    public = _key(public_key, False, None)
    signature = digest.get("signature")
    if not isinstance(signature, Mapping):
        raise InvalidProof(f"the digest of transaction {digest['transaction']} is not signed")
    from cryptography.exceptions import InvalidSignature

    try:
        if signature["algorithm"] != "Ed25519":
            raise ValueError
        public.verify(bytes.fromhex(signature["value"]), _message(_unsigned(digest)))
    except (InvalidSignature, KeyError, ValueError, TypeError):
        raise InvalidProof(f"the signature of the digest of transaction {digest['transaction']} is not one made with this key") from None


def _unsigned(digest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in digest.items() if name != "signature"}


def _message(unsigned: Mapping[str, Any]) -> bytes:
    return json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _key(key: Key, private: bool, password: bytes | None) -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    except ImportError:
        raise NotSupportedError(_MISSING, hint="pip install eventdb[sign]") from None
    wanted: Any = Ed25519PrivateKey if private else Ed25519PublicKey
    what = "private" if private else "public"
    data = key if isinstance(key, bytes) else _file(key)
    try:
        if len(data) == _RAW:
            return wanted.from_private_bytes(data) if private else wanted.from_public_bytes(data)
        found = serialization.load_pem_private_key(data, password) if private else serialization.load_pem_public_key(data)
    except (ValueError, TypeError) as error:
        raise InvalidParameterValue(f"this is no {what} key that can be read: {error}") from None
    if not isinstance(found, wanted):
        raise InvalidParameterValue(f"this is a {what} key of another kind, not of Ed25519")
    return found


def _file(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise CannotConnect(f"cannot read the key file {os.fspath(path)!r}: {error}") from None
