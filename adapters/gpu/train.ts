/**
 * One training by `adapters/trainer`: renders rows to token ids, decides every default, gives both to it as a task, and
 * stores the PEFT folder that comes back. Knows nothing of serving.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as endOfTick } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { seededRandom } from '../../src/random.ts'
import type { TrainHooks, TrainResult } from '../host/backend.ts'
import { storageError, writeAtomically } from '../host/disk.ts'
import { resolveHyperparameters, type ResolvedHyperparameters } from '../lora/hyperparameters.ts'
import type { LoraTask } from '../lora/lora-backend.ts'
import { manifestOf, storeLora, WEIGHTS, writeStart } from '../lora/lora-file.ts'
import { createLoraLayout, initLora } from '../lora/lora-layout.ts'
import type { Loras } from '../lora/loras.ts'
import { batchesOf, startSeed, validationSample } from '../lora/schedule.ts'
import type { BaseModel } from '../model/open-model.ts'
import { PROBE, probeRows } from './probe.ts'
import type { RunTraining, Trained, TrainTask } from './train-command.ts'
import { studentRow, teacherRow } from '../text/chat-renderer.ts'
import { hashRows, rowLength, type TokenizedRow } from '../text/rows.ts'

/** How training computes; the trainer's task has the same names. */
export interface TrainingOptions {
  device: string
  dtype: 'float32' | 'bfloat16'
  four_bit: boolean
  /** tokens of one forward and backward pass */
  max_tokens: number
  checkpoint_seconds: number
  /** of the CPU; null is torch's choice */
  threads: number | null
  /** of the GPU's memory */
  memory_share: number
}

export interface TrainDeps {
  base: BaseModel
  modelPath: string
  loras: Loras
  run: RunTraining
  options: TrainingOptions
}

interface TaughtRow extends TokenizedRow {
  teacherPromptIds?: number[]
}

/** Everything about a job that is decided before its first step. */
interface Plan {
  rows: TaughtRow[]
  validationRows: TokenizedRow[]
  hyperparameters: ResolvedHyperparameters
  dataHash: string
}

const [OUTPUT, ROWS, VALIDATION_ROWS] = ['output', 'rows.jsonl', 'validation.jsonl'] as const
const OPTIMIZER = 'optimizer.safetensors'

const startFolder = ({ checkpointDir }: LoraTask): string => join(checkpointDir, 'start')

/** What training computes in. */
const placementOf = ({ dtype, four_bit }: TrainingOptions): string =>
  four_bit ? `${dtype} 4-bit` : dtype

/** Rows rendered in one tick of the event loop, so that requests are served in between. */
const ROWS_PER_TICK = 32

const inTicks = async <Row>(
  rows: TrainingRow[],
  render: (row: TrainingRow) => Row
): Promise<Row[]> => {
  const rendered: Row[] = []
  for (const [index, row] of rows.entries()) {
    if (index % ROWS_PER_TICK === 0) await endOfTick()
    rendered.push(render(row))
  }
  return rendered
}

/** @throws AppError `invalid-request` where the template ends an answer differently behind the two prompts */
const taughtRow = (base: BaseModel, row: TrainingRow): TaughtRow => {
  const student = studentRow(base.chat, row)
  const teacher = teacherRow(base.chat, row)
  if (teacher.completionIds.join() !== student.completionIds.join())
    throw new AppError(
      'invalid-request',
      'the chat template renders an answer differently behind the whole prompt'
    )
  return { ...student, teacherPromptIds: teacher.promptIds }
}

const hashTaught = (rows: TaughtRow[]): string => {
  const read = rows.map((row) => ({ ...row, promptIds: row.teacherPromptIds ?? [] }))
  return createHash('sha256')
    .update(`${hashRows(rows)}\n${hashRows(read)}`)
    .digest('hex')
}

/** @throws AppError `invalid-request` where a row or a hyperparameter does not fit the model */
const plan = async (
  { base }: TrainDeps,
  task: LoraTask,
  start: { rank: number; alpha: number } | null
): Promise<Plan> => {
  const { chat, parameters } = base
  const isTaught = task.method === 'self-distillation'
  const rows: TaughtRow[] = await inTicks(task.rows, (row) =>
    isTaught ? taughtRow(base, row) : studentRow(chat, row)
  )
  const validationRows = await inTicks(task.validationRows, (row) => studentRow(chat, row))
  return {
    rows,
    validationRows: validationSample(validationRows, task.seed),
    hyperparameters: resolveHyperparameters(task.hyperparameters, {
      rows: rows.length,
      parameters,
      start,
    }),
    dataHash: isTaught ? hashTaught(rows) : hashRows(rows),
  }
}

const writeRows = async (path: string, rows: TaughtRow[]): Promise<void> => {
  const lines = rows.map(
    ({ promptIds, completionIds, weight, teacherPromptIds }) =>
      `${JSON.stringify({
        prompt_ids: promptIds,
        completion_ids: completionIds,
        weight,
        teacher_prompt_ids: teacherPromptIds,
      })}\n`
  )
  await pipeline(Readable.from(lines), createWriteStream(path, { flush: true }))
}

/** Tasks with equal identities compute the same lora. */
const identityOf = ({ base, options }: TrainDeps, task: LoraTask, planned: Plan): string => {
  const { hyperparameters, dataHash } = planned
  const placement = placementOf(options)
  const facts = [base.fingerprint, hyperparameters, task.seed, dataHash, task.lora, placement]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}

/** The trainer's fields that come from the schedule. */
const scheduleOf = ({ rows, hyperparameters }: Plan, seed: number) => {
  const { learning_rate, weight_decay, warmup_ratio, schedule_span } = hyperparameters
  const { total_steps, max_seconds } = hyperparameters
  return {
    batches: batchesOf(rows.map(rowLength), hyperparameters, seed),
    total_steps,
    max_seconds,
    learning_rate,
    weight_decay,
    warmup_ratio,
    schedule_span,
  }
}

const contentOf = (deps: TrainDeps, task: LoraTask, planned: Plan, identity: string) => {
  const { base, modelPath, loras, options } = deps
  const path = (...names: string[]) => join(task.checkpointDir, ...names)
  return {
    model_path: modelPath,
    start: task.lora === null ? startFolder(task) : loras.path(task.lora),
    output: path(OUTPUT),
    checkpoint_dir: path(),
    rows_file: path(ROWS),
    validation_rows_file: path(VALIDATION_ROWS),
    identity,
    ...scheduleOf(planned, task.seed),
    seed: task.seed,
    probes: probeRows(base.chat).map(({ promptIds, completionIds }) => ({
      prompt_ids: promptIds,
      completion_ids: completionIds,
    })),
    ...options,
  }
}

/**
 * Writes what training begins with, the rows, and the task last. One that is there already
 * stays as it is, because a trainer on another machine may be reading it.
 * @throws AppError `store-unavailable`
 */
const writeTask = async (deps: TrainDeps, task: LoraTask, planned: Plan): Promise<TrainTask> => {
  const { rows, validationRows, hyperparameters } = planned
  const folder = task.checkpointDir
  const file = join(folder, 'task.json')
  const identity = identityOf(deps, task, planned)
  const content = JSON.stringify(contentOf(deps, task, planned, identity))
  try {
    if ((await readFile(file, 'utf8').catch(() => null)) === content) return { file, identity }
    await mkdir(folder, { recursive: true })
    if (task.lora === null) {
      const layout = createLoraLayout(deps.base.config, hyperparameters.rank, hyperparameters.alpha)
      const theta = initLora(layout, seededRandom(startSeed(task.seed)))
      await writeStart(startFolder(task), layout, theta)
    }
    await writeRows(join(folder, ROWS), rows)
    await writeRows(join(folder, VALIDATION_ROWS), validationRows)
    await writeAtomically(file, content)
  } catch (cause) {
    throw storageError(`${folder} cannot be written`, cause)
  }
  return { file, identity }
}

const writeProbe = (deps: TrainDeps, folder: string, { probe }: Trained): Promise<void> => {
  const rows = probeRows(deps.base.chat)
  const content = {
    prompt_ids: rows[0]!.promptIds,
    completions: rows.map(({ completionIds }) => completionIds),
    ...probe,
    placement: placementOf(deps.options),
  }
  return writeAtomically(join(folder, PROBE), `${JSON.stringify(content)}\n`)
}

/**
 * Trains, from the checkpoint where there is one, and stores the lora.
 * @throws AppError `invalid-request`, `context-length-exceeded`, `store-unavailable`, and as `RunTraining`
 */
export const trainByCommand = async (
  deps: TrainDeps,
  task: LoraTask,
  hooks: TrainHooks
): Promise<TrainResult> => {
  const { base, loras, run } = deps
  const start = task.lora === null ? null : (await loras.read(task.lora)).layout
  const planned = await plan(deps, task, start)
  const output = join(task.checkpointDir, OUTPUT)
  const trained = await run(await writeTask(deps, task, planned), hooks)
  const { hyperparameters, dataHash } = planned
  const model = await storeLora(
    loras.path('.'),
    {
      rank: hyperparameters.rank,
      alpha: hyperparameters.alpha,
      manifest: manifestOf(base, { ...task, dataHash, hyperparameters }),
      weights: await readFile(join(output, WEIGHTS)),
    },
    async (folder) => {
      // a later stage goes on with it
      if (hyperparameters.schedule_span[1] < 1)
        await copyFile(join(output, OPTIMIZER), join(folder, OPTIMIZER))
      await writeProbe(deps, folder, trained)
    }
  )
  return { model, trainedTokens: trained.trained_tokens, metrics: trained.metrics }
}
