"""The commands, their arguments, and what they exit with.

    0  done, and nothing is wrong
    1  verify found problems, or the database is damaged
    2  the arguments are wrong
    3  it could not be done: no database there, no room, something in the way, …

Errors are one line on the standard error, never a traceback; results go to the standard output.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from eventdb import __version__
from eventdb.errors import DataCorrupted, Error
from eventdb.shell import commands

OK, WRONG, USAGE, FAILED = 0, 1, 2, 3
_INTERRUPTED = 130
_CODES = "exit codes: 0 done, nothing wrong; 1 problems or damage found; 2 wrong arguments; 3 it could not be done"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = _parser()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    try:
        given = parser.parse_args(arguments)
        _check_together(parser, given)
        code: int = given.run(given)
        sys.stdout.flush()
        return code
    except SystemExit as ended:  # argparse: help, or wrong arguments
        return ended.code if isinstance(ended.code, int) else USAGE
    except DataCorrupted as error:
        return _said(error, WRONG)
    except Error as error:
        return _said(error, FAILED)
    except BrokenPipeError:  # whoever read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        print(f"eventdb: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("eventdb: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _check_together(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuse an option that would mean nothing beside the others."""
    if given.run is commands.verify and given.public_key and not given.digest:
        parser.error("argument --public-key: needs a digest to check: --digest")
    if given.run is commands.proof and given.body and given.since is not None:
        parser.error("argument --body: not allowed with argument --since")


def _said(error: Error, code: int) -> int:
    hint = f" ({error.hint})" if error.hint else ""
    print(f"eventdb: {' '.join(error.message.split())}{hint}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="eventdb", description="Look after eventdb databases.", epilog=_CODES)
    parser.add_argument("--version", action="version", version=f"eventdb {__version__}")
    several = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, does: str, run: object) -> argparse.ArgumentParser:
        made = several.add_parser(name, help=does, description=does, epilog=_CODES)
        made.set_defaults(run=run)
        return made

    one = command("verify", "check log, state, snapshots, indexes and constraints of a database", commands.verify)
    _path(one)
    one.add_argument("--digest", action="append", default=[], metavar="FILE", help="a digest kept elsewhere; may be given several times")
    one.add_argument("--public-key", metavar="FILE", help="each digest must be signed with the key to this one (PEM)")
    one.add_argument("--json", action="store_true", help="the report as JSON")
    one = command("digest", "a small JSON value that stands for the log, to be kept elsewhere", commands.digest)
    _path(one)
    one.add_argument("--transaction", type=int, metavar="N", help="up to this transaction instead of the newest")
    one.add_argument("--sign", metavar="FILE", help="sign it with this private key (PEM, Ed25519)")
    _output(one)
    one = command("proof", "a proof that a transaction is in the log, or that the log goes on from an older digest", commands.proof)
    _path(one)
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("transaction", nargs="?", type=int, metavar="TRANSACTION", help="the transaction's number")
    what.add_argument("--since", metavar="FILE", help="a digest: prove that the log only went on from there")
    one.add_argument("--digest", metavar="FILE", help="the digest to prove it against (one of now if not given)")
    one.add_argument("--body", action="store_true", help="with what the transaction did")
    _output(one)
    one = command("backup", "bring a backup up to now, or begin one; the database may be in use", commands.backup)
    _path(one)
    one.add_argument("target", metavar="TARGET", help="the backup's directory, itself a database")
    one = command("restore", "a new database from a database or backup, as it stood at a moment", commands.restore)
    one.add_argument("source", metavar="SOURCE", help="a database or a backup")
    _target(one)
    one.add_argument("--to", metavar="MOMENT", help="a transaction number or a time (UTC where it says no zone); all if not given")
    one = command("export", "a whole database with its history to one compressed file", commands.export)
    _path(one)
    one.add_argument("file", metavar="FILE")
    one = command("import", "a database from an exported file, verified on the way", commands.import_)
    one.add_argument("file", metavar="FILE")
    _target(one)
    one = command("dump", "schema and rows as an SQL script", commands.dump)
    _path(one)
    one.add_argument("--as-of", metavar="MOMENT", help="as it was then: a transaction number or a time (UTC where it says no zone)")
    _output(one)
    return parser


def _path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the database's directory")


def _target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="where the new database goes; nothing may be there")


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of the standard output")
