"""The command line: `eventdb` and `python -m eventdb`."""

from eventdb.shell.main import main

__all__ = ["main"]
