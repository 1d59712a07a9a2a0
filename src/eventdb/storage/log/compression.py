"""Whether a body is worth compressing, and how: zlib at its fastest, for large bodies only after a look at samples of them."""

from __future__ import annotations

import zlib

from eventdb.errors import DataCorrupted

FROM_BYTES = 512
"""A shorter body is stored as it is."""
_SAMPLED_FROM_BYTES = 1 << 17
_SAMPLE_BYTES = 1 << 13
_SAMPLES = 4
_WORTH = 0.8
"""The compressed size must be below this share of the size,"""
_WORTH_LARGE = 0.6
"""and of a large body below this one: there the time counts."""


def compress(body: bytes) -> bytes | None:
    """The body as a zlib stream (RFC 1950), or None where that does not pay."""
    size = len(body)
    if size < FROM_BYTES:
        return None
    if size >= _SAMPLED_FROM_BYTES:
        step = (size - _SAMPLE_BYTES) // (_SAMPLES - 1)
        sample = b"".join([body[i * step : i * step + _SAMPLE_BYTES] for i in range(_SAMPLES)])
        if len(_deflate(sample)) > len(sample) * _WORTH_LARGE:
            return None
    packed = _deflate(body)
    return packed if len(packed) < size * _WORTH else None


def _deflate(data: bytes) -> bytes:
    # the filtered strategy does not take the very short matches that columns of numbers are full of: a third faster, no larger
    stream = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    return stream.compress(data) + stream.flush()


def decompress(data: bytes) -> bytes:
    """What `compress` compressed. Raises DataCorrupted."""
    try:
        return zlib.decompress(data)
    except zlib.error as failure:
        raise DataCorrupted(f"a compressed body cannot be read: {failure}") from failure
