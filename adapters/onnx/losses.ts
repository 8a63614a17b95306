/**
 * Losses of rows, computed in a child process that ends after a time without requests.
 */
import { AppError } from '../../src/errors.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import {
  type ChildReport,
  type ChildSetup,
  type ComputeChild,
  reportedError,
  startChild,
} from './child-process.ts'

const IDLE_MS = 60_000
const MAX_WAITING = 32

interface RowLosses {
  losses: number[]
  tokens: number[]
}

interface Call {
  resolve(losses: RowLosses): void
  reject(error: AppError): void
}

export class Losses {
  private readonly calls = new Map<number, Call>()
  private lastCall = 0
  private child: ComputeChild | null = null
  private idle: NodeJS.Timeout | undefined

  constructor(private readonly setup: ChildSetup) {}

  /**
   * @param lora null for the base model
   * @throws AppError what rendering and the model throw; `overloaded`; `engine-unavailable` when
   * the process dies
   */
  compute(lora: string | null, rows: TrainingRow[]): Promise<RowLosses> {
    if (this.calls.size >= MAX_WAITING)
      throw new AppError(
        'overloaded',
        `${MAX_WAITING} loss requests are waiting already: try again later`
      )
    clearTimeout(this.idle)
    const call = ++this.lastCall
    const child = (this.child ??= this.start())
    return new Promise((resolve, reject) => {
      this.calls.set(call, { resolve, reject })
      child.send({ kind: 'loss', setup: this.setup, call, lora, rows })
    })
  }

  async close(): Promise<void> {
    clearTimeout(this.idle)
    this.child?.kill()
    await this.child?.ended
  }

  private start(): ComputeChild {
    const child = startChild((report) => this.receive(report))
    void this.rejectAtEnd(child)
    return child
  }

  private async rejectAtEnd(child: ComputeChild): Promise<void> {
    const how = await child.ended
    if (this.child !== child) return
    this.child = null
    for (const { reject } of this.calls.values())
      reject(new AppError('engine-unavailable', `the loss process ended (${how})`))
    this.calls.clear()
  }

  /** Ends the process. The next call starts another one, even before this one has ended. */
  private stop(): void {
    this.child?.kill()
    this.child = null
  }

  private receive(report: ChildReport): void {
    if (report.kind !== 'losses' && report.kind !== 'failed') return
    const call = this.calls.get(report.call ?? 0)
    if (!call) return
    this.calls.delete(report.call!)
    if (report.kind === 'failed') call.reject(reportedError(report))
    else call.resolve({ losses: report.losses, tokens: report.tokens })
    if (this.calls.size === 0) this.idle = setTimeout(() => this.stop(), IDLE_MS)
  }
}
