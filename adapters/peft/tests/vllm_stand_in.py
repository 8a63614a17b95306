"""
Stands in for `vllm serve`: the part of its API that the engine uses, computed by transformers and
PEFT on a tiny model. `STAND_IN_FOLDER` has `faults.json`, read anew each time, and gets `calls`.

Faults: `start` (`exit`, `hang`), `die_after` (tokens of all answers), `load` (`fail`, `ignore`: the
lora is not applied, `ending`: whatever computes is gone), `sleep` and `wake` (`fail`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

FOLDER = Path(os.environ.get("STAND_IN_FOLDER", "/nonexistent"))


def fault(name: str) -> Any:
    try:
        return json.loads((FOLDER / "faults.json").read_text()).get(name)
    except OSError:
        return None


def note(call: str) -> None:
    if FOLDER.is_dir():
        with (FOLDER / "calls").open("a") as file:
            file.write(f"{call}\n")


def arguments() -> argparse.Namespace:
    """Only what the engine gives; anything else is an error, as it is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    for name in ("served-model-name", "uds", "dtype", "generation-config"):
        parser.add_argument(f"--{name}", required=True)
    for name in (
        "max-model-len",
        "max-num-batched-tokens",
        "max-loras",
        "max-cpu-loras",
        "max-lora-rank",
    ):
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--lora-target-modules", required=True, nargs="+")
    parser.add_argument("--gpu-memory-utilization", required=True, type=float)
    for name in (
        "enable-lora",
        "enable-prefix-caching",
        "enable-sleep-mode",
        "disable-uvicorn-access-log",
    ):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    note("start")
    if fault("start") == "exit":
        sys.exit("ValueError: No available memory for the cache blocks.")
    if fault("start") == "hang":
        time.sleep(3600)
    import uvicorn

    from vllm_stand_in_app import create_app

    app = create_app(options, os.environ["VLLM_API_KEY"], fault, note)
    uvicorn.run(app, uds=options.uds, log_level="warning")


if __name__ == "__main__":
    main()
