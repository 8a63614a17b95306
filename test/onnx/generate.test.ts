import { setMaxListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createGenerator,
  type Generator,
  type GeneratorOptions,
} from '../../adapters/onnx/generate/generator.ts'
import type { SampledToken, GenerationEnd, GenerationRequest } from '../../adapters/text/tokens.ts'
import { quantizedWeights } from '../../adapters/onnx/load-model.ts'
import { AppError } from '../../src/errors.ts'
import {
  mergedWeights,
  seededRandom,
  tinyConfig,
  tinyLora,
  tinyWeights,
} from '../kit/model/tiny-llama.ts'

const LORAS = new Map([
  ['lora-a', tinyLora(11, 4)],
  ['lora-b', tinyLora(12, 8)],
  ['lora-c', tinyLora(13, 2)],
])

const loadLora: GeneratorOptions['loadLora'] = async (id) => {
  const lora = LORAS.get(id)
  if (!lora) throw new AppError('not-found', `no lora ${id}`)
  return lora
}

const create = (options: Partial<GeneratorOptions> = {}): Promise<Generator> =>
  createGenerator({
    config: tinyConfig,
    weights: tinyWeights(),
    loadLora,
    threads: 1,
    ...options,
  })

const prompt = (seed: number, length: number): number[] => {
  const random = seededRandom(seed)
  return Array.from({ length }, () => Math.floor(random() * 256))
}

const request = (promptIds: readonly number[], more: Partial<GenerationRequest> = {}) => ({
  promptIds,
  lora: null,
  maxTokens: 8,
  sampling: { temperature: 0, topP: 1, seed: 1 },
  topLogprobs: 0,
  constraint: null,
  endIds: [],
  usePrefixCache: true,
  ...more,
})

const never = new AbortController().signal
setMaxListeners(0, never)

const collect = async (
  generator: Generator,
  wanted: GenerationRequest,
  signal: AbortSignal = never
): Promise<{ tokens: SampledToken[]; end: GenerationEnd }> => {
  const stream = generator.generate(wanted, signal)
  const tokens: SampledToken[] = []
  for (;;) {
    const { done, value } = await stream.next()
    if (done) return { tokens, end: value }
    tokens.push(value)
  }
}

const ids = (tokens: SampledToken[]): number[] => tokens.map(({ tokenId }) => tokenId)

const expectSame = (actual: SampledToken[], expected: SampledToken[], digits = 4): void => {
  expect(ids(actual)).toEqual(ids(expected))
  for (const [index, token] of actual.entries())
    expect(token.logprob).toBeCloseTo(expected[index]!.logprob, digits)
}

describe('generation over token ids, float32', () => {
  let generator: Generator
  beforeAll(async () => {
    generator = await create()
  })
  afterAll(() => generator.close())

  it('gives a token the same log-probability whether it was read in a prompt or decoded', async () => {
    const promptIds = prompt(1, 21)
    const { tokens } = await collect(generator, request(promptIds, { usePrefixCache: false }))
    const scores = await generator.score(
      [...promptIds, ...ids(tokens)],
      { from: promptIds.length, lora: null, usePrefixCache: false },
      never
    )
    expect(scores).toHaveLength(tokens.length)
    for (const [index, score] of scores.entries())
      expect(score).toBeCloseTo(tokens[index]!.logprob, 4)
  })

  it('gives rows of different lengths in one batch what each gets alone', async () => {
    const prompts = [3, 40, 17, 130, 1].map((length, seed) => prompt(seed + 20, length))
    const options = { usePrefixCache: false }
    const alone = []
    for (const promptIds of prompts)
      alone.push(await collect(generator, request(promptIds, options)))
    const together = await Promise.all(
      prompts.map((promptIds, index) =>
        collect(generator, request(promptIds, { ...options, maxTokens: 4 + index }))
      )
    )
    for (const [index, { tokens }] of together.entries()) {
      const length = Math.min(4 + index, 8)
      expectSame(tokens.slice(0, length), alone[index]!.tokens.slice(0, length))
    }
  })

  it('gives rows of different loras in one batch what each gets alone', async () => {
    const loras = [null, 'lora-a', 'lora-b', 'lora-c', 'lora-a', null]
    const requests = loras.map((lora, index) =>
      request(prompt(index + 40, 12 + index), { lora, usePrefixCache: false })
    )
    const alone = []
    for (const one of requests) alone.push(await collect(generator, one))
    const together = await Promise.all(requests.map((one) => collect(generator, one)))
    for (const [index, { tokens }] of together.entries()) expectSame(tokens, alone[index]!.tokens)
    expect(new Set(alone.map(({ tokens }) => ids(tokens).join())).size).toBeGreaterThan(3)
  })

  it('answers with a lora as a model with the lora merged into its weights', async () => {
    const merged = await create({ weights: mergedWeights(LORAS.get('lora-b')!) })
    const promptIds = prompt(60, 25)
    const expected = await collect(merged, request(promptIds))
    const actual = await collect(generator, request(promptIds, { lora: 'lora-b' }))
    expectSame(actual.tokens, expected.tokens, 3)
    await merged.close()
  })

  it('reads a prompt in chunks as it reads it whole', async () => {
    const chunked = await create({ chunkTokens: 7 })
    const promptIds = prompt(70, 100)
    const whole = await collect(generator, request(promptIds, { usePrefixCache: false }))
    const parts = await collect(chunked, request(promptIds, { usePrefixCache: false }))
    expectSame(parts.tokens, whole.tokens)
    await chunked.close()
  })

  it('takes a shared prefix from the cache, reports it, and answers the same', async () => {
    const shared = prompt(80, 70)
    const first = await collect(generator, request([...shared, 1, 2, 3], { lora: 'lora-a' }))
    const wanted = request([...shared, 9, 8], { lora: 'lora-a' })
    const cached = await collect(generator, wanted)
    const computed = await collect(generator, { ...wanted, usePrefixCache: false })
    expect(first.end.cachedTokens).toBe(0)
    expect(cached.end.cachedTokens).toBe(64)
    expect(computed.end.cachedTokens).toBe(0)
    expectSame(cached.tokens, computed.tokens)
    const other = await collect(generator, { ...wanted, lora: 'lora-b' })
    expect(other.end.cachedTokens).toBe(0)
  })

  it('leaves the last token of a fully cached prompt to compute', async () => {
    const promptIds = prompt(81, 64)
    await collect(generator, request(promptIds))
    const again = await collect(generator, request(promptIds))
    expect(again.end.cachedTokens).toBe(32)
  })

  it('scores tokens that lie in cached blocks', async () => {
    const row = prompt(82, 80)
    const options = { from: 10, lora: null, usePrefixCache: true }
    const first = await generator.score(row, options, never)
    const second = await generator.score(row, options, never)
    expect(second).toHaveLength(70)
    for (const [index, score] of second.entries()) expect(score).toBeCloseTo(first[index]!, 4)
  })

  it('ends at an end token, which counts, and at the limit of tokens', async () => {
    const promptIds = prompt(90, 10)
    const free = await collect(generator, request(promptIds))
    expect(free.end).toEqual({
      finishReason: 'length',
      promptTokens: 10,
      cachedTokens: 0,
      completionTokens: 8,
    })
    const endId = free.tokens[2]!.tokenId
    const ended = await collect(generator, request(promptIds, { endIds: [endId] }))
    const position = ids(free.tokens).indexOf(endId)
    expect(ended.end.finishReason).toBe('stop')
    expect(ended.end.completionTokens).toBe(position + 1)
  })

  it('repeats a sampled answer for the same seed, alone and beside other rows', async () => {
    const wanted = request(prompt(91, 15), {
      sampling: { temperature: 1, topP: 0.9, seed: 5 },
      maxTokens: 12,
    })
    const first = await collect(generator, wanted)
    const [second, third] = await Promise.all([
      collect(generator, wanted),
      collect(generator, { ...wanted, sampling: { ...wanted.sampling, seed: 6 } }),
    ])
    expect(ids(second.tokens)).toEqual(ids(first.tokens))
    expect(ids(third.tokens)).not.toEqual(ids(first.tokens))
  })

  it('reports the best alternatives in order, the greedy token first', async () => {
    const { tokens } = await collect(generator, request(prompt(92, 9), { topLogprobs: 5 }))
    for (const token of tokens) {
      expect(token.top).toHaveLength(5)
      expect(token.top[0]).toEqual({ tokenId: token.tokenId, logprob: token.logprob })
      const values = token.top.map(({ logprob }) => logprob)
      expect(values).toEqual(values.toSorted((a, b) => b - a))
    }
  })

  it('refuses a prompt that fills the context, tokens outside of the vocabulary, and no tokens', async () => {
    await expect(collect(generator, request(prompt(1, 512)))).rejects.toMatchObject({
      code: 'context-length-exceeded',
    })
    await expect(collect(generator, request([1, 9999]))).rejects.toMatchObject({
      code: 'invalid-request',
    })
    await expect(collect(generator, request([]))).rejects.toMatchObject({ code: 'invalid-request' })
  })

  it('writes up to the last position of the context', async () => {
    const { end } = await collect(generator, request(prompt(2, 500), { maxTokens: 100 }))
    expect(end).toMatchObject({ finishReason: 'length', completionTokens: 12 })
  })

  it('fails only the request with a lora that does not exist', async () => {
    const [good, bad] = await Promise.allSettled([
      collect(generator, request(prompt(3, 5))),
      collect(generator, request(prompt(3, 5), { lora: 'lora-x' })),
    ])
    expect(good.status).toBe('fulfilled')
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'not-found' } })
  })
})

describe('limits', () => {
  it('frees the row of an aborted request and goes on with the others', async () => {
    const generator = await create({ maxRows: 2 })
    const controller = new AbortController()
    const long = generator.generate(request(prompt(1, 9), { maxTokens: 400 }), controller.signal)
    await long.next()
    const other = collect(generator, request(prompt(2, 30), { maxTokens: 30 }))
    controller.abort()
    const rest = async () => {
      for (;;) if ((await long.next()).done) return
    }
    await expect(rest()).rejects.toMatchObject({ code: 'client-closed' })
    expect((await other).tokens).toHaveLength(30)
    expect(generator.load()).toMatchObject({ queued: 0, running: 0 })
    const alone = await collect(generator, request(prompt(2, 30), { maxTokens: 30 }))
    expectSame((await other).tokens, alone.tokens)
    await generator.close()
  })

  it('does not start a request that was aborted before', async () => {
    const generator = await create()
    const aborted = collect(generator, request(prompt(1, 9)), AbortSignal.abort())
    await expect(aborted).rejects.toMatchObject({ code: 'client-closed' })
    expect(generator.load()).toMatchObject({ queued: 0, running: 0 })
    await generator.close()
  })

  it('refuses requests beyond the limit of the queue and serves the others in order', async () => {
    const generator = await create({ maxRows: 1, maxQueued: 2 })
    const ended: number[] = []
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, async (_, index) => {
        await collect(generator, request(prompt(index, 6), { maxTokens: 8 - index }))
        ended.push(index)
      })
    )
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ])
    expect(results[4]).toMatchObject({ reason: { code: 'overloaded' } })
    expect(ended).toEqual([0, 1, 2])
    await generator.close()
  })

  it('keeps the cache within its bytes by letting rows wait', async () => {
    const bytesPerToken = tinyConfig.layers * 2 * tinyConfig.kvHeads * tinyConfig.headDim * 4
    const maxCacheBytes = 2 * 256 * bytesPerToken
    const generator = await create({ maxCacheBytes, maxRows: 8 })
    const lengths = [20, 300, 30, 40, 50]
    const results = await Promise.all(
      lengths.map((length, seed) => collect(generator, request(prompt(seed, length))))
    )
    const roomy = await create()
    for (const [seed, length] of lengths.entries())
      expectSame(
        results[seed]!.tokens,
        (await collect(roomy, request(prompt(seed, length)))).tokens
      )
    expect(generator.load().cacheBytes).toBeLessThanOrEqual(maxCacheBytes)
    await Promise.all([generator.close(), roomy.close()])
  })

  it('lets the rows that came last begin again when memory runs out', async () => {
    const bytesPerToken = tinyConfig.layers * 2 * tinyConfig.kvHeads * tinyConfig.headDim * 4
    // three rows of 256 tokens, or one of 512
    const generator = await create({ maxCacheBytes: 3 * 256 * bytesPerToken, maxPrefixBytes: 0 })
    const wanted = [1, 2, 3].map((seed) =>
      request(prompt(seed, 200 + 10 * seed), { maxTokens: 60, lora: seed === 2 ? 'lora-a' : null })
    )
    const results = await Promise.all(wanted.map((one) => collect(generator, one)))
    expect(generator.load().cacheBytes).toBeLessThanOrEqual(3 * 256 * bytesPerToken)
    const roomy = await create()
    for (const [index, one] of wanted.entries()) {
      expectSame(results[index]!.tokens, (await collect(roomy, one)).tokens)
      expect(results[index]!.end).toMatchObject({ promptTokens: one.promptIds.length })
    }
    await Promise.all([generator.close(), roomy.close()])
  })

  it('has no larger context than the cache can hold', async () => {
    const bytesPerToken = tinyConfig.layers * 2 * tinyConfig.kvHeads * tinyConfig.headDim * 4
    const generator = await create({ maxCacheBytes: 100 * bytesPerToken })
    expect(generator.maxPositions).toBe(100)
    await expect(collect(generator, request(prompt(1, 100)))).rejects.toMatchObject({
      code: 'context-length-exceeded',
    })
    const { end } = await collect(generator, request(prompt(1, 90), { maxTokens: 50 }))
    expect(end).toMatchObject({ finishReason: 'length', completionTokens: 10 })
    await generator.close()
  })

  it('evicts loras under load without failing a request', async () => {
    let loads = 0
    const limit = 120_000
    const generator = await create({
      maxLoraBytes: limit,
      loadLora: (id) => {
        loads++
        return loadLora(id)
      },
    })
    const names = ['lora-a', 'lora-b', 'lora-c', null]
    const wanted = Array.from({ length: 24 }, (_, index) =>
      request(prompt(index, 5 + index), { lora: names[index % 4]!, maxTokens: 3 + (index % 5) })
    )
    const results = await Promise.all(wanted.map((one) => collect(generator, one)))
    expect(loads).toBeGreaterThan(3)
    expect(generator.load().loraBytes).toBeLessThanOrEqual(limit)
    const roomy = await create()
    for (const [index, one] of wanted.entries())
      expectSame(results[index]!.tokens, (await collect(roomy, one)).tokens)
    await Promise.all([generator.close(), roomy.close()])
  })

  it('does not read a lora at every step while it waits for room', async () => {
    const loads: string[] = []
    const generator = await create({
      // one lora at a time
      maxLoraBytes: 100_000,
      loadLora: (id) => {
        loads.push(id)
        return loadLora(id)
      },
    })
    const wanted = ['lora-a', 'lora-b'].map((lora, index) =>
      request(prompt(index, 5), { lora, maxTokens: 40 })
    )
    await Promise.all(wanted.map((one) => collect(generator, one)))
    expect(loads).toEqual(['lora-a', 'lora-b', 'lora-b'])
    await generator.close()
  })

  it('refuses to forget a lora in use and forgets it afterwards', async () => {
    const generator = await create()
    const wanted = request(prompt(1, 4), { lora: 'lora-a', maxTokens: 50 })
    const stream = generator.generate(wanted, never)
    await stream.next()
    expect(() => generator.unloadLora('lora-a')).toThrow(/in use/)
    for await (const token of stream) expect(token).toBeDefined()
    await collect(generator, request(prompt(2, 4)))
    generator.unloadLora('lora-a')
    expect(generator.load().loraBytes).toBe(0)
    await generator.close()
  })

  it.each([
    { expectsLoras: true, when: 'at the start where loras are expected' },
    { expectsLoras: false, when: 'for the first lora otherwise' },
  ])('reads the weights for loras $when', async ({ expectsLoras }) => {
    const stored = tinyWeights()
    let reads = 0
    const weights = {
      float32: (name: string) => {
        reads++
        return stored.float32(name)
      },
    }
    const generator = await create({ weights, expectsLoras })
    const atStart = reads
    await collect(generator, request(prompt(1, 4)))
    expect(reads).toBe(atStart)
    await collect(generator, request(prompt(1, 4), { lora: 'lora-a' }))
    const once = expectsLoras ? atStart / 2 : atStart
    expect(reads).toBe(2 * once)
    const mixed = ['lora-a', null].map((lora) => request(prompt(1, 4), { lora }))
    await Promise.all(mixed.map((one) => collect(generator, one)))
    expect(reads).toBe(3 * once)
    await generator.close()
  })

  it('fails waiting and running requests when it is closed', async () => {
    const generator = await create({ maxRows: 1 })
    const pending = [1, 2].map((seed) =>
      collect(generator, request(prompt(seed, 4), { maxTokens: 400 }))
    )
    const settled = Promise.allSettled(pending)
    await generator.close()
    for (const result of await settled)
      expect(result).toMatchObject({ reason: { code: 'engine-unavailable' } })
    await expect(collect(generator, request(prompt(1, 4)))).rejects.toMatchObject({
      code: 'engine-unavailable',
    })
  })
})

describe('4-bit weights', () => {
  it('score close to float32 with the same weights', async () => {
    const weights = quantizedWeights(tinyConfig, tinyWeights())
    const q4 = await create({ weights })
    const float32 = await create({ weights: { float32: (name) => weights.float32(name) } })
    const row = prompt(5, 60)
    const options = { from: 1, lora: 'lora-a', usePrefixCache: false }
    const [approximate, exact] = [
      await q4.score(row, options, never),
      await float32.score(row, options, never),
    ]
    const errors = approximate.map((score, index) => Math.abs(score - exact[index]!))
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length
    // activations are rounded to 8 bits
    expect(mean).toBeLessThan(0.25)
    expect(exact.reduce((sum, score) => sum - score, 0) / exact.length).toBeGreaterThan(1)
    await Promise.all([q4.close(), float32.close()])
  })

  it('need inputs in whole blocks of 32', () => {
    const config = { ...tinyConfig, intermediateSize: 80 }
    expect(() => quantizedWeights(config, tinyWeights(config))).toThrow(/80 inputs/)
  })
})
