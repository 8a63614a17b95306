#!/bin/sh
# ENGINE_TRAIN_COMMAND=deploy/training/skypilot.sh: a training as a managed job of SkyPilot (docs/gpu.md).
set -eu
cancel() { sky jobs cancel --name "$PROMPTINTERN_RUN" --yes || true; }
# one of an engine that was killed; the next goes on from its checkpoint
cancel
trap 'cancel; exit 143' TERM
sky jobs launch --name "$PROMPTINTERN_RUN" --yes \
  --env PROMPTINTERN_TRAINER="$PROMPTINTERN_TRAINER" \
  --env PROMPTINTERN_TASK="$PROMPTINTERN_TASK" \
  --env PROMPTINTERN_REPORT="$PROMPTINTERN_REPORT" \
  "$(dirname "$0")/skypilot.yaml" &
wait $!
