/**
 * Writes a job's events, fewer as training gets longer, so that their file is bounded. Knows nothing
 * of the queue.
 */
import { causesOf } from '../../src/fault-log.ts'
import type { JobEvent } from '../../src/openai/fine-tuning.ts'
import type { TrainProgress } from './backend.ts'
import type { JobStore } from './job-store.ts'
import type { Log } from './log.ts'

export interface EventWriterOptions {
  store: JobStore
  /** milliseconds since the epoch */
  now: () => number
  log: Log
  /** shortest time between two metrics events; doubles after every 500 of them */
  metricsIntervalMs: number
  /** most events of one writer, not counting events that are always written */
  maxEvents: number
}

const METRICS_PER_INTERVAL = 500

/** An event that cannot be written is logged and lost: jobs do not depend on their events. */
export class EventWriter {
  private written = 0
  private metricsWritten = 0
  private lastMetricsAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly options: EventWriterOptions,
    private readonly jobId: string
  ) {}

  /** @param always whether it is written although the writer has reached `maxEvents` */
  async message(level: JobEvent['level'], text: string, always = false): Promise<void> {
    if (!always && this.written >= this.options.maxEvents) return
    await this.append({ level, type: 'message', message: text })
  }

  /** @returns whether the progress was due */
  async metrics(progress: TrainProgress): Promise<boolean> {
    const { now, metricsIntervalMs, maxEvents } = this.options
    const { step, total_steps: total, train_loss: loss } = progress
    const intervalMs =
      metricsIntervalMs * 2 ** Math.floor(this.metricsWritten / METRICS_PER_INTERVAL)
    const due = now() - this.lastMetricsAt >= intervalMs && this.written < maxEvents
    if (!due && step < total) return false
    this.lastMetricsAt = now()
    this.metricsWritten += 1
    await this.append({
      level: 'info',
      type: 'metrics',
      message: `Step ${step}/${total}: training loss ${loss.toFixed(4)}`,
      data: progress,
    })
    return true
  }

  private async append(
    event: Pick<JobEvent, 'level' | 'type' | 'message' | 'data'>
  ): Promise<void> {
    const { store, now, log } = this.options
    this.written += 1
    try {
      await store.appendEvent(this.jobId, {
        object: 'fine_tuning.job.event',
        created_at: Math.floor(now() / 1000),
        ...event,
      })
    } catch (error) {
      log('warn', 'job event cannot be written', { job: this.jobId, causes: causesOf(error) })
    }
  }
}
