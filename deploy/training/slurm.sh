#!/bin/sh
# ENGINE_TRAIN_COMMAND=deploy/training/slurm.sh: a training as a job of Slurm (docs/gpu.md). Edit the Python.
# singleton lets one job of a name run at a time, so a job that an engine has left ends first
scancel --quiet --name "$PROMPTINTERN_RUN"
trap 'scancel --quiet --name "$PROMPTINTERN_RUN"; exit 143' TERM
sbatch --wait --quiet --job-name "$PROMPTINTERN_RUN" --dependency=singleton --gpus 1 --time 4:00:00 \
  --output "$(dirname "$PROMPTINTERN_TASK")/slurm.log" --wrap \
  "exec /srv/trainer/bin/python '$PROMPTINTERN_TRAINER/train.py' '$PROMPTINTERN_TASK' '$PROMPTINTERN_REPORT'" &
wait $!
