"""
The engine's training as it is, `train.py task.json`, with its shared-prefix packing or without:

    python -m gpu.engine_arm <task.json> packed|separate
"""

import runpy
import sys
from pathlib import Path

from engine import packing

TRAIN = Path(packing.__file__).resolve().parent.parent / "train.py"


def main() -> None:
    task, rows = sys.argv[1:]
    if rows == "separate":
        # no prefix is that long, so rows stand below each other
        packing.MIN_PREFIX_TOKENS = sys.maxsize
    sys.argv = [str(TRAIN), task]
    runpy.run_path(str(TRAIN), run_name="__main__")


if __name__ == "__main__":
    main()
