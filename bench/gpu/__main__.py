"""
`bench/gpu.sh`: every part in turn, figures as JSON and as a table on stdout, progress on stderr. A
part that fails leaves the others going and is named in the JSON.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from gpu.options import parse_options


def main() -> int:
    options = parse_options(sys.argv[1:])
    if options.device == "cpu":
        # for the processes too, which look for themselves
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # torch takes seconds to load: a wrong option is told before
    from gpu.bench import Bench, BenchFailed
    from gpu.report import format_table

    with tempfile.TemporaryDirectory() as folder:
        try:
            bench = Bench(options, Path(folder))
        except BenchFailed as error:
            print(error, file=sys.stderr)
            return 2
        report = bench.run()
    print(format_table(report.figures))
    for note in report.notes:
        print(f"note: {note}")
    for part, reason in report.failures.items():
        print(f"failed: {part}: {reason}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
