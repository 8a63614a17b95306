/**
 * Follows one task on a platform: submits a run, reads the report that the trainer writes into the shared
 * folder, and asks the platform only whether the run still is. Knows no platform.
 */
import { copyFile, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, toAppError } from '../../src/errors.ts'
import type { TrainHooks } from '../host/backend.ts'
import { storageError } from '../host/disk.ts'
import type { ProcessEnd } from '../lora/restarts.ts'
import type { Trained } from './launcher.ts'
import { isActive, type ManagedRuns, type RunStatus } from './managed-runs.ts'
import { type RunRecord, type RunRecords, runName } from './run-records.ts'
import {
  isEnd,
  parseLine,
  passOn,
  resultOf,
  type TrainerEnd,
  type TrainerLine,
} from './trainer-lines.ts'

/** Folders of this machine, and where the machine that trains sees them. */
export type SeenFolders = [here: string, there: string][]

export interface WatchTimes {
  /** between two looks at the report, ms */
  reportMs: number
  /** between two questions to the platform */
  statusMs: number
  /** until what another machine has written is seen here */
  settleMs: number
  /** without an answer of the platform and without news in the report */
  awayMs: number
}

export interface WatchOptions {
  runs: ManagedRuns
  dataDir: string
  seen: SeenFolders
  /** folder of `train.py`; it goes with the task, so that both are of one version */
  trainerFolder: string
  now: () => number
  times: WatchTimes
}

/** Failures that the platform restarts, without a further step, before the job fails. */
const MAX_FAILURES = 3

const TRAINER_FILES = /\.py$|^pyproject\.toml$|^uv\.lock$/

export const seenAs = (pairs: SeenFolders, path: string): string => {
  const full = resolve(path)
  for (const [here, there] of pairs) {
    const rest = relative(here, full)
    if (!rest.startsWith('..') && !isAbsolute(rest)) return join(there, rest)
  }
  return full
}

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

/** One attempt of one task, from where it stands to its end. */
export class Watch {
  /** the last that the report has */
  private step = 0
  /** what the job was told last of the platform */
  private told = ''
  private asked = -Infinity
  private status: RunStatus | null = null
  private endedAt: number | null = null
  /** of the platform's last answer, or of the report's last news */
  private heardAt: number
  private failures = 0
  /** an answer that comes later changes nothing */
  private isOver = false
  /** only its files are waited for; the platform has nothing more to say */
  private isTrained = false
  private readonly options: WatchOptions
  private readonly records: RunRecords
  private readonly record: RunRecord
  private readonly hooks: TrainHooks

  constructor(options: WatchOptions, records: RunRecords, record: RunRecord, hooks: TrainHooks) {
    this.options = options
    this.records = records
    this.record = record
    this.hooks = hooks
    this.heardAt = options.now()
  }

  /** The platform may take minutes to answer; the report is read meanwhile. */
  async toEnd(): Promise<ProcessEnd<Trained>> {
    const { signal } = this.hooks
    let asking: Promise<void> | null = null
    let answer: ProcessEnd<Trained> | null = null
    const question = async (): Promise<void> => {
      try {
        answer = await this.ask()
      } catch (error) {
        answer = { error: toAppError(error) }
      }
      asking = null
    }
    try {
      while (!signal.aborted) {
        const end: ProcessEnd<Trained> | null = (await this.read()) ?? answer
        if (end !== null) return end
        asking ??= question()
        await delay(this.options.times.reportMs, undefined, { signal }).catch(() => undefined)
      }
    } catch (error) {
      return { error: toAppError(error) }
    } finally {
      this.isOver = true
    }
    // the run goes on: an engine that starts again finds it, and that of a cancelled job is swept
    return { died: 'it is no longer watched', step: this.step }
  }

  private get name(): string {
    return runName(this.record)
  }

  private get folder(): string {
    return join(this.options.dataDir, dirname(this.record.file))
  }

  private get report(): string {
    return join(this.folder, `${this.record.key}.jsonl`)
  }

  private tell(level: 'info' | 'warn', text: string): void {
    if (text === this.told || this.isOver) return
    this.told = text
    this.hooks.onMessage(level, `${this.options.runs.platform}: ${text}`)
  }

  private async read(): Promise<ProcessEnd<Trained> | null> {
    const { record } = this
    const lines = await readReport(this.report)
    const last = lines.at(-1)
    if (last === undefined) return null
    // another file than the one that was read last
    if (last.number < record.seen) record.seen = 0
    const before = record.seen
    for (const line of lines) {
      if (line.number <= record.seen) continue
      if (isEnd(line) && !(line.kind === 'failed' && line.transient)) continue
      this.take(line)
      record.seen = line.number
    }
    if (record.seen > before) {
      this.heardAt = this.options.now()
      await this.records.save(record)
    }
    if (this.failures >= MAX_FAILURES) {
      const text = `the training failed ${this.failures} times without a further step: ${this.told}`
      return { error: new AppError('engine-unavailable', text) }
    }
    return isEnd(last) ? this.endOf(last) : null
  }

  private take(line: TrainerLine): void {
    if (isEnd(line)) {
      const { error } = line as TrainerEnd & { kind: 'failed' }
      this.failures++
      this.tell('warn', `${error.message}; it is run again`)
      return
    }
    const step = passOn(line, this.hooks) ?? this.step
    if (step > this.step) this.failures = 0
    this.step = Math.max(step, this.step)
  }

  private async endOf(end: TrainerEnd): Promise<ProcessEnd<Trained> | null> {
    if (end.kind === 'failed') return end.transient ? null : resultOf(end)
    const output = join(this.folder, 'output')
    if (await hasArrived(output, end.output_bytes)) return resultOf(end)
    this.isTrained = true
    this.endedAt ??= this.options.now()
    this.tell('info', 'trained; waiting for the lora to arrive')
    if (this.isSettling()) return null
    const text = `the trained lora has not arrived in ${output}: is the folder shared, and not full?`
    return { error: new AppError('store-unavailable', text) }
  }

  private isSettling(): boolean {
    const { now, times } = this.options
    return this.endedAt !== null && now() - this.endedAt < times.settleMs
  }

  private async ask(): Promise<ProcessEnd<Trained> | null> {
    const { now, runs, times } = this.options
    if (this.isTrained) return null
    if (now() - this.asked >= times.statusMs) {
      this.asked = now()
      try {
        this.status = await runs.status(this.name)
        this.heardAt = now()
        if (this.status === null) return await this.absent()
      } catch (error) {
        return this.away(toAppError(error))
      }
      const { state, detail } = this.status
      this.tell('info', `run ${this.name} is ${state} (${detail})`)
    }
    return this.status === null ? null : this.endedAs(this.status)
  }

  private async endedAs({ state, detail }: RunStatus): Promise<ProcessEnd<Trained> | null> {
    if (isActive(state)) return null
    this.endedAt ??= this.options.now()
    // the report may come later than the platform's word
    if (state !== 'lost' && this.isSettling()) return null
    const what = `${this.options.runs.platform}: run ${this.name} has ended (${detail})`
    if (state === 'stopped') return { error: new AppError('conflict', what) }
    if (state === 'lost') return this.died(what)
    const lines = await this.options.runs.lastLines(this.name).catch(() => '')
    const said = lines === '' ? what : `${what}; its last lines: ${lines}`
    // what never began has a wrong image, path or set-up, and would fail again
    if (this.record.seen === 0) return { error: new AppError('engine-unavailable', said) }
    return this.died(said)
  }

  /** The next attempt has another name, and goes on from the checkpoint. */
  private async died(what: string): Promise<ProcessEnd<Trained> | null> {
    if (this.isOver) return null
    this.record.attempt += 1
    this.record.submittedAt = null
    this.record.isSubmitted = false
    await this.records.save(this.record)
    return { died: what, step: this.step }
  }

  private async absent(): Promise<ProcessEnd<Trained> | null> {
    const { now, runs } = this.options
    const { isSubmitted, submittedAt } = this.record
    if (this.isOver) return null
    if (!isSubmitted || submittedAt === null) return this.submit()
    if (now() - submittedAt < runs.listedWithinMs) {
      this.tell('info', `run ${this.name} is submitted and not listed yet`)
      return null
    }
    return this.died(`${runs.platform} knows no run ${this.name} any more`)
  }

  private async submit(): Promise<ProcessEnd<Trained> | null> {
    const { now, runs, seen } = this.options
    const { signal } = this.hooks
    const trainer = join(this.folder, 'trainer')
    await copyTrainer(this.options.trainerFolder, trainer)
    // known before it is asked for
    this.record.submittedAt = now()
    this.record.isSubmitted = true
    await this.records.save(this.record)
    try {
      const env = {
        PROMPTINTERN_TRAINER: seenAs(seen, trainer),
        PROMPTINTERN_TASK: seenAs(seen, join(this.options.dataDir, this.record.file)),
        PROMPTINTERN_REPORT: seenAs(seen, this.report),
      }
      await runs.submit(this.name, env, signal)
    } catch (thrown) {
      // it may have been submitted; whether it was is asked later
      if (signal.aborted) return null
      this.record.isSubmitted = false
      await this.records.save(this.record)
      const error = toAppError(thrown)
      return error.code === 'engine-unavailable' ? this.away(error) : { error }
    }
    this.tell('info', `run ${this.name} is submitted`)
    return null
  }

  /** The run may go on without the platform's answers. */
  private away(error: AppError): ProcessEnd<Trained> | null {
    if (error.code !== 'engine-unavailable') return { error }
    this.tell('warn', error.message)
    const { now, times } = this.options
    return now() - this.heardAt < times.awayMs ? null : { error }
  }
}

const copyTrainer = async (from: string, to: string): Promise<void> => {
  try {
    await mkdir(to, { recursive: true })
    for (const name of await readdir(from))
      if (TRAINER_FILES.test(name)) await copyFile(join(from, name), join(to, name))
  } catch (cause) {
    throw storageError(`${to} cannot be written`, cause)
  }
}
