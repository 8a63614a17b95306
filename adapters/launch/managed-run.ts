/**
 * Trainings on machines of a platform, which share a folder with this one. An engine that was killed goes
 * on with the run that it finds, and ends the runs of jobs that are over.
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { toAppError } from '../../src/errors.ts'
import type { TrainHooks } from '../host/backend.ts'
import type { Log } from '../host/log.ts'
import { withRestarts } from '../lora/restarts.ts'
import type { Launcher, LaunchTask, Trained } from './launcher.ts'
import { isActive } from './managed-runs.ts'
import { type RunRecord, RunRecords, runName } from './run-records.ts'
import { seenAs, Watch, type WatchOptions, type WatchTimes } from './watch-run.ts'

export interface ManagedOptions extends Omit<WatchOptions, 'times'> {
  log: Log
  times?: Partial<WatchTimes>
}

const TIMES: WatchTimes = {
  reportMs: 5_000,
  statusMs: 30_000,
  settleMs: 5 * 60_000,
  awayMs: 60 * 60_000,
}

class ManagedLauncher implements Launcher {
  private readonly options: WatchOptions & ManagedOptions & { times: WatchTimes }
  private readonly records: RunRecords
  private readonly sweeper: NodeJS.Timeout
  private sweeping: Promise<void> | null = null

  constructor(options: ManagedOptions) {
    this.options = { ...options, times: { ...TIMES, ...options.times } }
    this.records = new RunRecords(options.dataDir)
    this.sweeper = setInterval(() => {
      this.sweeping ??= this.sweep().finally(() => (this.sweeping = null))
    }, this.options.times.statusMs).unref()
  }

  seenAs(path: string): string {
    return seenAs(this.options.seen, path)
  }

  async run(task: LaunchTask, hooks: TrainHooks): Promise<Trained> {
    const record = await this.records.open(task)
    const { platform } = this.options.runs
    return withRestarts(() => new Watch(this.options, this.records, record, hooks).toEnd(), hooks, {
      code: 'engine-unavailable',
      advice: `see the run on ${platform}`,
    })
  }

  async close(): Promise<void> {
    clearInterval(this.sweeper)
    await this.sweeping
  }

  /** Ends the runs of jobs that are over: cancelled, also while this engine or the platform was away. */
  private async sweep(): Promise<void> {
    const { dataDir, log } = this.options
    try {
      for (const record of await this.records.list())
        if (!existsSync(join(dataDir, record.file))) await this.end(record)
    } catch (error) {
      log('warn', 'a run that is no longer wanted could not be ended yet', {
        reason: toAppError(error).message,
      })
    }
  }

  private async end(record: RunRecord): Promise<void> {
    const { dataDir, log, now, runs } = this.options
    const name = runName(record)
    const status = record.submittedAt === null ? null : await runs.status(name)
    const mayAppear = now() - (record.submittedAt ?? 0) < runs.listedWithinMs
    if (status !== null && isActive(status.state)) {
      await runs.cancel(name)
      log('info', 'a run that is no longer wanted is cancelled', { run: name })
    } else if (status !== null || !mayAppear) {
      await this.records.remove(record)
      // what the trainer wrote before it ended
      await rm(join(dataDir, dirname(record.file)), { recursive: true, force: true })
    }
  }
}

/** Also ends earlier runs that nothing wants any more. */
export const createManagedLauncher = (options: ManagedOptions): Launcher =>
  new ManagedLauncher(options)
