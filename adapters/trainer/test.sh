#!/usr/bin/env bash
# Tests of the trainer and of the GPU engine: pytest, the contract suite, parity with the embedded engine, kills, and
# the whole loop. Without a Python that has its packages it says why it runs none.
set -euo pipefail
cd "$(dirname "$0")/../.."
PACKAGES=torch,transformers,peft,safetensors,pytest,xdist
export ENGINE_PYTHON="${ENGINE_PYTHON:-adapters/trainer/.venv/bin/python}"

run_none() {
  echo "test:gpu runs nothing: $1 (docs/gpu.md says how to install it)"
  exit 0
}

command -v "$ENGINE_PYTHON" >/dev/null || run_none "no Python at $ENGINE_PYTHON"
imports=$("$ENGINE_PYTHON" -c "import $PACKAGES" 2>&1) ||
  run_none "${imports##*$'\n'}"

# models this tiny gain nothing from threads; two tests at a time do
OMP_NUM_THREADS=1 "$ENGINE_PYTHON" -m pytest --quiet --numprocesses 2 adapters/trainer/tests
npx vitest run test/e2e/contract/gpu.test.ts test/e2e/contract/trainer-parity.test.ts test/e2e/gpu-loop.test.ts \
  test/e2e/gpu-process.test.ts test/e2e/launch/preempted.test.ts
