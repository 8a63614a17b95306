#!/usr/bin/env bash
# The GPU engine measured on this machine: contract suite, training against TRL, serving, the whole
# loop. `bench/gpu.sh --help` has the options, adapters/peft/README.md says what the figures are.
# PEFT_PYTHON names a Python that has the packages; without it they are installed beside the engine.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
engine="$root/adapters/peft"
python="${PEFT_PYTHON:-$engine/.venv/bin/python}"

install_packages() {
  if command -v uv >/dev/null; then
    uv sync --project "$engine" --locked --group bench
  else
    python3 -m venv "$engine/.venv"
    "$engine/.venv/bin/pip" install 'pip>=25.1'
    "$engine/.venv/bin/pip" install --group "$engine/pyproject.toml:bench" \
      'torch>=2.9' 'transformers>=4.57,<6' 'peft>=0.18,<1' safetensors tokenizers jinja2 \
      starlette uvicorn pydantic python-multipart
  fi
}

[[ -n "${PEFT_PYTHON:-}" || -x "$python" ]] || install_packages >&2
PYTHONPATH="$root/bench:$engine${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m gpu "$@"
