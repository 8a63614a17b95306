/**
 * The engine's copies of logged text: files of training rows. Their names hold the internalization's
 * id, so that files can be found even when a crash came before their job was created.
 */
import type { Internalization } from '../../core/internalization/internalization.ts'
import type { Engine } from '../../engine/engine.ts'
import { toAppError, type ErrorCode } from '../../errors.ts'
import { isUnfinished, type FileObject } from '../../openai/fine-tuning.ts'

export const trainingFileName = (
  { internalization, arm, stage }: { internalization: { id: string }; arm: number; stage: number },
  part: 'train' | 'valid'
): string => `${internalization.id}-${arm}-${stage}-${part}.jsonl`

/** @returns null for a file of another program */
const internalizationOf = (filename: string): string | null =>
  /^(.+)-\d+-\d+-(?:train|valid)\.jsonl$/.exec(filename)?.[1] ?? null

/** @param codes errors that are ignored */
const unless = async (codes: ErrorCode[], request: Promise<unknown>): Promise<void> => {
  try {
    await request
  } catch (error) {
    if (!codes.includes(toAppError(error).code)) throw error
  }
}

const filesOf = (files: FileObject[], ids: Set<string>): string[] =>
  files.filter(({ filename }) => ids.has(internalizationOf(filename) ?? '')).map(({ id }) => id)

/** Those that are gone already are no error. */
export const deleteLoras = async (engine: Engine, loras: Iterable<string>): Promise<void> => {
  for (const lora of loras) await unless(['not-found'], engine.deleteModel(lora))
}

/**
 * Cancels the jobs of the internalizations and deletes their files and checkpoints, the named loras,
 * and loras of their jobs that ended before an internalization recorded them.
 * @param noted all loras that internalizations have recorded
 */
export const deleteTrainingData = async (
  engine: Engine,
  internalizations: string[],
  { named, noted }: { named: string[]; noted: Set<string> }
): Promise<void> => {
  const unwanted = new Set(named)
  for (const internalization_id of internalizations) {
    for (const job of (await engine.findJobs({ internalization_id })).filter(isUnfinished))
      // a conflict: the job ended first
      await unless(['conflict'], engine.cancelJob(job.id))
    for (const { fine_tuned_model: lora } of await engine.findJobs({ internalization_id }))
      if (lora !== null && !noted.has(lora)) unwanted.add(lora)
  }
  for (const file of filesOf(await engine.files(), new Set(internalizations)))
    await unless(['not-found'], engine.deleteFile(file))
  await deleteLoras(engine, unwanted)
}

/**
 * Deletes the files of internalizations that are not in training. Files of internalizations that this
 * store does not have may belong to another proxy on the same engine, and are kept.
 * @param list read after the files: another worker may begin a training meanwhile
 */
export const pruneTrainingFiles = async (
  engine: Engine,
  list: () => Promise<Internalization[]>
): Promise<void> => {
  const present = await engine.files()
  const ended = (await list()).filter(({ state }) => state.name !== 'training')
  const files = filesOf(present, new Set(ended.map(({ id }) => id)))
  // a conflict: a job still reads the file although its internalization has ended
  for (const file of files) await unless(['not-found', 'conflict'], engine.deleteFile(file))
}
