#!/usr/bin/env bash
# Makes .venv with the provider's SDK, as uv.lock pins it. Needs Python 3.11 or newer: PYTHON names it.
set -euo pipefail
cd "$(dirname "$0")"
python="${PYTHON:-python3}"

command -v "$python" >/dev/null || { echo "there is no $python" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "$("$python" --version) is too old: the SDK needs Python 3.11" >&2; exit 1; }
if command -v uv >/dev/null; then
  uv sync --quiet --frozen --python "$python"
else
  "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet 'numpy>=1.26' 'tinker==0.38.0'
fi
