#!/usr/bin/env bash
# Tests of the trainer by pytest. Without a Python that has its packages it says why it runs none.
set -euo pipefail
cd "$(dirname "$0")/../.."
PACKAGES=torch,transformers,peft,safetensors,pytest,xdist
python="${ENGINE_PYTHON:-adapters/trainer/.venv/bin/python}"

run_none() {
  echo "test:python runs nothing: $1 (docs/gpu.md says how to install it)"
  exit 0
}

command -v "$python" >/dev/null || run_none "no Python at $python"
imports=$("$python" -c "import $PACKAGES" 2>&1) ||
  run_none "${imports##*$'\n'}"

# models this tiny gain nothing from threads; two tests at a time do
OMP_NUM_THREADS=1 "$python" -m pytest --quiet --numprocesses 2 adapters/trainer/tests
