/**
 * One request in the batch: its tokens, its state and its reader.
 */
import type { GenerationEnd, GenerationRequest, SampledToken } from '../../text/tokens.ts'
import type { Prediction } from './decoder.ts'
import { Sampler } from './sampler.ts'

/** A row for the batch. */
export interface Row {
  readonly lora: string | null
  readonly usePrefixCache: boolean
  /** false when the most probable tokens are enough */
  readonly needsDistribution: boolean
  /** the tokens so far: the prompt, then the generated ones */
  readonly ids: readonly number[]
  /** how many of these may come from the prefix cache */
  readonly reusable: number
  /** how many of these are in the cache; 0 again when the row gives up its slot */
  length: number
  /** The tokens from `start` to `start + count` after which a prediction is needed. */
  wanted(start: number, count: number): number[]
  /**
   * @param position of the token before the prediction
   * @returns true when the row has one more token, false when it has ended
   */
  receive(position: number, prediction: Prediction): boolean
  setCached(tokens: number): void
  fail(error: unknown): void
}

/** A queue from `push` to a `for await` loop. */
class Channel<Item, End> {
  private readonly items: Item[] = []
  private end: { value: End } | { error: unknown } | null = null
  private wake: (() => void) | null = null

  push(item: Item): void {
    this.items.push(item)
    this.wake?.()
  }

  finish(end: { value: End } | { error: unknown }): void {
    this.end ??= end
    this.wake?.()
  }

  async *read(): AsyncGenerator<Item, End, undefined> {
    for (;;) {
      const item = this.items.shift()
      if (item !== undefined) yield item
      else if (this.end) {
        if ('error' in this.end) throw this.end.error
        return this.end.value
      } else await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }
}

export class GenerationRow implements Row {
  readonly lora: string | null
  readonly usePrefixCache: boolean
  readonly needsDistribution: boolean
  readonly ids: number[]
  length = 0
  private readonly sampler: Sampler
  private readonly channel = new Channel<SampledToken, GenerationEnd>()
  private cachedTokens = 0
  private completionTokens = 0

  constructor(private readonly request: GenerationRequest) {
    this.lora = request.lora
    this.usePrefixCache = request.usePrefixCache
    const { constraint, sampling, topLogprobs } = request
    this.needsDistribution = constraint !== null || sampling.temperature > 0 || topLogprobs > 0
    this.ids = [...request.promptIds]
    this.sampler = new Sampler(sampling, topLogprobs)
  }

  get reusable(): number {
    return this.ids.length - 1
  }

  tokens(): AsyncGenerator<SampledToken, GenerationEnd, undefined> {
    return this.channel.read()
  }

  wanted(start: number, count: number): number[] {
    const last = this.ids.length - 1
    return last < start + count ? [last] : []
  }

  receive(_position: number, { best, logprobs }: Prediction): boolean {
    const token = this.needsDistribution
      ? this.sampler.choose(logprobs!, this.request.constraint)
      : { ...best, top: [] }
    if (!token) return this.end('stop')
    if (!this.say(token)) return false
    // tokens that are certain need no step: with one choice left, the answer is complete
    for (const tokenId of this.request.constraint?.forced() ?? []) {
      const certain = { tokenId, logprob: 0 }
      const top = this.request.topLogprobs === 0 ? [] : [certain]
      if (!this.say({ ...certain, top })) return false
    }
    return true
  }

  /** @returns false when the row has ended with this token */
  private say(token: SampledToken): boolean {
    const { constraint, endIds, maxTokens } = this.request
    this.completionTokens++
    constraint?.advance(token.tokenId)
    const stopped = this.request.endsWith?.(token) ?? false
    this.channel.push(token)
    const ended = stopped || endIds.includes(token.tokenId) || (constraint?.finished ?? false)
    if (ended) return this.end('stop')
    if (this.completionTokens >= maxTokens) return this.end('length')
    this.ids.push(token.tokenId)
    return true
  }

  setCached(tokens: number): void {
    // a row that gave up its slot finds its own tokens in the cache, which is not a saving for the caller
    if (this.completionTokens === 0) this.cachedTokens = tokens
  }

  fail(error: unknown): void {
    this.channel.finish({ error })
  }

  private end(finishReason: 'stop' | 'length'): false {
    const { cachedTokens, completionTokens } = this
    const promptTokens = this.request.promptIds.length
    this.channel.finish({ value: { finishReason, promptTokens, cachedTokens, completionTokens } })
    return false
  }
}

/** A request for the log-probabilities of given tokens. */
export class ScoreRow implements Row {
  readonly needsDistribution = true
  readonly ids: readonly number[]
  readonly reusable: number
  readonly result: Promise<number[]>
  length = 0
  private readonly next: readonly number[]
  private readonly logprobs: number[] = []
  private resolve!: (logprobs: number[]) => void
  private reject!: (error: unknown) => void

  /** @param from index of the first token that is scored, at least 1 */
  constructor(
    ids: readonly number[],
    private readonly from: number,
    readonly lora: string | null,
    readonly usePrefixCache: boolean
  ) {
    this.ids = ids.slice(0, -1)
    this.next = ids.slice(1)
    this.reusable = from - 1
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  wanted(start: number, count: number): number[] {
    const first = Math.max(start, this.from - 1)
    const end = Math.min(start + count, this.ids.length)
    return Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index)
  }

  receive(position: number, { logprobs }: Prediction): boolean {
    // a row that gave up its slot starts again
    if (position === this.from - 1) this.logprobs.length = 0
    this.logprobs.push(logprobs![this.next[position]!]!)
    if (position === this.ids.length - 1) this.resolve(this.logprobs)
    return false
  }

  setCached(): void {
    // scores have no usage to report
  }

  fail(error: unknown): void {
    this.reject(error)
  }
}
