"""The contract suite against the real server, where Node and the project's packages are at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gpu.report import Figure, Figures

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = "test/contract/peft.test.ts"
SECONDS = 3600


class SuiteFailed(Exception):
    """With the reason."""


@dataclass(frozen=True)
class SuiteResult:
    figures: Figures
    #: by test, with the reason
    failures: dict[str, str]
    #: names of tests
    skipped: list[str]


def run_suite(folder: Path) -> SuiteResult:
    """Raises SuiteFailed where no test ran."""
    if shutil.which("npx") is None or not (ROOT / "node_modules" / "vitest").exists():
        raise SuiteFailed("there is no Node with the project's packages; run `npm ci`")
    result = folder / "suite.json"
    command = ["npx", "vitest", "run", SUITE, "--reporter=json", f"--outputFile={result}"]
    # what fails is in the file
    subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PEFT_PYTHON": sys.executable},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    if not result.exists():
        raise SuiteFailed(f"`{' '.join(command[:4])}` left no result")
    return read_result(json.loads(result.read_text("utf-8")))


def read_result(result: dict) -> SuiteResult:
    """Of vitest's JSON reporter. Raises SuiteFailed where no test was carried out."""
    tests = [test for file in result["testResults"] for test in file["assertionResults"]]
    passed = [test for test in tests if test["status"] == "passed"]
    failed = [test for test in tests if test["status"] == "failed"]
    skipped = [test for test in tests if test["status"] not in ("passed", "failed")]
    if not passed and not failed:
        names = [name for test in tests for name in test["ancestorTitles"]]
        raise SuiteFailed(f"no test ran: {names[0] if names else 'the suite is empty'}")
    figures = {
        "contract_passed": Figure(float(len(passed)), "tests"),
        "contract_failed": Figure(float(len(failed)), "tests", bar="<= 0", holds=not failed),
        "contract_skipped": Figure(float(len(skipped)), "tests"),
    }
    failures = {test["fullName"]: _reason(test) for test in failed}
    return SuiteResult(figures, failures, [test["fullName"] for test in skipped])


def _reason(test: dict) -> str:
    messages = test.get("failureMessages") or ["no reason given"]
    return messages[0].splitlines()[0]
