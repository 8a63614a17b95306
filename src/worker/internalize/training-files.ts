/**
 * The engine's copies of logged text: files of training rows. Named after their internalization,
 * so that they are found again, also those whose job was never created.
 */
import type { Internalization } from '../../core/lifecycle/internalization.ts'
import type { Engine } from '../../engine/engine.ts'
import { toAppError, type ErrorCode } from '../../errors.ts'
import { isUnfinished } from '../../openai/fine-tuning.ts'

export const trainingFileName = (
  { internalization, arm, stage }: { internalization: { id: string }; arm: number; stage: number },
  part: 'train' | 'valid'
): string => `${internalization.id}-${arm}-${stage}-${part}.jsonl`

/** @returns null for a file that is none of ours */
const internalizationOf = (filename: string): string | null =>
  /^(.+)-\d+-\d+-(?:train|valid)\.jsonl$/.exec(filename)?.[1] ?? null

/** @param codes of refusals that are no failure here */
const unless = async (codes: ErrorCode[], request: Promise<unknown>): Promise<void> => {
  try {
    await request
  } catch (error) {
    if (!codes.includes(toAppError(error).code)) throw error
  }
}

const filesOf = async (engine: Engine, ids: Set<string>): Promise<string[]> =>
  (await engine.files())
    .filter(({ filename }) => ids.has(internalizationOf(filename) ?? ''))
    .map(({ id }) => id)

/**
 * Stops what still trains on them, and deletes their files and checkpoints, the loras that are named,
 * and those of jobs whose end nobody noted: nobody could name them.
 * @param noted every lora that an internalization knows
 */
export const deleteTrainingData = async (
  engine: Engine,
  internalizations: string[],
  { named, noted }: { named: string[]; noted: Set<string> }
): Promise<void> => {
  const unwanted = new Set(named)
  for (const internalization_id of internalizations) {
    for (const job of (await engine.findJobs({ internalization_id })).filter(isUnfinished))
      // one that was quicker has ended, too
      await unless(['conflict'], engine.cancelJob(job.id))
    for (const { fine_tuned_model: lora } of await engine.findJobs({ internalization_id }))
      if (lora !== null && !noted.has(lora)) unwanted.add(lora)
  }
  for (const file of await filesOf(engine, new Set(internalizations)))
    await unless(['not-found'], engine.deleteFile(file))
  for (const lora of unwanted) await unless(['not-found'], engine.deleteModel(lora))
}

/**
 * Files are read by jobs alone: what trains no more needs none. Those of internalizations that this
 * store does not know belong to somebody else.
 */
export const pruneTrainingFiles = async (
  engine: Engine,
  internalizations: Internalization[]
): Promise<void> => {
  const ended = internalizations.filter(({ state }) => state.name !== 'training')
  const files = await filesOf(engine, new Set(ended.map(({ id }) => id)))
  // a job that goes on although its internalization has ended keeps its file until it has ended, too
  for (const file of files) await unless(['not-found', 'conflict'], engine.deleteFile(file))
}
