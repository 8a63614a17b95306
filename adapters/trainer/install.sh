#!/usr/bin/env bash
# Makes .venv with what pyproject.toml asks for, tests included. Needs nothing but a Python with venv
# and pip, of any version: PYTHON names it.
set -euo pipefail
cd "$(dirname "$0")"
python="${PYTHON:-python3}"

command -v "$python" >/dev/null || { echo "there is no $python" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  { echo "$("$python" --version) is too old: the engine needs Python 3.10" >&2; exit 1; }
"$python" -m venv .venv
# pip below 25.1 reads no dependency groups
.venv/bin/python - >.venv/requirements.txt <<'PYTHON'
try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
print("\n".join(project["project"]["dependencies"] + project["dependency-groups"]["dev"]))
PYTHON
.venv/bin/python -m pip install --quiet --requirement .venv/requirements.txt
