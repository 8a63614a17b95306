/**
 * Loss of rows and most probable tokens, of a base model or one of its loras, without gradients. A
 * prefix that rows share is computed once.
 */
import { packBatch, packDynamicBatch } from './batch.ts'
import {
  checkRows,
  rowLength,
  sharedPrefixTokens,
  type SoftTargets,
  type TokenizedRow,
} from '../../text/rows.ts'
import type { LoraLayout } from '../../lora/lora-layout.ts'
import { groupByPrefix, splitByMemory } from './row-order.ts'
import { trustedTargets } from './teacher-targets.ts'
import { worthwhilePrefix } from './token-blocks.ts'
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

type RowOutput = Pick<StepOutput, 'losses' | 'topIds' | 'topProbabilities'>

interface Lora {
  layout: LoraLayout
  theta: Float32Array
}

const DEFAULT_MAX_BYTES = 2 ** 30
const MAX_SESSIONS = 2
/** one graph for rows of all lengths, because most are short */
const ROW_BLOCKS = 1

export class LossModel {
  /** by kind of graph, the least recently used first */
  private readonly sessions = new Map<string, TrainingSession>()
  /** calls run one after another, so that none closes a session that another uses */
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly model: FrozenModel,
    private readonly options: LossOptions = {}
  ) {}

  /**
   * @param lora null for the base model
   * @throws AppError `context-length-exceeded`, `invalid-request`
   */
  async lossOfRows(rows: TokenizedRow[], lora: Lora | null): Promise<RowLosses> {
    const outputs = await this.outputOfRows(rows, lora, 0)
    return {
      losses: outputs.map(({ losses }) => mean(losses)),
      tokens: rows.map((row) => row.completionIds.length),
    }
  }

  /**
   * The base model's most probable tokens at every completion token, as targets to learn from.
   * @throws AppError `context-length-exceeded`, `invalid-request`
   */
  async targetsOfRows(rows: TokenizedRow[], width: number): Promise<SoftTargets[]> {
    const outputs = await this.outputOfRows(rows, null, width)
    return outputs.map(({ topIds, topProbabilities }, row) =>
      trustedTargets(
        { width, ids: Array.from(topIds, Number), probabilities: topProbabilities },
        rows[row]!.completionIds
      )
    )
  }

  private enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.last.then(task)
    this.last = result.catch(() => undefined)
    return result
  }

  private outputOfRows(
    rows: TokenizedRow[],
    lora: Lora | null,
    topTokens: number
  ): Promise<RowOutput[]> {
    checkRows(rows, this.model.config)
    return this.enqueue(async () => {
      const outputs = Array<RowOutput>(rows.length)
      for (const group of groupByPrefix(rows)) {
        const members = group.map((row) => rows[row]!)
        const values = await this.outputOfGroup(members, lora, topTokens)
        group.forEach((row, i) => (outputs[row] = values[i]!))
      }
      return outputs
    })
  }

  private async outputOfGroup(
    rows: TokenizedRow[],
    lora: Lora | null,
    topTokens: number
  ): Promise<RowOutput[]> {
    const { config } = this.model
    const prefixTokens = rows.length > 1 ? worthwhilePrefix(sharedPrefixTokens(rows)) : 0
    const blocks = { prefixTokens, rowBlocks: ROW_BLOCKS }
    const session = await this.session(lora?.layout ?? null, prefixTokens > 0, topTokens)
    const maxBytes = this.options.maxBytes ?? DEFAULT_MAX_BYTES
    // rows of equal length together, because attention is computed for padding, too
    const order = rows.map((_, i) => i)
    order.sort((a, b) => rowLength(rows[a]!) - rowLength(rows[b]!))
    const sorted = order.map((i) => rows[i]!)
    const values: RowOutput[] = []
    for (const part of splitByMemory(sorted, config, blocks, {
      gradients: false,
      maxBytes,
    })) {
      const batch =
        prefixTokens > 0
          ? packDynamicBatch(part, config, prefixTokens)
          : packBatch(part, config, blocks)
      const output = await session.run(batch, lora?.theta ?? null)
      values.push(...byRow(part, output, topTokens))
    }
    const outputs = Array<RowOutput>(rows.length)
    order.forEach((row, i) => (outputs[row] = values[i]!))
    return outputs
  }

  private async session(
    layout: LoraLayout | null,
    withPrefix: boolean,
    topTokens: number
  ): Promise<TrainingSession> {
    const shape = layout === null ? 'base' : `${layout.rank}/${layout.alpha}`
    const key = `${shape} ${withPrefix} ${topTokens}`
    const known = this.sessions.get(key)
    this.sessions.delete(key)
    const session =
      known ??
      (await TrainingSession.open({
        model: this.model,
        layout,
        prefixTokens: withPrefix ? 'dynamic' : 0,
        rowBlocks: ROW_BLOCKS,
        maxPositions: this.model.config.maxPositions,
        gradients: false,
        topTokens,
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

const mean = (values: Float32Array): number =>
  values.reduce((total, nats) => total + nats, 0) / values.length

/** A batch's outputs, row by row. */
const byRow = (
  rows: TokenizedRow[],
  { losses, topIds, topProbabilities }: StepOutput,
  topTokens: number
): RowOutput[] => {
  let at = 0
  return rows.map(({ completionIds: { length } }) => {
    const [from, to] = [at, at + length]
    at = to
    return {
      losses: losses.slice(from, to),
      topIds: topIds.slice(from * topTokens, to * topTokens),
      topProbabilities: topProbabilities.slice(from * topTokens, to * topTokens),
    }
  })
}
