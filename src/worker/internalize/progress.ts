/** Live figures of the running stage, stored for the admin API and the CLI. */
import type { JobObject } from '../../openai/fine-tuning.ts'
import { progressSnapshot } from '../../core/internalization/internalization.ts'
import type { JudgeProgress, StageProgress } from '../../core/internalization/stage-progress.ts'
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

/** @returns null before the judge is asked, or where there is none */
export const readJudgeProgress = async (
  store: Store,
  internalizationId: string
): Promise<JudgeProgress | null> => {
  const progress = await readJsonSnapshot<StageProgress | JudgeProgress>(
    store,
    progressSnapshot(internalizationId)
  )
  return progress !== null && 'compares' in progress ? progress : null
}
