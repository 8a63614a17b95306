#!/usr/bin/env bash
# The GPU engine measured on this machine: contract suite, training against TRL, serving, the whole
# loop. `bench/gpu.sh --help` has the options, adapters/peft/README.md says what the figures are.
# `bench/gpu.sh --paper --engine-url <url> --task <folder>` asks the paper's questions at an engine that
# runs already, ENGINE_TOKEN is its token (docs/experiments/paper.md); it needs Node only.
# PEFT_PYTHON names a Python that has the packages; without it they are installed beside the engine,
# and with them vLLM, or another group of pyproject.toml that ENGINE_GROUP names, or none.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
engine="$root/adapters/peft"
if [[ "${1-}" == --paper ]]; then
  cd "$root"
  exec npm run bench:paper -- --part task --seeds 3 --matchings steps,time "${@:2}"
fi
group="${ENGINE_GROUP-vllm}"
python="${PEFT_PYTHON:-$engine/.venv/bin/python}"

install_packages() {
  local uv
  if ! uv="$(command -v uv)"; then
    python3 -m venv "$engine/.venv"
    "$engine/.venv/bin/pip" install uv
    uv="$engine/.venv/bin/uv"
  fi
  "$uv" sync --project "$engine" --locked --inexact --group bench \
    ${group:+--group "$group"}
}

[[ -n "${PEFT_PYTHON:-}" || -x "$python" ]] || install_packages >&2
PYTHONPATH="$root/bench:$engine${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m gpu "$@"
