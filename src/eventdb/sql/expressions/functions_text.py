"""Functions on texts and bytes, hashes and UUIDs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from eventdb.errors import InvalidParameterValue, InvalidTextRepresentation, ProgramLimitExceeded
from eventdb.model import clock
from eventdb.model.datatype import BOOLEAN, BYTEA, INTEGER, TEXT
from eventdb.model.datatype import UUID as UUID_TYPE
from eventdb.sql.expressions import patterns, values
from eventdb.sql.expressions.bound import Expr
from eventdb.sql.expressions.registry import declare

_MAX_LENGTH = 1 << 28


def _limited(length: int) -> None:
    if length > _MAX_LENGTH:
        raise ProgramLimitExceeded(f"requested length {length} is too large")


def substring(text: Any, start: int, count: int | None = None) -> Any:
    """SQL's substring: positions from 1, those before the text count too."""
    if count is None:
        return text[max(start - 1, 0) :]
    if count < 0:
        raise InvalidParameterValue("negative substring length not allowed")
    return text[max(start - 1, 0) : max(start - 1 + count, 0)]


def substring_regex(text: str, pattern: str) -> str | None:
    found = patterns.regex(pattern).search(text)
    if found is None:
        return None
    return found[1] if found.re.groups else found[0]


def left(text: str, count: int) -> str:
    return text[:count]


def right(text: str, count: int) -> str:
    return (text[-count:] if count else "") if count >= 0 else text[-count:]


def repeat(text: str, count: int) -> str:
    _limited(len(text) * max(count, 0))
    return text * count


def lpad(text: str, length: int, fill: str = " ") -> str:
    _limited(length)
    missing = length - len(text)
    if missing <= 0 or not fill:
        return text[: max(length, 0)]
    return (fill * (missing // len(fill) + 1))[:missing] + text


def rpad(text: str, length: int, fill: str = " ") -> str:
    _limited(length)
    missing = length - len(text)
    if missing <= 0 or not fill:
        return text[: max(length, 0)]
    return text + (fill * (missing // len(fill) + 1))[:missing]


def initcap(text: str) -> str:
    return re.sub(r"[^\W_]+", lambda m: m[0][0].upper() + m[0][1:].lower(), text)


def split_part(text: str, delimiter: str, number: int) -> str:
    if number == 0:
        raise InvalidParameterValue("field position must not be zero")
    parts = text.split(delimiter) if delimiter else [text]
    index = number - 1 if number > 0 else len(parts) + number
    return parts[index] if 0 <= index < len(parts) else ""


def translate(text: str, source: str, target: str) -> str:
    table: dict[int, int | None] = {}
    for index, character in enumerate(source):
        table.setdefault(ord(character), ord(target[index]) if index < len(target) else None)
    return text.translate(table)


def replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def overlay(text: Any, new: Any, start: int, count: int | None = None) -> Any:
    if start <= 0:
        raise InvalidParameterValue("negative substring length not allowed")
    count = len(new) if count is None else count
    return text[: start - 1] + new + text[max(start - 1 + count, 0) :]


def ascii_code(text: str) -> int:
    return ord(text[0]) if text else 0


def character(code: int) -> str:
    if code == 0:
        raise ProgramLimitExceeded("null character not permitted")
    if not 0 < code < 0x110000 or 0xD800 <= code < 0xE000:
        raise ProgramLimitExceeded(f"requested character not valid for encoding: {code}")
    return chr(code)


def to_hex(value: int) -> str:
    return f"{value & 0xFFFFFFFFFFFFFFFF if value < -(2**31) else value & 0xFFFFFFFF if value < 0 else value:x}"


def md5(data: str | bytes) -> str:
    return hashlib.md5(values.encode(data) if isinstance(data, str) else data, usedforsecurity=False).hexdigest()


def sha224(data: bytes) -> bytes:
    return hashlib.sha224(data).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


def encode(data: bytes, form: str) -> str:
    match form.lower():
        case "hex":
            return data.hex()
        case "base64":
            text = base64.b64encode(data).decode()
            return "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
        case "escape":
            return "".join("\\\\" if b == 92 else f"\\{b:03o}" if b == 0 or b > 127 else chr(b) for b in data)
    raise InvalidParameterValue(f'unrecognized encoding: "{form}"')


def decode(text: str, form: str) -> bytes:
    try:
        match form.lower():
            case "hex":
                return binascii.unhexlify("".join(text.split()))
            case "base64":
                return base64.b64decode("".join(text.split()), validate=True)
            case "escape":
                return values.parse_bytes(text)
    except (binascii.Error, ValueError) as error:
        raise InvalidParameterValue(f"invalid {form} data: {error}") from None
    raise InvalidParameterValue(f'unrecognized encoding: "{form}"')


def convert_from(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError:
        raise InvalidParameterValue(f'invalid source encoding name "{encoding}"') from None
    except UnicodeDecodeError as error:
        raise InvalidTextRepresentation(f"invalid byte sequence for encoding {encoding}: {error.reason}") from None


def convert_to(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except LookupError:
        raise InvalidParameterValue(f'invalid destination encoding name "{encoding}"') from None
    except UnicodeEncodeError as error:
        raise InvalidTextRepresentation(f"character has no equivalent in encoding {encoding}: {error.reason}") from None


_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


def quote_ident(name: str) -> str:
    from eventdb.sql.parser.keywords import RESERVED

    if _PLAIN_NAME.fullmatch(name) and name.upper() not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def quote_nullable(text: str | None) -> str:
    return "NULL" if text is None else quote_literal(text)


# ---- regular expressions


def _replacement(text: str) -> Callable[[re.Match[str]], str]:
    pieces = re.split(r"(\\[0-9&\\])", text)

    def expand(match: re.Match[str]) -> str:
        out = []
        for piece in pieces:
            if piece == "\\&":
                out.append(match[0])
            elif piece == "\\\\":
                out.append("\\")
            elif len(piece) == 2 and piece[0] == "\\" and piece[1].isdigit():
                out.append((match[int(piece[1])] or "") if int(piece[1]) <= match.re.groups else "")
            else:
                out.append(piece)
        return "".join(out)

    return expand


def regexp_replace(text: str, pattern: str, new: str, flags: str = "") -> str:
    return patterns.regex(pattern, flags).sub(_replacement(new), text, count=0 if "g" in flags else 1)


def regexp_like(text: str, pattern: str, flags: str = "") -> bool:
    return patterns.regex(pattern, flags).search(text) is not None


def regexp_count(text: str, pattern: str, start: int = 1, flags: str = "") -> int:
    return sum(1 for _ in patterns.regex(pattern, flags).finditer(text, _from(start)))


def _from(start: int) -> int:
    if start < 1:
        raise InvalidParameterValue(f'invalid value for parameter "start": {start}')
    return start - 1


def regexp_substr(text: str, pattern: str, start: int = 1, occurrence: int = 1, flags: str = "") -> str | None:
    for number, match in enumerate(patterns.regex(pattern, flags).finditer(text, _from(start)), 1):
        if number == occurrence:
            return match[0]
    return None


def regexp_instr(text: str, pattern: str, start: int = 1, occurrence: int = 1) -> int:
    for number, match in enumerate(patterns.regex(pattern).finditer(text, _from(start)), 1):
        if number == occurrence:
            return match.start() + 1
    return 0


# ---- texts of anything


def _text_of(index: int, arguments: Sequence[Expr]) -> Callable[[Any], str]:
    datatype = arguments[index].datatype
    if datatype.kind.name == "BOOLEAN":
        return lambda value: "t" if value else "f"
    return values.renderer(datatype)


def concat(writers: Sequence[Callable[[Any], str]], *items: Any) -> str:
    return "".join(write(item) for write, item in zip(writers, items, strict=True) if item is not None)


def concat_ws(writers: Sequence[Callable[[Any], str]], separator: str | None, *items: Any) -> str | None:
    if separator is None:
        return None
    return separator.join(write(item) for write, item in zip(writers[1:], items, strict=True) if item is not None)


_SPECIFIER = re.compile(r"%(?:(%)|(?:(\d+)\$)?(-)?(\d+)?([sIL])?)")


def format_text(writers: Sequence[Callable[[Any], str]], pattern: str | None, *items: Any) -> str | None:
    """format(): %s, %I, %L, with positions (%2$s) and widths (%-10s)."""
    if pattern is None:
        return None
    following = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal following
        if match[1]:
            return "%"
        if match[5] is None:
            raise InvalidParameterValue("unterminated or unrecognized format() type specifier", hint='For a single "%" use "%%".')
        following = int(match[2]) if match[2] else following + 1
        if not 0 < following <= len(items):
            raise InvalidParameterValue(
                "too few arguments for format()" if following else "format specifies argument 0, but arguments are numbered from 1"
            )
        item = items[following - 1]
        text = "" if item is None else writers[following](item)
        if match[5] == "I":
            if item is None:
                raise InvalidParameterValue("null values cannot be formatted as an SQL identifier")
            text = quote_ident(text)
        elif match[5] == "L":
            text = quote_nullable(None if item is None else text)
        width = int(match[4] or 0)
        _limited(width)
        return text.ljust(width) if match[3] else text.rjust(width)

    return _SPECIFIER.sub(fill, pattern)


# ---- UUID


def gen_random_uuid() -> uuid.UUID:
    return uuid.uuid4()


def uuidv7() -> uuid.UUID:
    """A UUID of version 7: milliseconds since 1970, then random bits, so that later ones sort later."""
    random = int.from_bytes(os.urandom(10))
    return uuid.UUID(int=(clock.now() // 1000) << 80 | 7 << 76 | random >> 68 << 64 | 2 << 62 | random & (1 << 62) - 1)


def _declare_texts() -> None:
    for name in ("length", "char_length", "character_length"):
        declare(name, "text", INTEGER, "len({0})")
    declare("length", "bytea", INTEGER, "len({0})")
    declare("octet_length", "text", INTEGER, "len(encode_text({0}))", uses=[("encode_text", values.encode)])
    declare("octet_length", "bytea", INTEGER, "len({0})")
    declare("bit_length", "text", INTEGER, "(8 * len(encode_text({0})))", uses=[("encode_text", values.encode)])
    declare("bit_length", "bytea", INTEGER, "(8 * len({0}))")
    declare("lower", "text", TEXT, "{0}.lower()")
    declare("upper", "text", TEXT, "{0}.upper()")
    for name, method in (("btrim", "strip"), ("trim", "strip"), ("ltrim", "lstrip"), ("rtrim", "rstrip")):
        declare(name, "text", TEXT, f"{{0}}.{method}(' ')")
        declare(name, "text, text", TEXT, f"{{0}}.{method}({{1}})")
        declare(name, "bytea, bytea", BYTEA, f"{{0}}.{method}({{1}})")
    for name in ("substring", "substr"):
        for kind, result in (("text", TEXT), ("bytea", BYTEA)):
            declare(name, f"{kind}, integer, [integer]", result, substring)
    declare("substring", "text, text", TEXT, substring_regex, nullable=True)
    declare("left", "text, integer", TEXT, left)
    declare("right", "text, integer", TEXT, right)
    declare("replace", "text, text, text", TEXT, replace)
    declare("position", "text, text", INTEGER, "({1}.find({0}) + 1)")
    declare("position", "bytea, bytea", INTEGER, "({1}.find({0}) + 1)")
    declare("strpos", "text, text", INTEGER, "({0}.find({1}) + 1)")
    declare("split_part", "text, text, integer", TEXT, split_part)
    declare("repeat", "text, integer", TEXT, repeat)
    declare("reverse", "text", TEXT, "{0}[::-1]")
    declare("lpad", "text, integer, [text]", TEXT, lpad)
    declare("rpad", "text, integer, [text]", TEXT, rpad)
    declare("initcap", "text", TEXT, initcap)
    declare("ascii", "text", INTEGER, ascii_code)
    declare("chr", "integer", TEXT, character)
    declare("translate", "text, text, text", TEXT, translate)
    declare("starts_with", "text, text", BOOLEAN, "{0}.startswith({1})")
    declare("overlay", "text, text, integer, [integer]", TEXT, overlay)
    declare("overlay", "bytea, bytea, integer, [integer]", BYTEA, overlay)
    for kind in ("integer", "bigint"):
        declare("to_hex", kind, TEXT, to_hex)


def _declare_others() -> None:
    for kind in ("text", "bytea"):
        declare("md5", kind, TEXT, md5)
    for function in (sha224, sha256, sha384, sha512):
        declare(function.__name__, "bytea", BYTEA, function)
    declare("encode", "bytea, text", TEXT, encode)
    declare("decode", "text, text", BYTEA, decode)
    declare("convert_from", "bytea, text", TEXT, convert_from)
    declare("convert_to", "text, text", BYTEA, convert_to)
    declare("quote_ident", "text", TEXT, quote_ident)
    declare("quote_literal", "text", TEXT, quote_literal)
    declare("quote_nullable", "text", TEXT, quote_nullable, strict=False)
    declare("regexp_replace", "text, text, text, [text]", TEXT, regexp_replace)
    declare("regexp_like", "text, text, [text]", BOOLEAN, regexp_like)
    declare("regexp_count", "text, text, [integer], [text]", INTEGER, regexp_count)
    declare("regexp_substr", "text, text, [integer], [integer], [text]", TEXT, regexp_substr, nullable=True)
    declare("regexp_instr", "text, text, [integer], [integer]", INTEGER, regexp_instr)
    for name in ("gen_random_uuid", "uuidv4"):
        declare(name, "", UUID_TYPE, gen_random_uuid, volatile=True)
    declare("uuidv7", "", UUID_TYPE, uuidv7, volatile=True)


_declare_texts()
_declare_others()
WRITING: dict[str, tuple[Callable[..., Any], bool]] = {
    "concat": (concat, False),
    "concat_ws": (concat_ws, True),
    "format": (format_text, True),
}
"""Functions over arguments of any type, which `calls` binds with the writers for those types; whether the first must be text and NULL
gives NULL.
"""
writer_of = _text_of
