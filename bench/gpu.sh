#!/usr/bin/env bash
# Everything to measure on one GPU that is lent for a short time, on a machine without a network: Node's
# modules, a Python with the trainer's packages, vLLM and model folders lie there already.
#
#   bench/gpu.sh --out <folder> --python <python> --vllm '<command>' --models <folder>[,<folder>…] [--task <folder>]
#   bench/gpu.sh --dry-run --out <folder> [--python <python>]      on a CPU, a tiny model, vLLM's stand-in
#   bench/gpu.sh --list
#
# Each part takes at most nine minutes and writes <out>/<part>.json, the format of all benches; one that is
# there is not run again. <out>/<part>.log has what a part said. A part that fails is told with its cause and
# leaves the others going; the exit status is 1 then. `--part a,b` runs only these.
set -euo pipefail
cd "$(dirname "$0")/.."

# name, seconds at most, what it answers
PARTS=(
  "check 180 what is broken: driver, torch, attention, vLLM, training, proof, an answer"
  "training 540 tokens a second and share of the peak, each model"
  "serving 540 latency and throughput of the base and of a lora"
  "tests 540 the trainer's tests, with those that need a GPU"
  "contract 540 the contract suite"
  "loop 540 the whole loop of a task"
  "crash 540 kills"
)

usage() {
  sed -n '2,12s/^# \{0,1\}//p' "$0"
}

out='' python="${ENGINE_PYTHON:-python3}" vllm="${VLLM_COMMAND:-}" models='' task='' only='' dry=''
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out="$2"; shift ;;
    --python) python="$2"; shift ;;
    --vllm) vllm="$2"; shift ;;
    --models) models="$2"; shift ;;
    --task) task="$2"; shift ;;
    --part) only=",$2,"; shift ;;
    --dry-run) dry=--dry-run ;;
    --list) printf '%s\n' "${PARTS[@]}"; exit ;;
    --help) usage; exit ;;
    *) echo "unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
[ -n "$out" ] || { echo "--out is needed" >&2; exit 2; }
[ -n "$dry$models" ] || { echo "--models is needed, or --dry-run" >&2; exit 2; }
known=",$(printf '%s\n' "${PARTS[@]}" | cut -d' ' -f1 | paste -sd,),"
for name in ${only//,/ }; do
  [[ "$known" == *",$name,"* ]] || { echo "no part $name; --list shows them" >&2; exit 2; }
done
mkdir -p "$out"
export ENGINE_PYTHON="$python" VLLM_COMMAND="$vllm" HF_HUB_OFFLINE=1

# the whole process group ends with its time, so that no part leaves the GPU taken
run_part() {
  timeout --kill-after=20 "$2" node --import tsx bench/gpu.ts --part "$1" --out "$out/$1.new" \
    ${models:+--models "$models"} ${task:+--task "$task"} $dry >"$out/$1.log" 2>&1
}

status=0
for part in "${PARTS[@]}"; do
  read -r name limit _ <<<"$part"
  # a busy CPU takes its time
  [ -z "$dry" ] || limit=540
  [[ -z "$only" || "$only" == *",$name,"* ]] || continue
  if [ -s "$out/$name.json" ]; then
    echo "$name: is there"
    continue
  fi
  started=$SECONDS code=0
  run_part "$name" "$limit" || code=$?
  took="$((SECONDS - started)) s"
  if [ "$code" = 0 ]; then
    mv "$out/$name.new" "$out/$name.json"
    echo "$name: ok, $took"
  else
    status=1
    cause=$(grep -v '^ *at \|^$' "$out/$name.log" | tail -n 1)
    [ "$code" != 124 ] || cause="stopped after $limit s; $cause"
    echo "$name: failed, $took: $cause"
  fi
  # one line for each of the first part's checks
  [ "$name" != check ] || grep '^check ' "$out/$name.log" || true
done
exit $status
