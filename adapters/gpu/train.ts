/**
 * One training by a process in Python: renders rows to token ids, decides every default, gives both to it
 * as a task, and stores the PEFT folder that comes back. Knows nothing of serving.
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
import type { TrainHooks, TrainResult } from '../host/backend.ts'
import { storageError, writeAtomically } from '../host/disk.ts'
import type { Launcher, LaunchTask, Trained } from '../launch/launcher.ts'
import { resolveHyperparameters, type ResolvedHyperparameters } from '../lora/hyperparameters.ts'
import type { LoraTask } from '../lora/lora-backend.ts'
import { manifestOf, storeLora, WEIGHTS } from '../lora/lora-file.ts'
import type { Loras } from '../lora/loras.ts'
import { batchesOf, replayedRows, validationSample } from '../lora/schedule.ts'
import type { BaseModel } from '../model/open-model.ts'
import { PROBE, probeRows } from '../publish/probe.ts'
import { studentRow, teacherRow } from '../text/render-rows.ts'
import {
  checkRows,
  hashRows,
  rowLength,
  totalLabelWeight,
  type TokenizedRow,
} from '../text/rows.ts'

export interface TrainDeps {
  base: BaseModel
  loras: Loras
  launcher: Launcher
  /** fields of the task that say how training computes */
  options: object
  /** what of them makes the lora another one; `placement` is as in a probe */
  computing: { placement: string; facts: unknown[] }
  /** share of a self-distillation's prompts that the teacher answers itself */
  replayShare: number
  /** the task's fields that name what training begins with */
  startOf(task: LoraTask, hyperparameters: ResolvedHyperparameters): object
  /** Writes it into the job's folder, which exists; absent where it is there. */
  writeStart?(task: LoraTask, hyperparameters: ResolvedHyperparameters): Promise<void>
  /** files of the output that stay beside the lora, where they are needed */
  besides(hyperparameters: ResolvedHyperparameters): string[]
  /** @throws AppError where the exported lora has other hyperparameters than the task */
  checkOutput?(output: string, hyperparameters: ResolvedHyperparameters): Promise<void>
}

interface TaughtRow extends TokenizedRow {
  teacherPromptIds?: number[]
}

/** Everything about a job that is decided before its first step. */
interface Plan {
  rows: TaughtRow[]
  validationRows: TokenizedRow[]
  replayed: number[]
  hyperparameters: ResolvedHyperparameters
  dataHash: string
}

const [OUTPUT, ROWS, VALIDATION_ROWS] = ['output', 'rows.jsonl', 'validation.jsonl'] as const

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
  if (row.teacher_messages === undefined)
    throw new AppError('invalid-request', 'self-distillation needs teacher_messages in every row')
  const student = studentRow(base.chat, row)
  const teacher = teacherRow(base.chat, row)
  if (teacher.completionIds.join() !== student.completionIds.join())
    throw new AppError(
      'invalid-request',
      'the chat template renders an answer differently behind the whole prompt'
    )
  return { ...student, teacherPromptIds: teacher.promptIds }
}

const hashTaught = (rows: TaughtRow[], replayShare: number): string => {
  const read = rows.map((row) => ({ ...row, promptIds: row.teacherPromptIds ?? [] }))
  return createHash('sha256')
    .update(`${hashRows(rows)}\n${hashRows(read)}\n${replayShare}`)
    .digest('hex')
}

/** @throws AppError `invalid-request`, `context-length-exceeded` */
const plan = async (
  { base, replayShare }: TrainDeps,
  task: LoraTask,
  start: { rank: number; alpha: number } | null
): Promise<Plan> => {
  const { chat, config, parameters } = base
  const isTaught = task.method === 'self-distillation'
  const rows: TaughtRow[] = await inTicks(task.rows, (row) =>
    isTaught ? taughtRow(base, row) : studentRow(chat, row)
  )
  if (rows.length === 0) throw new AppError('invalid-request', 'there are no rows to train on')
  const validationRows = await inTicks(task.validationRows, (row) => studentRow(chat, row))
  checkRows(rows, config)
  checkRows(validationRows, config)
  if (totalLabelWeight(rows) === 0)
    throw new AppError('invalid-request', 'all rows to train on have weight 0')
  const replayed = isTaught ? replayedRows(rows.length, replayShare, task.seed) : []
  const count = rows.length + replayed.length
  return {
    rows,
    validationRows: validationSample(validationRows, task.seed),
    replayed,
    hyperparameters: resolveHyperparameters(task.hyperparameters, {
      rows: count,
      parameters,
      start,
    }),
    dataHash: isTaught ? hashTaught(rows, replayShare) : hashRows(rows),
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
const identityOf = ({ base, computing }: TrainDeps, task: LoraTask, planned: Plan): string => {
  const { hyperparameters, dataHash } = planned
  const computed = [computing.placement, ...computing.facts]
  const facts = [base.fingerprint, hyperparameters, task.seed, dataHash, task.lora, ...computed]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}

/** The trainer's fields that come from the schedule. */
const scheduleOf = ({ rows, replayed, hyperparameters }: Plan, seed: number) => {
  // a replayed answer is about as long as the logged one
  const lengths = [...rows, ...replayed.map((row) => rows[row]!)].map(rowLength)
  const { learning_rate, weight_decay, warmup_ratio, schedule_span } = hyperparameters
  const { total_steps, max_seconds } = hyperparameters
  return {
    batches: batchesOf(lengths, hyperparameters, seed),
    total_steps,
    max_seconds,
    learning_rate,
    weight_decay,
    warmup_ratio,
    schedule_span,
  }
}

/** Paths are those of the machine that trains. */
const contentOf = (deps: TrainDeps, task: LoraTask, planned: Plan, identity: string) => {
  const { base, launcher, options } = deps
  const path = (...names: string[]) => launcher.seenAs(join(task.checkpointDir, ...names))
  return {
    ...deps.startOf(task, planned.hyperparameters),
    output: path(OUTPUT),
    checkpoint_dir: path(),
    rows_file: path(ROWS),
    validation_rows_file: path(VALIDATION_ROWS),
    identity,
    ...scheduleOf(planned, task.seed),
    seed: task.seed,
    eos_ids: base.tokenizer.eosIds,
    replayed_rows: planned.replayed,
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
const writeTask = async (deps: TrainDeps, task: LoraTask, planned: Plan): Promise<LaunchTask> => {
  const { rows, validationRows, hyperparameters } = planned
  const folder = task.checkpointDir
  const file = join(folder, 'task.json')
  const identity = identityOf(deps, task, planned)
  const content = JSON.stringify(contentOf(deps, task, planned, identity))
  try {
    if ((await readFile(file, 'utf8').catch(() => null)) === content) return { file, identity }
    await mkdir(folder, { recursive: true })
    await deps.writeStart?.(task, hyperparameters)
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
    placement: deps.computing.placement,
  }
  return writeAtomically(join(folder, PROBE), `${JSON.stringify(content)}\n`)
}

/**
 * Trains, from the checkpoint where there is one, and stores the lora.
 * @throws AppError `invalid-request`, `context-length-exceeded`, `store-unavailable`, and as `Launcher.run`
 */
export const trainByProcess = async (
  deps: TrainDeps,
  task: LoraTask,
  hooks: TrainHooks
): Promise<TrainResult> => {
  const { base, loras, launcher } = deps
  const start = task.lora === null ? null : (await loras.read(task.lora)).layout
  const planned = await plan(deps, task, start)
  const output = join(task.checkpointDir, OUTPUT)
  const trained = await launcher.run(await writeTask(deps, task, planned), hooks)
  const { hyperparameters, dataHash } = planned
  await deps.checkOutput?.(output, hyperparameters)
  const model = await storeLora(
    loras.path('.'),
    {
      rank: hyperparameters.rank,
      alpha: hyperparameters.alpha,
      manifest: manifestOf(base, { ...task, dataHash, hyperparameters }),
      weights: await readFile(join(output, WEIGHTS)),
    },
    async (folder) => {
      for (const name of deps.besides(hyperparameters))
        await copyFile(join(output, name), join(folder, name))
      await writeProbe(deps, folder, trained)
    }
  )
  return { model, trainedTokens: trained.trainedTokens, metrics: trained.metrics }
}
