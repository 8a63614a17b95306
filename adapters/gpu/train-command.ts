/**
 * Runs one training by a command, which gets the task's file and ends when the task's output is whole: the trainer
 * here, or what an operator has in its place (ENGINE_TRAIN_COMMAND), such as a client of a cluster. What it tells comes
 * on its stdout, or in a report in the task's folder. Knows no models, rows and platforms.
 */
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, type ErrorCode } from '../../src/errors.ts'
import type { TrainingMetrics } from '../../src/openai/fine-tuning.ts'
import type { TrainHooks, TrainProgress } from '../host/backend.ts'
import { storageError } from '../host/disk.ts'
import type { Log } from '../host/log.ts'
import { type ProcessEnd, withRestarts } from '../lora/restarts.ts'
import { LeashedChild } from './leashed-child.ts'
import { isFields, parseJson } from '../../src/openai/fields.ts'

const SECRET =
  /^ENGINE_|(^|_)(KEY|TOKEN|SECRET|CREDENTIALS)(_|$)|PASSWORD|^(DATABASE|WEBHOOK)_URL$|^OTEL_/

/** Of a process that runs code of others, such as a trainer's packages: without this program's settings and secrets. */
const childEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !SECRET.test(name)))

/** What `adapters/trainer/train.py` is given. */
export interface TrainTask {
  /** `task.json`, in the folder of the job's checkpoints */
  file: string
  /** tasks with equal identities compute the same lora */
  identity: string
}

/** What the trainer tells at its end. */
export interface Trained {
  kind: 'trained'
  trained_tokens: number
  metrics: TrainingMetrics
  /** log-probabilities of the probes' completions, without the lora and with it */
  probe: { base: number[]; lora: number[] }
  /** of each file of the output */
  output_bytes: Record<string, number>
}

/**
 * Trains from the checkpoint where there is one; the task's `output` is whole when it resolves.
 * @throws AppError what training throws, and as `withRestarts`; the signal's reason
 */
export type RunTraining = (task: TrainTask, hooks: TrainHooks) => Promise<Trained>

const TIMES = {
  /** between two looks at the report */
  reportMs: 2_000,
  /** until what another machine has written is seen here: the report after a command that failed, and all files */
  failureMs: 30_000,
  settleMs: 5 * 60_000,
  /** without news in the report: a queue may be that long; a client that hangs is started again */
  silentMs: 24 * 3_600_000,
  /** from SIGTERM to SIGKILL: a step and its checkpoint, or the call that ends a run on a cluster */
  stopMs: 30_000,
}

export interface TrainCommand {
  /** of the operator, for a shell; null: the trainer here */
  command: string | null
  /** a Python with the trainer's packages */
  python: string
  /** `train.py` */
  script: string
  env: NodeJS.ProcessEnv
  log: Log
  times?: Partial<typeof TIMES>
}

type TrainerEnd =
  Trained | { kind: 'failed'; error: { code: ErrorCode; message: string }; transient: boolean }

type News =
  | ({ kind: 'progress' } & TrainProgress)
  | { kind: 'message'; level: 'info' | 'warn'; message: string }

/** `number` grows over all runs of a task that have a report. */
type TrainerLine = (TrainerEnd | News) & { number?: number }

/** Null for half a line of a process that was killed, and for what a library prints. */
const parseLine = (text: string): TrainerLine | null => {
  const value = parseJson(text)
  return isFields(value) && 'kind' in value ? (value as unknown as TrainerLine) : null
}

const isEnd = (line: TrainerLine): line is TrainerEnd & { number?: number } =>
  line.kind === 'trained' || line.kind === 'failed'

/** Tells the job what is no end. @returns the step that it has reached, 0 for a message */
const passOn = (line: News & { number?: number }, hooks: TrainHooks): number => {
  if (line.kind === 'message') {
    hooks.onMessage(line.level, line.message)
    return 0
  }
  const { kind: _, number: _number, ...progress } = line
  hooks.onProgress(progress)
  return progress.step
}

const resultOf = (end: TrainerEnd): { result: Trained } | { error: AppError } =>
  end.kind === 'trained'
    ? { result: end }
    : { error: new AppError(end.error.code, end.error.message) }

const readReport = async (file: string): Promise<Required<TrainerLine>[]> => {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .map(parseLine)
    .filter((line): line is Required<TrainerLine> => typeof line?.number === 'number')
}

const hasArrived = async (folder: string, bytes: Record<string, number>): Promise<boolean> => {
  const sizes = Object.keys(bytes).map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size === bytes[name],
      () => false
    )
  )
  return (await Promise.all(sizes)).every(Boolean)
}

const TRAINER_FILES = /\.py$|^pyproject\.toml$|^uv\.lock$/

const copyTrainer = async (from: string, to: string): Promise<void> => {
  try {
    await mkdir(to, { recursive: true })
    for (const name of await readdir(from))
      if (TRAINER_FILES.test(name)) await copyFile(join(from, name), join(to, name))
  } catch (cause) {
    throw storageError(`${to} cannot be written`, cause)
  }
}

const OK = 'exit code 0'
/** The command was not found, or may not be run. */
const NO_COMMAND = ['exit code 126', 'exit code 127']
const LAST_WORDS = 1000

/** A shell and the leash report a signal as an exit code. */
const endText = (how: string): string => {
  const code = Number(/^exit code (\d+)$/.exec(how)?.[1] ?? 0)
  return Object.entries(constants.signals).find(([, value]) => value === code - 128)?.[0] ?? how
}

/** One run of the command, from its start to its end. */
class Run {
  /** the last step that was told */
  private step = 0
  /** number of the last line of the report that was told, or that an earlier run has left */
  private seen = 0
  private hasBegun = false
  private end: TrainerEnd | null = null
  /** by the monotonic clock: of the last line, and of the end that was told */
  private heardAt = performance.now()
  private readonly times: typeof TIMES
  private readonly folder: string
  private readonly name: string
  private readonly report: string

  constructor(
    private readonly command: TrainCommand,
    private readonly task: TrainTask,
    private readonly hooks: TrainHooks
  ) {
    this.times = { ...TIMES, ...command.times }
    this.folder = dirname(task.file)
    const hash = createHash('sha256').update(`${task.file}\n${task.identity}`).digest('hex')
    this.name = `promptintern-${hash.slice(0, 12)}`
    this.report = join(this.folder, `${this.name}.jsonl`)
  }

  async toEnd(): Promise<ProcessEnd<Trained>> {
    const { signal } = this.hooks
    if (signal.aborted) return { died: 'it is not wanted', step: 0 }
    this.seen = (await readReport(this.report)).at(-1)?.number ?? 0
    const child = await this.start()
    const stop = (): void => void child.end(this.times.stopMs)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    let how: string
    try {
      while (!child.hasEnded) {
        await Promise.race([child.ended, this.pause()])
        await this.read()
        if (this.isHanging()) await child.end(this.times.stopMs)
      }
      how = await child.ended
    } finally {
      signal.removeEventListener('abort', stop)
    }
    if (signal.aborted) return { died: how, step: this.step }
    return this.outcome(how, child.lastWords().slice(-LAST_WORDS))
  }

  private async start(): Promise<LeashedChild> {
    const { command, python, script, env, log } = this.command
    const onLine = (text: string): void => {
      const line = parseLine(text)
      if (line !== null) this.take(line)
      else log(command === null ? 'warn' : 'debug', text, { from: 'training' })
    }
    if (command === null)
      return new LeashedChild([python, script, this.task.file], childEnvironment(env), onLine)
    // it goes with the task, so that both are of one version
    const trainer = join(this.folder, 'trainer')
    await copyTrainer(dirname(script), trainer)
    const own = Object.entries(env).filter(([name]) => !name.startsWith('ENGINE_'))
    const given = {
      ...Object.fromEntries(own),
      PROMPTINTERN_TASK: this.task.file,
      PROMPTINTERN_REPORT: this.report,
      PROMPTINTERN_TRAINER: trainer,
      PROMPTINTERN_RUN: this.name,
    }
    // the shell waits for what it runs, whose own trap may call a cluster
    const patient = `trap 'exit 143' TERM\n${command}`
    return new LeashedChild(['sh', '-c', patient], given, onLine, this.times.stopMs)
  }

  private async pause(): Promise<void> {
    const { signal } = this.hooks
    await delay(this.times.reportMs, undefined, { signal }).catch(() => undefined)
  }

  private async read(): Promise<void> {
    for (const line of await readReport(this.report)) this.take(line)
  }

  /** One that comes on stdout and in the report is told once. */
  private take(line: TrainerLine): void {
    if (line.number !== undefined && line.number <= this.seen) return
    this.seen = line.number ?? this.seen
    this.hasBegun = true
    this.heardAt = performance.now()
    const failed = this.end?.kind === 'failed' ? this.end : null
    if (failed !== null) this.hooks.onMessage('warn', `${failed.error.message}; it is run again`)
    this.end = isEnd(line) ? line : null
    if (!isEnd(line)) this.step = Math.max(this.step, passOn(line, this.hooks))
  }

  /** Without news, or after the end that it has told. */
  private isHanging(): boolean {
    const { settleMs, silentMs } = this.times
    return performance.now() - this.heardAt > (this.end?.kind === 'trained' ? settleMs : silentMs)
  }

  /** @returns whether it is so before the time is over or the job is cancelled */
  private async within(ms: number, isSo: () => Promise<boolean>): Promise<boolean> {
    const deadline = performance.now() + ms
    while (!(await isSo())) {
      if (performance.now() > deadline || this.hooks.signal.aborted) return false
      await this.pause()
    }
    return true
  }

  private async outcome(how: string, words: string): Promise<ProcessEnd<Trained>> {
    const isOwn = this.command.command === null
    const { settleMs, failureMs } = this.times
    if (!isOwn && !NO_COMMAND.includes(how))
      await this.within(how === OK ? settleMs : failureMs, () => this.hasEnd(how))
    const { end, step } = this
    const said = isOwn || words === '' ? endText(how) : `${endText(how)}; it said last: ${words}`
    if (end?.kind === 'failed')
      // nothing but the engine starts it again where the platform has given up
      return end.transient && !isOwn ? { died: end.error.message, step } : resultOf(end)
    if (end !== null) {
      const output = join(this.folder, 'output')
      if (await this.within(settleMs, () => hasArrived(output, end.output_bytes)))
        return resultOf(end)
      const text = `the trained lora has not arrived in ${output}: is the folder shared, and not full?`
      return { error: new AppError('store-unavailable', text) }
    }
    if (NO_COMMAND.includes(how))
      return { error: new AppError('invalid-config', `the trainer cannot be run: ${words}`) }
    // a wrong image, path or login would fail again
    if (!isOwn && !this.hasBegun && said.startsWith('exit code'))
      return {
        error: new AppError('engine-unavailable', `the command ended before training: ${said}`),
      }
    return { died: said, step }
  }

  /** @returns whether the trainer has told its end; an earlier run's counts where the command found nothing left to do */
  private async hasEnd(how: string): Promise<boolean> {
    await this.read()
    const last = (await readReport(this.report)).at(-1)
    if (how === OK && last?.kind === 'trained') this.end = last
    return this.end !== null
  }
}

/** What to do about a process that keeps dying; another try may have more memory. */
const OUT_OF_MEMORY =
  'SIGKILL is mostly the system’s, for want of memory: give it more, or use a smaller model'

export const createTraining =
  (command: TrainCommand): RunTraining =>
  (task, hooks) =>
    withRestarts(() => new Run(command, task, hooks).toEnd(), hooks, {
      code: 'engine-unavailable',
      advice: command.command === null ? OUT_OF_MEMORY : 'see what ENGINE_TRAIN_COMMAND says there',
    })
