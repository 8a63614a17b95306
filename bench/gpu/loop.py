"""
The whole loop on one task: traffic through the proxy, detection, training and serving by the
running engine, the gate, fresh test rows. `bench/task.ts` does it; this starts it and takes its
figures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpu.report import Figure, Figures
from gpu.server import Engine

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 6 * 3600


class LoopFailed(Exception):
    """With the reason."""


def run_loop(engine: Engine, task: Path, folder: Path, rest: Sequence[str]) -> Figures:
    """`rest` are further options of `bench:task`. Raises LoopFailed."""
    if shutil.which("npm") is None or not (ROOT / "node_modules").exists():
        raise LoopFailed("there is no Node with the project's packages; run `npm ci`")
    out = folder / "loop.json"
    given = ["--task", str(task.resolve()), "--engine-url", engine.base_url, "--out", str(out)]
    run = subprocess.run(
        ["npm", "run", "--silent", "bench:task", "--", *given, *rest],
        cwd=ROOT,
        env={**os.environ, "ENGINE_TOKEN": engine.token},
        stdout=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    # it saves what it has before it compares
    if not out.exists():
        raise LoopFailed(f"`npm run bench:task` ended with {run.returncode} and left no figures")
    figures = json.loads(out.read_text("utf-8"))["figures"]
    # its bars are the embedded engine's
    return {
        name: replace(Figure(**figure), bar=None, holds=None) for name, figure in figures.items()
    }
