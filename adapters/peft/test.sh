#!/usr/bin/env bash
# Tests of the GPU engine: pytest, the contract suite against the real server, parity with the
# embedded engine, and the whole loop. Without a Python that has its packages it says why it runs none.
set -euo pipefail
cd "$(dirname "$0")/../.."
PACKAGES=torch,transformers,peft,jinja2,starlette,uvicorn,python_multipart,pytest,pytest_asyncio,xdist,httpx
export PEFT_PYTHON="${PEFT_PYTHON:-adapters/peft/.venv/bin/python}"

run_none() {
  echo "test:peft runs nothing: $1 (adapters/peft/README.md says how to install it)"
  exit 0
}

command -v "$PEFT_PYTHON" >/dev/null || run_none "no Python at $PEFT_PYTHON"
imports=$("$PEFT_PYTHON" -c "import $PACKAGES" 2>&1) ||
  run_none "${imports##*$'\n'}"

# models this tiny gain nothing from threads; two tests at a time do
OMP_NUM_THREADS=1 "$PEFT_PYTHON" -m pytest --quiet --numprocesses 2 adapters/peft/tests
npx vitest run test/e2e/contract/peft.test.ts test/e2e/contract/peft-parity.test.ts test/e2e/peft-loop.test.ts
