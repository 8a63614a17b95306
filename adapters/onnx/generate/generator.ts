/**
 * Generation over token ids: many concurrent requests, each a stream of tokens with log-probabilities.
 * `text.ts` makes text of them.
 */
import { AppError } from '../../../src/errors.ts'
import { fittedTokens, type TokenGenerator } from '../../text/tokens.ts'
import type { LlamaConfig, WeightSource } from '../../model/llama-config.ts'
import { Batcher } from './batcher.ts'
import { createDecoder } from './decoder.ts'
import { cacheBytesPerToken, KvCache } from './kv-cache.ts'
import { LoraPool } from './lora-pool.ts'
import type { LoraMatrices } from './fused-lora.ts'
import { PrefixCache } from './prefix-cache.ts'
import { GenerationRow, ScoreRow } from './row.ts'
import type { Row } from './row.ts'

const MEBIBYTE = 2 ** 20

export interface GeneratorOptions {
  config: LlamaConfig
  weights: WeightSource
  /** Reads a lora; called again only after it was evicted. @throws AppError `not-found` */
  loadLora: (id: string) => Promise<LoraMatrices>
  threads?: number
  /** true builds the graph for one lora at start, so its first request does not wait; default false */
  expectsLoras?: boolean
  /** the context window: the smallest of this, the model's own, and what the cache can hold */
  maxPositions?: number
  maxRows?: number
  maxQueued?: number
  chunkTokens?: number
  maxCacheBytes?: number
  maxLoraBytes?: number
  /** 0 switches the prefix cache off */
  maxPrefixBytes?: number
}

const closedByClient = (): AppError =>
  new AppError('client-closed', 'the request was aborted by its client')

/** Makes the parts from the options, with defaults. */
const assemble = async (options: GeneratorOptions) => {
  const { config, weights, loadLora, threads = 2, expectsLoras = false, maxRows = 8 } = options
  const { maxQueued = 256, chunkTokens = 128 } = options
  const { maxCacheBytes = 1024 * MEBIBYTE, maxLoraBytes = 512 * MEBIBYTE } = options
  const { maxPrefixBytes = 512 * MEBIBYTE } = options
  // a single row must always fit into the cache
  const affordable = Math.floor(maxCacheBytes / cacheBytesPerToken(config))
  const wanted = Math.min(options.maxPositions ?? Infinity, config.maxPositions)
  const maxPositions = Math.min(wanted, affordable)
  const decoder = await createDecoder({ config, weights, maxPositions, threads, expectsLoras })
  const cache = new KvCache(
    { ...config, maxPositions },
    { maxBytes: maxCacheBytes, maxSlots: maxRows }
  )
  const loras = new LoraPool({ config, maxBytes: maxLoraBytes, load: loadLora })
  const prefixes = maxPrefixBytes > 0 ? new PrefixCache({ maxBytes: maxPrefixBytes }) : null
  const parts = { decoder, cache, loras, prefixes, maxRows, maxQueued, chunkTokens }
  return { ...parts, maxPositions, batcher: new Batcher(parts) }
}

const checkIds = (ids: readonly number[], vocabSize: number): void => {
  if (ids.length === 0) throw new AppError('invalid-request', 'the prompt has no tokens')
  const unknown = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize)
  if (unknown !== undefined)
    throw new AppError('invalid-request', `the vocabulary has no token ${unknown}`)
}

/** @returns a function that ends the row, to be called when its reader has ended */
const start = (batcher: Batcher, row: Row, signal: AbortSignal): (() => void) => {
  if (signal.aborted) throw closedByClient()
  const abort = (): void => batcher.cancel(row, closedByClient())
  batcher.add(row)
  signal.addEventListener('abort', abort, { once: true })
  return () => {
    signal.removeEventListener('abort', abort)
    abort()
  }
}

/**
 * Builds the graph and starts with an idle batch.
 * @throws AppError `invalid-model` when the weights do not fit the configuration
 */
export const createGenerator = async (options: GeneratorOptions) => {
  const { decoder, cache, loras, prefixes, batcher, maxPositions } = await assemble(options)
  const { vocabSize } = options.config
  return {
    maxPositions,
    async *generate(...[request, signal]: Parameters<TokenGenerator['generate']>) {
      checkIds(request.promptIds, vocabSize)
      const row = new GenerationRow({ ...request, maxTokens: fittedTokens(request, maxPositions) })
      const stop = start(batcher, row, signal)
      try {
        return yield* row.tokens()
      } finally {
        stop()
      }
    },
    /**
     * Log-probabilities of `ids[from]` and all later tokens, each given the tokens before it.
     * @param options.from at least 1
     */
    async score(
      ids: readonly number[],
      {
        from,
        lora,
        usePrefixCache,
      }: { from: number; lora: string | null; usePrefixCache: boolean },
      signal: AbortSignal
    ): Promise<number[]> {
      checkIds(ids, vocabSize)
      if (ids.length > maxPositions)
        throw new AppError(
          'context-length-exceeded',
          `the row has ${ids.length} tokens, the model takes ${maxPositions}`
        )
      const row = new ScoreRow(ids, from, lora, usePrefixCache)
      const stop = start(batcher, row, signal)
      try {
        return await row.result
      } finally {
        stop()
      }
    },
    /** Forgets a lora. @throws AppError `conflict` while requests use it */
    unloadLora(id: string): void {
      if (batcher.uses(id)) throw new AppError('conflict', `lora ${id} is in use`)
      loras.unload(id)
    },
    /** requests, and bytes in use */
    load: () => ({
      ...batcher.load,
      cacheBytes: cache.allocatedBytes,
      loraBytes: loras.bytes,
      prefixBytes: prefixes?.bytes ?? 0,
    }),
    async close() {
      await batcher.close()
      await decoder.close()
    },
  }
}

/** @public for benchmarks */
export type Generator = Awaited<ReturnType<typeof createGenerator>>
