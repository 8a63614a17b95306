/**
 * The loss of rows under a base model or one of its loras, without gradients. Rows that begin
 * alike are computed with their prefix once. Knows nothing of jobs or of HTTP.
 */
import {
  checkRows,
  packBatch,
  packDynamicBatch,
  rowLength,
  sharedPrefixTokens,
  type TokenizedRow,
} from './batch.ts'
import type { LoraLayout } from './lora-layout.ts'
import { groupByPrefix, splitByMemory } from './row-order.ts'
import { TrainingSession, type StepOutput } from './training-session.ts'
import type { FrozenModel } from './weights-file.ts'

export interface LossOptions {
  threads?: number
  /** activations of one run */
  maxBytes?: number
}

export interface RowLosses {
  /** mean nats per completion token of each row */
  losses: number[]
  /** completion tokens of each row */
  tokens: number[]
}

interface Lora {
  layout: LoraLayout
  theta: Float32Array
}

const DEFAULT_MAX_BYTES = 2 ** 30
/** a shorter prefix costs more operators than it saves */
const MIN_PREFIX_TOKENS = 8
const MAX_SESSIONS = 2

export class LossModel {
  private readonly model: FrozenModel
  private readonly options: LossOptions
  /** by kind of graph, the least recently used first */
  private readonly sessions = new Map<string, TrainingSession>()
  /** calls run one after another, so that none closes a session in another's hands */
  private last: Promise<unknown> = Promise.resolve()

  constructor(model: FrozenModel, options: LossOptions = {}) {
    this.model = model
    this.options = options
  }

  /**
   * @param lora null for the base model
   * @throws AppError `context-length-exceeded`, `invalid-request`
   */
  async lossOfRows(rows: TokenizedRow[], lora: Lora | null): Promise<RowLosses> {
    checkRows(rows, this.model.config)
    return this.enqueue(() => this.lossOfGroups(rows, lora))
  }

  private enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.last.then(task)
    this.last = result.catch(() => undefined)
    return result
  }

  private async lossOfGroups(rows: TokenizedRow[], lora: Lora | null): Promise<RowLosses> {
    const losses = Array<number>(rows.length)
    for (const group of groupByPrefix(rows)) {
      const members = group.map((row) => rows[row]!)
      const values = await this.lossOfGroup(members, lora)
      group.forEach((row, i) => (losses[row] = values[i]!))
    }
    return { losses, tokens: rows.map((row) => row.completionIds.length) }
  }

  private async lossOfGroup(rows: TokenizedRow[], lora: Lora | null): Promise<number[]> {
    const { config } = this.model
    const shared = rows.length > 1 ? sharedPrefixTokens(rows) : 0
    const prefixTokens = shared >= MIN_PREFIX_TOKENS ? shared : 0
    const session = await this.session(lora?.layout ?? null, prefixTokens > 0)
    const maxBytes = this.options.maxBytes ?? DEFAULT_MAX_BYTES
    // equally long rows together: padding costs attention
    const order = rows.map((_, i) => i)
    order.sort((a, b) => rowLength(rows[a]!) - rowLength(rows[b]!))
    const sorted = order.map((i) => rows[i]!)
    const values: number[] = []
    for (const part of splitByMemory(sorted, config, prefixTokens, {
      gradients: false,
      maxBytes,
    })) {
      const pack = prefixTokens > 0 ? packDynamicBatch : packBatch
      const output = await session.run(pack(part, config, prefixTokens), lora?.theta ?? null)
      values.push(...rowMeans(part, output))
    }
    const losses = Array<number>(rows.length)
    order.forEach((row, i) => (losses[row] = values[i]!))
    return losses
  }

  private async session(layout: LoraLayout | null, withPrefix: boolean): Promise<TrainingSession> {
    const shape = layout === null ? 'base' : `${layout.rank}/${layout.alpha}`
    const key = `${shape} ${withPrefix}`
    const known = this.sessions.get(key)
    this.sessions.delete(key)
    const session =
      known ??
      (await TrainingSession.open({
        model: this.model,
        layout,
        prefixTokens: withPrefix ? 'dynamic' : 0,
        maxPositions: this.model.config.maxPositions,
        gradients: false,
        threads: this.options.threads,
      }))
    this.sessions.set(key, session)
    for (const [oldest, unused] of this.sessions) {
      if (this.sessions.size <= MAX_SESSIONS) break
      this.sessions.delete(oldest)
      await unused.close()
    }
    return session
  }

  close(): Promise<void> {
    return this.enqueue(async () => {
      const open = [...this.sessions.values()]
      this.sessions.clear()
      await Promise.all(open.map((session) => session.close()))
    })
  }
}

const rowMeans = (rows: TokenizedRow[], { losses }: StepOutput): number[] => {
  let at = 0
  return rows.map(({ completionIds: { length } }) => {
    const sum = losses.subarray(at, at + length).reduce((total, nats) => total + nats, 0)
    at += length
    return sum / length
  })
}
