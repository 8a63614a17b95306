/**
 * The process that trains one job, or computes losses until its parent ends it. After a crash, the
 * parent restarts it from the checkpoint. It ends when its parent has ended.
 */
import { readFile } from 'node:fs/promises'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { AppError, toAppError } from '../../src/errors.ts'
import type { TrainHooks, TrainResult } from '../host/backend.ts'
import { trainLabelHead, type HeadTask } from '../host/label-head/train-head.ts'
import type { ChildReport, ChildRequest, ChildSetup, HeadSetup } from './child-process.ts'
import type { LoraTask } from '../lora/lora-backend.ts'
import { openFieldEncoder } from './encoder/fields/field-encoder.ts'
import { openEncoder } from './encoder/sentence-encoder.ts'
import { trainFieldHead } from './field-heads/train-field-head.ts'
import { loadModel, type LoadedModel } from './load-model.ts'
import type { SoftTargets, TokenizedRow } from '../text/rows.ts'
import { manifestOf, readLora, writeLora } from '../lora/lora-file.ts'
import { readOptimizer, writeOptimizer } from './train/lora-optimizer.ts'
import { LossModel } from './train/loss-model.ts'
import { scoredRow, studentRow, teacherRow } from '../text/chat-renderer.ts'
import { trainLora, type TrainedLora } from './train/trainer.ts'
import { type FrozenModel, openFrozenModel } from './train/weights-file.ts'

interface OpenModel {
  model: LoadedModel
  frozen: FrozenModel
}

/** Ends this process when the parent has ended, as `disconnect` does. */
const report = (message: ChildReport): void =>
  void process.send?.(message, undefined, {}, (error) => {
    if (error) process.exit(1)
  })

/** @param call null for training */
const fail = (thrown: unknown, call: number | null = null): void => {
  const { code, message, param } = toAppError(thrown)
  report({ kind: 'failed', call, error: { code, message, param } })
}

const hooksOf = (signal: AbortSignal): TrainHooks => ({
  signal,
  onProgress: (progress) => report({ kind: 'progress', progress }),
  onMessage: (level, message) => report({ kind: 'message', level, message }),
})

const open = async ({ modelPath, precision, cacheDir }: ChildSetup): Promise<OpenModel> => {
  const model = await loadModel(modelPath, precision)
  return { model, frozen: await openFrozenModel(cacheDir, model) }
}

/**
 * Most probable tokens of the teacher at each token of an answer (top-k):
 * docs/decisions.md#self-distillation
 */
const TEACHER_TOKENS = 20
/** Rows between two lines of progress. */
const TEACHER_ROWS = 128

/** The base model's probabilities at each token of the answers, with the whole prompt. */
const askTeacher = async (
  { model, frozen }: OpenModel,
  { rows }: LoraTask,
  threads: number,
  hooks: TrainHooks
): Promise<SoftTargets[]> => {
  const width = Math.min(TEACHER_TOKENS, model.config.vocabSize)
  const teacher = new LossModel(frozen, { threads })
  const targets: SoftTargets[] = []
  try {
    while (targets.length < rows.length) {
      hooks.signal.throwIfAborted()
      const next = rows.slice(targets.length, targets.length + TEACHER_ROWS)
      const read = next.map((row) => teacherRow(model.chat, row))
      targets.push(...(await teacher.targetsOfRows(read, width)))
      hooks.onMessage('info', `the teacher has read ${targets.length} of ${rows.length} rows`)
    }
    return targets
  } finally {
    await teacher.close()
  }
}

const rowsToLearn = async (
  opened: OpenModel,
  task: LoraTask,
  threads: number,
  hooks: TrainHooks
): Promise<TokenizedRow[]> => {
  const rows = task.rows.map((row) => studentRow(opened.model.chat, row))
  if (task.method === 'supervised') return rows
  const targets = await askTeacher(opened, task, threads, hooks)
  return rows.map((row, index) => ({ ...row, targets: targets[index]! }))
}

/** Writes the lora, with the optimizer's state if a later stage continues the learning-rate curve. */
const store = async (
  setup: ChildSetup,
  model: LoadedModel,
  task: LoraTask,
  trained: TrainedLora
): Promise<TrainResult> => {
  const { layout, theta, optimizer, hyperparameters, dataHash } = trained
  const manifest = manifestOf(model, { ...task, dataHash, hyperparameters })
  const continues = hyperparameters.schedule_span[1] < 1
  const id = await writeLora(
    setup.lorasDir,
    { layout, theta, manifest },
    continues ? writeOptimizer(optimizer) : null
  )
  return { model: id, trainedTokens: trained.trainedTokens, metrics: trained.metrics }
}

const train = async (setup: ChildSetup, taskFile: string, signal: AbortSignal): Promise<void> => {
  // when cores are short, serving has priority
  setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL)
  const task = JSON.parse(await readFile(taskFile, 'utf8')) as LoraTask
  const opened = await open(setup)
  const { model, frozen } = opened
  const start = task.lora === null ? null : await readLora(join(setup.lorasDir, task.lora), model)
  const optimizer = start && (await readOptimizer(join(setup.lorasDir, start.id), start.layout))
  const hooks = hooksOf(signal)
  const trained = await trainLora(
    {
      model: frozen,
      rows: await rowsToLearn(opened, task, setup.threads, hooks),
      validationRows: task.validationRows.map((row) => studentRow(model.chat, row)),
      hyperparameters: task.hyperparameters,
      seed: task.seed,
      start: start && { layout: start.layout, theta: start.theta, optimizer },
      checkpointDir: task.checkpointDir,
    },
    hooks,
    { threads: setup.threads, checkpointSeconds: setup.checkpointSeconds }
  )
  report({ kind: 'trained', result: await store(setup, model, task, trained) })
}

/** The training of a head leaves the processor to answers. */
const trainHead = async (
  { encoderPath, headsDir, threads }: HeadSetup,
  { taskFile, kind }: Extract<ChildRequest, { kind: 'train-head' | 'train-field-head' }>,
  signal: AbortSignal
): Promise<void> => {
  setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL)
  const task = JSON.parse(await readFile(taskFile, 'utf8')) as HeadTask
  const hooks = hooksOf(signal)
  const result =
    kind === 'train-head'
      ? await trainLabelHead(task, hooks, {
          encoder: await openEncoder(encoderPath, { threads }),
          headsDir,
          now: () => performance.now(),
        })
      : await trainFieldHead(task, hooks, {
          encoder: openFieldEncoder(encoderPath),
          headsDir,
          threads,
        })
  report({ kind: 'trained', result })
}

const openForLosses = async (setup: ChildSetup) => {
  const { model, frozen } = await open(setup)
  return { model, losses: new LossModel(frozen, { threads: setup.threads }) }
}

let opening: ReturnType<typeof openForLosses> | undefined

const computeLosses = async (
  request: Extract<ChildRequest, { kind: 'loss' }>
): Promise<ChildReport> => {
  const { setup, call, lora: id, rows } = request
  opening ??= openForLosses(setup)
  const { model, losses } = await opening
  const lora = id === null ? null : await readLora(join(setup.lorasDir, id), model)
  const rendered = rows.map((row) => scoredRow(model.chat, row, lora === null))
  return { kind: 'losses', call, ...(await losses.lossOfRows(rendered, lora)) }
}

const abort = new AbortController()
/** Calls run one after another: a second session at the same time would double the memory. */
let lastCall: Promise<void> = Promise.resolve()

process.on('disconnect', () => process.exit(1))
process.on('message', (request: ChildRequest) => {
  const { signal } = abort
  switch (request.kind) {
    case 'train':
      train(request.setup, request.taskFile, signal).catch(fail)
      break
    case 'train-head':
    case 'train-field-head':
      trainHead(request.setup, request, signal).catch(fail)
      break
    case 'cancel':
      abort.abort(new AppError('client-closed', 'the training job was stopped'))
      break
    case 'loss':
      lastCall = lastCall
        .then(() => computeLosses(request))
        .then(report, (error: unknown) => fail(error, request.call))
  }
})
