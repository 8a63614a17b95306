#!/usr/bin/env bash
# Tests of the trainer by pytest. Without its Python it says so and runs none.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${ENGINE_PYTHON:-adapters/trainer/.venv/bin/python}"

if ! command -v "$python" >/dev/null; then
  echo "test:python runs nothing: no Python at $python (docs/gpu.md says how to install it)"
  exit 0
fi

# models this tiny gain nothing from threads; two tests at a time do
OMP_NUM_THREADS=1 "$python" -m pytest --quiet --numprocesses 2 adapters/trainer/tests
