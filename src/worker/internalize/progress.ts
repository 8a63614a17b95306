/** Live figures of the running stage, stored for the admin API and the CLI. */
import type { JobObject } from '../../openai/fine-tuning.ts'
import { progressSnapshot } from '../../core/internalization/internalization.ts'
import type { StageProgress } from '../../core/internalization/stage-progress.ts'
import type { Engine } from '../../engine/engine.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../../store/json-snapshot.ts'
import type { Store } from '../../store/store.ts'
import type { StageContext } from './train.ts'

export const reportProgress = async (
  deps: { store: Store; now: () => number },
  engine: Engine,
  context: StageContext,
  job: JobObject
): Promise<void> => {
  const progress: StageProgress = {
    arm: context.arm,
    stage: context.stage,
    jobId: job.id,
    status: job.status,
    ...(await engine.jobProgress(job.id)),
    at: deps.now(),
  }
  await saveJsonSnapshot(deps.store, progressSnapshot(context.internalization.id), progress)
}

export const readProgress = (
  store: Store,
  internalizationId: string
): Promise<StageProgress | null> => readJsonSnapshot(store, progressSnapshot(internalizationId))
