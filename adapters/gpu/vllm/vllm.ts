/**
 * Publishes loras to vLLM and serves by it, after `proofs.ts` has let a lora. vLLM itself decides which
 * loras are in memory. Knows nothing of texts, and of how a process is kept running.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, toAppError } from '../../../src/errors.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import type { LoraServing, RowLosses } from '../../lora/lora-backend.ts'
import type { BaseModel } from '../../model/open-model.ts'
import { scoredRow } from '../../text/chat-renderer.ts'
import { checkRows, type TokenizedRow } from '../../text/rows.ts'
import {
  fittedTokens,
  type GenerationEnd,
  type GenerationRequest,
  type SampledToken,
} from '../../text/tokens.ts'
import { PROOF_PAUSE_MS, Proofs, type Proved, type VllmDeps } from './proofs.ts'
import { VllmClient } from './vllm-client.ts'

/** A request holds one of the engine's places no longer than this for a proof, which goes on behind it. */
const PROOF_WAIT_MS = 10_000

/** What vLLM is asked to score at a time. */
const SCORED_AT_A_TIME = 16

/** Attempts to load a lora that was just trained, while vLLM comes and goes. */
const LOAD_ATTEMPTS = 3

/** Whether it may be tried again: what was trained is right. */
export const isAway = (error: unknown): boolean =>
  ['engine-unavailable', 'store-unavailable'].includes(toAppError(error).code)

/**
 * @throws AppError `engine-unavailable` after ten seconds, `client-closed` when the client waits no longer, and what
 * the proof throws
 */
const provedInTime = async (
  lora: string,
  proof: Promise<Proved>,
  signal?: AbortSignal
): Promise<Proved> => {
  const done = new AbortController()
  const ends = AbortSignal.any([done.signal, ...(signal ? [signal] : [])])
  const waited = delay(PROOF_WAIT_MS, null, { signal: ends, ref: false }).catch(() => null)
  try {
    const proved = await Promise.race([proof, waited])
    if (proved !== null) return proved
  } finally {
    done.abort()
  }
  if (signal?.aborted) throw new AppError('client-closed', 'the request was aborted by its client')
  throw new AppError('engine-unavailable', `${lora} is being published; try later`)
}

/**
 * @param nats log-probability of every completion token
 * @throws AppError `invalid-request`, `context-length-exceeded`, and what `nats` throws
 */
const lossesOf = async (
  { base, lora }: { base: BaseModel; lora: string | null },
  rows: TrainingRow[],
  nats: (row: TokenizedRow) => Promise<number[]>
): Promise<RowLosses> => {
  if (rows.length === 0)
    throw new AppError('invalid-request', 'there are no rows', { param: 'rows' })
  const read = rows.map((row) => scoredRow(base.chat, row, lora === null))
  checkRows(read, base.config)
  const losses: number[] = []
  for (let at = 0; at < read.length; at += SCORED_AT_A_TIME) {
    const scored = await Promise.all(read.slice(at, at + SCORED_AT_A_TIME).map(nats))
    losses.push(...scored.map((own) => -own.reduce((sum, value) => sum + value, 0) / own.length))
  }
  return { losses, tokens: read.map(({ completionIds }) => completionIds.length) }
}

export class VllmPublisher implements LoraServing {
  readonly maxPositions: number
  private readonly client: VllmClient
  private readonly proofs: Proofs

  constructor(private readonly deps: VllmDeps) {
    this.maxPositions = deps.base.config.maxPositions
    this.proofs = new Proofs(deps)
    this.client = new VllmClient(deps.server, (model) => this.proofs.forget(model))
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal
  ): AsyncGenerator<SampledToken, GenerationEnd, undefined> {
    const promptTokens = request.promptIds.length
    const fitting = { ...request, maxTokens: fittedTokens(request, this.maxPositions) }
    const proved = await this.proved(request.lora, signal)
    let completionTokens = 0
    for await (const step of this.client.generate(proved.name, fitting, signal)) {
      const { tokens, finishReason } = step
      this.proofs.require(proved, step)
      let reason = finishReason
      for (const token of tokens) {
        completionTokens++
        // a stop text, which vLLM does not know: leaving the stream ends it
        const isStopped = request.endsWith?.(token) ?? false
        yield token
        if (isStopped) reason = 'stop'
        if (isStopped) break
      }
      if (reason !== null)
        return { finishReason: reason, promptTokens, cachedTokens: 0, completionTokens }
    }
    throw new AppError('engine-unavailable', 'vLLM ended an answer without a reason; try again')
  }

  async losses(lora: string | null, rows: TrainingRow[]): Promise<RowLosses> {
    const { base } = this.deps
    return lossesOf({ base, lora }, rows, async ({ promptIds, completionIds }) => {
      const proved = await this.proved(lora)
      const score = await this.client.score(proved.name, promptIds, completionIds)
      this.proofs.require(proved, score)
      return score.nats
    })
  }

  /**
   * The lora can answer when it resolves. Waits for a server that is being started.
   * @throws AppError `invalid-model` for a damaged folder, `internal` when vLLM refuses it or does not
   * compute what training computed, `engine-unavailable` and `store-unavailable` where a later request
   * tries again
   */
  async publish(lora: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.deps.server.waitRunning()
        await this.proofs.of(lora)
        return
      } catch (error) {
        if (!isAway(error) || attempt === LOAD_ATTEMPTS) throw error
      }
      await delay(PROOF_PAUSE_MS * attempt)
    }
  }

  private proved(lora: string | null, signal?: AbortSignal): Promise<Proved> {
    return provedInTime(lora ?? this.deps.base.name, this.proofs.of(lora), signal)
  }

  unload(lora: string): Promise<void> {
    return this.proofs.unload(lora)
  }

  close(): Promise<void> {
    return this.deps.server.close()
  }
}
