#!/bin/sh
# ENGINE_TRAIN_COMMAND=deploy/training/kubernetes.sh: a training as a Job of Kubernetes, on a volume that the engine
# mounts too (docs/gpu.md). Edit image and claim.
remove() { kubectl delete job "$PROMPTINTERN_RUN" --ignore-not-found --wait; }
remove
trap 'remove; exit 143' TERM
kubectl create -f - <<JOB
apiVersion: batch/v1
kind: Job
metadata: { name: $PROMPTINTERN_RUN }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: trainer
          image: registry.example.com/promptintern-trainer
          command: [python, "$PROMPTINTERN_TRAINER/train.py", "$PROMPTINTERN_TASK", "$PROMPTINTERN_REPORT"]
          resources: { limits: { nvidia.com/gpu: 1 } }
          volumeMounts: [{ name: data, mountPath: /promptintern }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: promptintern } }]
JOB
# it waits for one condition, so two of them wait
kubectl wait --for=condition=failed --timeout=24h "job/$PROMPTINTERN_RUN" >/dev/null && kill $$ &
kubectl wait --for=condition=complete --timeout=24h "job/$PROMPTINTERN_RUN" &
wait $!
