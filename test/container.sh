#!/usr/bin/env bash
# Runs the steps of the Dockerfile in folders, for a Debian machine with Node and without a container
# builder: stages become folders, `/data` a folder of the last one. Then starts the command, waits until
# the proxy is ready, and stops it as a container is stopped. Needs the package index, as a build does.
set -euo pipefail
context=$(cd "$(dirname "$0")/.." && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
port=$(node -p 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close() }); ""' | tail -n 1)

stage=
workdir=
declare -A folders
command=

chown() { :; } # the image's user does not exist here

copy() {
  local from=$context
  if [[ $1 == --from=* ]]; then
    from=${folders[${1#--from=}]}
    shift
  fi
  local target="$stage$workdir/${*: -1}"
  for source in "${@:1:$#-1}"; do
    [[ ${*: -1} == ./ ]] && mkdir -p "$target" && cp -r "$from/${source#/}" "$target" && continue
    mkdir -p "$(dirname "$target")"
    cp -r "$from/${source#/}" "$target"
  done
}

step() {
  echo "--- $*" >&2
  local instruction=$1
  shift
  case $instruction in
    FROM)
      stage="$root/${3:-last}"
      folders[${3:-last}]=$stage
      mkdir -p "$stage"
      ;;
    WORKDIR) workdir=$1 && mkdir -p "$stage$workdir" ;;
    COPY) copy "$@" ;;
    ENV) for pair in "$@"; do export "${pair/=\/data/=$stage/data}"; done ;;
    RUN) (cd "$stage$workdir" && eval "${*//\/data/$stage/data}") ;;
    CMD) command=$* ;;
    USER | VOLUME | EXPOSE | HEALTHCHECK) ;;
    *) echo "unknown instruction $instruction" >&2 && exit 1 ;;
  esac
}

while read -r line; do
  [[ -z $line || $line == \#* ]] && continue
  # shellcheck disable=SC2086 # the words of an instruction
  set -f && step $line && set +f
done < "$context/Dockerfile"

export PORT=$port ADMIN_TOKEN=token-of-the-container ENGINE=onnx MODEL_PATH=$stage$workdir/models/tiny
cd "$stage$workdir"
mapfile -t words < <(node -p 'JSON.parse(process.argv[1]).join("\n")' "$command")
"${words[@]}" &
server=$!
for _ in $(seq 300); do
  curl -sf "http://127.0.0.1:$PORT/readyz" && break
  sleep 0.2
done
curl -sf "http://127.0.0.1:$PORT/readyz" > "$root/ready"
kill "$server"
wait "$server"
echo "the container's steps work: ready, and stopped with code 0"
