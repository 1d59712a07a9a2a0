"""What is kept of transactions that retention has given up: the peaks of the Merkle tree over them, in the file `horizon.cbor` of the log.

    [ "eventdb horizon", 1, log_id, number of transactions, [ peak, the largest subtree first … ], checksum ]

The checksum is the CRC-32, started with that of the log_id, of the item without it. The file is written, whole, before the segments go; so
after a crash in between it may speak of some transactions that are still there.
"""

from __future__ import annotations

import os
import zlib

from eventdb.errors import CannotConnect, DataCorrupted
from eventdb.storage import codec
from eventdb.storage.files import Files
from eventdb.storage.log.merkle import HASH

NAME = "horizon.cbor"
_MAGIC = "eventdb horizon"


def write(files: Files, path: str, log_id: bytes, count: int, peaks: list[bytes]) -> None:
    """Keep the peaks over the first `count` transactions of the log at `path`."""
    item = [_MAGIC, 1, log_id, count, peaks]
    checksum = zlib.crc32(codec.dumps(item), zlib.crc32(log_id))
    files.write_atomically(os.path.join(path, NAME), [codec.dumps([*item, checksum])])


def read(files: Files, path: str, log_id: bytes) -> tuple[int, list[bytes]]:
    """(count, peaks). Raises DataCorrupted where they are missing or not of this log."""
    name = os.path.join(path, NAME)
    try:
        data = files.read(name)
    except CannotConnect as error:
        raise DataCorrupted(f"the Merkle tree over what the log gave up is not there: {error.message}") from None
    match codec.loads(data):
        case [str(magic), 1, bytes(log), int(count), list(peaks), int(checksum)] if magic == _MAGIC and log == log_id:
            sound = zlib.crc32(codec.dumps([magic, 1, log, count, peaks]), zlib.crc32(log_id)) == checksum
            if sound and count.bit_count() == len(peaks) and all(type(peak) is bytes and len(peak) == HASH for peak in peaks):
                return count, peaks
    raise DataCorrupted(f"{name!r} is damaged, or belongs to another log")
