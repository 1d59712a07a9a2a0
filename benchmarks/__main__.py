"""`python -m benchmarks [--rows N] [--quick] [--engines a,b] [--json FILE] [QUESTION …]`"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks import measure, report
from benchmarks.engines import ENGINES
from benchmarks.questions import all_questions


def main() -> int:
    questions = all_questions()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="eventdb beside its peers")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(question.name for question in questions))
    parser.add_argument("--rows", type=int, default=100_000, help="accounts in the table (default 100,000)")
    parser.add_argument("--quick", action="store_true", help="one round, fewer repetitions, 10,000 rows")
    parser.add_argument("--engines", default=",".join(kind.name for kind in ENGINES), help="which engines, separated by commas")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every sample to FILE")
    parser.add_argument("--directory", type=Path, help="where the databases are made (default: a temporary directory)")
    options = parser.parse_args()
    names = {question.name for question in questions}
    if unknown := set(options.questions) - names:
        parser.error(f"unknown question {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    if unknown := set(options.engines.split(",")) - {kind.name for kind in ENGINES}:
        parser.error(f"unknown engine {', '.join(sorted(unknown))}")
    if options.quick and options.rows == parser.get_default("rows"):
        options.rows = 10_000
    kinds = [kind for kind in ENGINES if kind.name in options.engines.split(",")]
    for package in ("duckdb", "pandas"):
        if find_spec(package) is None:
            parser.error(f"{package} is missing: pip install 'eventdb[benchmarks]'")
    chosen = [question for question in questions if not options.questions or question.name in options.questions]

    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="eventdb-benchmark-", dir=options.directory) as folder:
        results = measure.run(chosen, kinds, options.rows, Path(folder), options.quick, measure.stderr_progress())
    seconds = time.perf_counter() - started
    print(f"{options.rows:,} rows, {report.machine()}\n")
    print(report.table(results, kinds))
    print(f"{seconds:.0f} s")
    if options.json:
        report.write_json(options.json, results, kinds, options.rows, seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
