import { setMaxListeners } from 'node:events'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CompletionEnd, TokenDelta } from '../../adapters/host/backend.ts'
import { createChoices } from '../../adapters/text/constraint/constraint.ts'
import { createGenerator } from '../../adapters/onnx/generate/generator.ts'
import type { Generator } from '../../adapters/onnx/generate/generator.ts'
import { JsonObjectValidator } from '../../adapters/text/constraint/json-validator.ts'
import { PrefixCache } from '../../adapters/onnx/generate/prefix-cache.ts'
import { largest, Sampler } from '../../adapters/onnx/generate/sampler.ts'
import { generateText, TextAssembler } from '../../adapters/text/generate-text.ts'
import type { TextRequest } from '../../adapters/text/generate-text.ts'
import {
  END_ID,
  seededRandom,
  tinyConfig,
  tinyVocabulary,
  tinyWeights,
} from '../kit/model/tiny-llama.ts'

const never = new AbortController().signal
setMaxListeners(0, never)
const encoder = new TextEncoder()

const textRequest = (more: Partial<TextRequest> = {}): TextRequest => ({
  promptIds: tinyVocabulary.encode('What is it?'),
  lora: null,
  maxTokens: 20,
  temperature: 0,
  topP: 1,
  seed: 1,
  stop: [],
  topLogprobs: 0,
  choices: null,
  calls: null,
  jsonObject: false,
  usePrefixCache: true,
  ...more,
})

const collect = async (
  generator: Generator,
  request: TextRequest
): Promise<{ text: string; deltas: TokenDelta[]; end: CompletionEnd }> => {
  const stream = generateText(generator, tinyVocabulary, request, never)
  const deltas: TokenDelta[] = []
  for (;;) {
    const { done, value } = await stream.next()
    if (done) return { text: deltas.map((delta) => delta.text).join(''), deltas, end: value }
    deltas.push(value)
  }
}

const sumOfLogprobs = (deltas: TokenDelta[]): number =>
  deltas.flatMap((delta) => delta.logprobs).reduce((sum, { logprob }) => sum + logprob, 0)

describe('constrained generation', () => {
  let generator: Generator
  beforeAll(async () => {
    generator = await createGenerator({
      config: tinyConfig,
      weights: tinyWeights(),
      loadLora: () => Promise.reject(new Error('there are no loras here')),
      threads: 1,
    })
  })
  afterAll(() => generator.close())

  const choices = ['card', 'card payment', 'cash', 'é', 'transfer']

  it('says nothing but one of the choices, at every seed and temperature', async () => {
    const said = new Set<string>()
    for (let seed = 0; seed < 30; seed++) {
      const { text, end } = await collect(
        generator,
        textRequest({ choices, seed, temperature: seed % 3, topP: 0.95 })
      )
      expect(choices).toContain(text)
      expect(end.finishReason).toBe('stop')
      said.add(text)
    }
    expect(said.size).toBeGreaterThan(1)
  })

  it('reports probabilities that sum to one over the choices, one being the beginning of another', async () => {
    const probabilities = []
    for (const choice of choices) {
      const encodings = choices.map((one) => tinyVocabulary.encode(one))
      const path = [...tinyVocabulary.encode(choice), END_ID]
      // follows one choice through the model's distribution over all choices
      const inner = createChoices(encodings, END_ID)
      let logprob = 0
      const ids = [...textRequest().promptIds]
      for (const id of path) {
        const allowed = inner.candidates()!
        const scores = await Promise.all(
          allowed.map(async (candidate) => {
            const row = [...ids, candidate]
            const options = { from: ids.length, lora: null, usePrefixCache: false }
            return (await generator.score(row, options, never))[0]!
          })
        )
        const total = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0))
        logprob += scores[allowed.indexOf(id)]! - total
        inner.advance(id)
        ids.push(id)
      }
      probabilities.push(Math.exp(logprob))
    }
    expect(probabilities.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5)
    const { text, deltas } = await collect(generator, textRequest({ choices }))
    expect(Math.exp(sumOfLogprobs(deltas))).toBeCloseTo(probabilities[choices.indexOf(text)]!, 4)
  })

  it('is certain of the only choice', async () => {
    const { text, deltas } = await collect(generator, textRequest({ choices: ['only this'] }))
    expect(text).toBe('only this')
    expect(sumOfLogprobs(deltas)).toBeCloseTo(0, 6)
  })

  it('knows the rest of an answer once only one choice is left', () => {
    const constraint = createChoices(
      [
        [1, 2, 3],
        [1, 4, 5, 6],
        [1, 4, 5, 6, 7],
      ],
      END_ID
    )
    constraint.advance(1)
    expect(constraint.forced()).toEqual([])
    constraint.advance(4)
    // not forced to the end: the answer may go on behind 6
    expect(constraint.forced()).toEqual([])
    for (const id of [5, 6, 7]) constraint.advance(id)
    expect(constraint.forced()).toEqual([END_ID])
  })

  it('writes one JSON object at every seed, temperature and limit of tokens', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.constantFrom(0, 0.7, 1.5, 5),
        fc.integer({ min: 2, max: 60 }),
        async (seed, temperature, maxTokens) => {
          const promptIds = tinyVocabulary.encode(`JSON ${seed}`)
          const { text, end } = await collect(
            generator,
            textRequest({ promptIds, jsonObject: true, seed, temperature, maxTokens })
          )
          const value: unknown = JSON.parse(text)
          expect(value).toBeTypeOf('object')
          expect(text.startsWith('{')).toBe(true)
          expect(text).not.toContain('\uFFFD')
          expect(end.finishReason).toBe('stop')
          expect(end.usage.completion_tokens).toBeLessThanOrEqual(maxTokens)
        }
      ),
      { numRuns: 40 }
    )
  })

  it('counts tokens as they were processed', async () => {
    const request = textRequest({ promptIds: tinyVocabulary.encode('x'.repeat(40)), maxTokens: 5 })
    await collect(generator, request)
    const { end } = await collect(generator, request)
    expect(end.usage).toEqual({
      prompt_tokens: 40,
      completion_tokens: 5,
      total_tokens: 45,
      prompt_tokens_details: { cached_tokens: 32 },
    })
  })

  it('frees the row when the consumer leaves the loop', async () => {
    const stream = generateText(generator, tinyVocabulary, textRequest({ maxTokens: 400 }), never)
    for await (const delta of stream) if (delta) break
    await collect(generator, textRequest({ maxTokens: 1 }))
    expect(generator.load().running).toBe(0)
  })
})

/** Pushes text byte by byte, each byte a token. */
const assemble = (text: string, stop: string[]): { deltas: TokenDelta[]; stopped: boolean } => {
  const assembler = new TextAssembler(tinyVocabulary, { stop, showEnd: false })
  const deltas: TokenDelta[] = []
  let stopped = false
  for (const tokenId of encoder.encode(text)) {
    stopped = assembler.push({ tokenId, logprob: -1, top: [] })
    deltas.push(...assembler.take())
    if (stopped) break
  }
  assembler.end()
  deltas.push(...assembler.take())
  return { deltas, stopped }
}

const joined = (deltas: TokenDelta[]): string => deltas.map(({ text }) => text).join('')

describe('text from tokens', () => {
  it('shows only whole characters, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { deltas } = assemble(text, [])
        expect(joined(deltas)).toBe(text)
        for (const delta of deltas) expect(delta.text).not.toMatch(/\p{Surrogate}/u)
        expect(deltas.flatMap(({ logprobs }) => logprobs)).toHaveLength(encoder.encode(text).length)
      })
    )
  })

  it('cuts at the first stop string, split over tokens anyhow', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 3 })
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', ' ') })
    fc.assert(
      fc.property(text, fc.array(word, { maxLength: 3 }), (whole, stop) => {
        const { deltas, stopped } = assemble(whole, stop)
        const ends = stop
          .map((one) => whole.indexOf(one) + one.length)
          .filter((_, index) => whole.includes(stop[index]!))
        expect(stopped).toBe(ends.length > 0)
        const shown = joined(deltas)
        expect(whole.startsWith(shown)).toBe(true)
        for (const one of stop) expect(shown).not.toContain(one)
        if (ends.length === 0) expect(shown).toBe(whole)
      })
    )
  })

  it('holds back what may become a stop string and releases it when it does not', () => {
    const assembler = new TextAssembler(tinyVocabulary, { stop: ['END'], showEnd: false })
    const push = (text: string): string => {
      for (const tokenId of encoder.encode(text)) assembler.push({ tokenId, logprob: 0, top: [] })
      return joined(assembler.take())
    }
    expect(push('xEN')).toBe('x')
    expect(push('E')).toBe('EN')
    expect(push('ND')).toBe('')
    assembler.end()
    expect(assembler.take()).toEqual([])
  })

  it('reports no log-probabilities of tokens that lie in the stop string', () => {
    const { deltas } = assemble('ab##c', ['##'])
    const tokens = deltas.flatMap(({ logprobs }) => logprobs).map(({ token }) => token)
    expect(tokens).toEqual(['a', 'b'])
  })

  it('shows a character that never became whole as U+FFFD', () => {
    const assembler = new TextAssembler(tinyVocabulary, { stop: [], showEnd: false })
    assembler.push({ tokenId: 0xe6, logprob: 0, top: [] })
    expect(assembler.take()).toEqual([])
    assembler.end()
    expect(joined(assembler.take())).toBe('\uFFFD')
  })
})

const accepts = (text: string): JsonObjectValidator | null =>
  JsonObjectValidator.start().feed(encoder.encode(text))

describe('JSON object validator', () => {
  it('accepts every JSON object and completes exactly at its end', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        fc.constantFrom(0, 2),
        (value, indent) => {
          const text = JSON.stringify(value, null, indent)
          expect(accepts(text)?.complete).toBe(true)
          expect(accepts(text.slice(0, -1))?.complete).toBe(false)
          expect(accepts(`${text} `)).toBeNull()
        }
      )
    )
  })

  it('accepts no more than JSON.parse does', () => {
    const tokens = '{ } [ ] " : , \\ u 0 1 - . e + tru true null a {"a": \\u12 é'.split(' ')
    const piece = fc.constantFrom(...tokens, ' ', '\n', '\t', '\u0001')
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = `{"k":${pieces.join('')}}`
        if (accepts(text)?.complete) expect(() => JSON.parse(text) as unknown).not.toThrow()
      }),
      { numRuns: 2000 }
    )
  })

  it('can always be completed in as many bytes as it says', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (value, cut) => {
        const bytes = encoder.encode(JSON.stringify(value))
        let state = JsonObjectValidator.start().feed(bytes.subarray(0, cut % bytes.length))!
        for (let left = state.bytesToEnd; left > 0; left--) {
          expect(state.bytesToEnd).toBe(left)
          const next = Array.from({ length: 256 }, (_, byte) => state.feed(Uint8Array.of(byte)))
          state = next.find((one) => one !== null && one.bytesToEnd === left - 1)!
          expect(state).toBeDefined()
        }
        expect(state.complete).toBe(true)
      }),
      { numRuns: 50 }
    )
  })

  it('refuses bytes that are not UTF-8 in a string', () => {
    const inString = accepts('{"a')!
    const refused = [[0x80], [0xc0], [0xf5], [0xe0, 0x80], [0xed, 0xa0], [0xf4, 0x90], [0xc3, 0x28]]
    for (const bytes of refused) expect(inString.feed(Uint8Array.from(bytes))).toBeNull()
  })

  it('refuses nesting without end', () => {
    expect(accepts(`{"a":${'['.repeat(63)}`)).not.toBeNull()
    expect(accepts(`{"a":${'['.repeat(64)}`)).toBeNull()
  })
})

const sampler = (temperature: number, topP: number, seed = 1): Sampler =>
  new Sampler({ temperature, topP, seed }, 0)

describe('sampler', () => {
  const logprobs = Float32Array.from([0.1, 0.5, 0.25, 0.15], Math.log)

  it('takes the most probable token at temperature 0', () => {
    expect(sampler(0, 1).choose(logprobs, null)).toMatchObject({ tokenId: 1 })
  })

  it('draws tokens as often as their probability says', () => {
    const counts = [0, 0, 0, 0]
    const one = sampler(1, 1)
    for (let i = 0; i < 4000; i++) counts[one.choose(logprobs, null)!.tokenId]!++
    for (const [id, probability] of [0.1, 0.5, 0.25, 0.15].entries())
      expect(counts[id]! / 4000).toBeCloseTo(probability, 1)
  })

  it('draws only from the nucleus', () => {
    const one = sampler(1, 0.7)
    const drawn = new Set(Array.from({ length: 500 }, () => one.choose(logprobs, null)!.tokenId))
    expect([...drawn].sort()).toEqual([1, 2])
  })

  it('takes the best token when the nucleus is empty', () => {
    const one = sampler(1, 0)
    expect(one.choose(logprobs, null)).toMatchObject({ tokenId: 1 })
  })

  it('finds the largest values in order', () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true, minLength: 1 }), fc.nat(8), (values, count) => {
        const found = largest(values, count).map((index) => values[index]!)
        const expected = values.toSorted((a, b) => b - a).subarray(0, count)
        expect(found.map((value) => value + 0)).toEqual([...expected].map((value) => value + 0))
      })
    )
  })
})

const data = (): Float32Array => new Float32Array(256)
const prompt = (seed: number, length: number): number[] => {
  const random = seededRandom(seed)
  return Array.from({ length }, () => Math.floor(random() * 1000))
}

describe('prefix cache', () => {
  it('stays within its bytes and keeps the blocks that were used last', () => {
    const cache = new PrefixCache({ maxBytes: 8 * 1500 })
    for (let seed = 0; seed < 50; seed++) {
      cache.store(null, prompt(seed, 64), data)
      cache.find(null, prompt(0, 64), 64)
      expect(cache.bytes).toBeLessThanOrEqual(8 * 1500)
    }
    expect(cache.find(null, prompt(0, 64), 64)).toHaveLength(2)
    expect(cache.find(null, prompt(1, 64), 64)).toHaveLength(0)
  })

  it('finds a block only behind the same tokens and for the same lora', () => {
    const cache = new PrefixCache({ maxBytes: 1e6 })
    const ids = prompt(1, 96)
    cache.store('lora', ids, data)
    expect(cache.find('lora', ids, 95)).toHaveLength(2)
    expect(cache.find('lora', [...ids.slice(0, 64), ...prompt(2, 32)], 96)).toHaveLength(2)
    expect(cache.find('lora', [ids[0]! + 1, ...ids.slice(1)], 96)).toHaveLength(0)
    expect(cache.find(null, ids, 96)).toHaveLength(0)
  })
})
