import { describe, expect, it } from 'vitest'
import { changesNothing, contradiction, toleranceOf } from '../../adapters/gpu/probe.ts'
import {
  completionBody,
  eventsOf,
  failure,
  readScores,
  readStep,
  rootOf,
  scoreBody,
} from '../../adapters/gpu/vllm/vllm-wire.ts'
import type { GenerationRequest } from '../../adapters/text/tokens.ts'

const REQUEST: GenerationRequest = {
  promptIds: [5, 6],
  lora: 'lora-1',
  maxTokens: 7,
  sampling: { temperature: 0.5, topP: 0.9, seed: -3 },
  topLogprobs: 2,
  constraint: null,
  endIds: [2],
  usePrefixCache: true,
}
const FREE = { choices: null, calls: null, jsonObject: false }

const bound = (bounds: object) =>
  completionBody('m', { ...REQUEST, bounds: { ...FREE, ...bounds } })

describe('requests to vLLM', () => {
  it('are token ids with every value of sampling', () => {
    expect(completionBody('lora-1', REQUEST)).toEqual({
      model: 'lora-1',
      prompt: [5, 6],
      max_tokens: 7,
      temperature: 0.5,
      top_p: 0.9,
      seed: 3,
      stop_token_ids: [2],
      stream: true,
      logprobs: 2,
      return_token_ids: true,
      return_tokens_as_token_ids: true,
    })
  })

  it('bind choices and JSON by structured outputs', () => {
    expect(bound({ choices: ['a', 'b'] })).toMatchObject({
      structured_outputs: { choice: ['a', 'b'] },
    })
    expect(bound({ jsonObject: true })).toMatchObject({ structured_outputs: { json_object: true } })
    expect(bound({})).not.toHaveProperty('structured_outputs')
  })

  it('salt the prefix cache where nothing of it may be used', () => {
    const salts = [1, 2].map(() => completionBody('m', { ...REQUEST, usePrefixCache: false }))
    const [one, other] = salts as { cache_salt: string }[]
    expect(one!.cache_salt).toHaveLength(43)
    expect(one!.cache_salt).not.toBe(other!.cache_salt)
  })
})

const chunksOf = async function* (text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const all = async (events: AsyncIterable<string>): Promise<string[]> => {
  const found: string[] = []
  for await (const event of events) found.push(event)
  return found
}

const answer = (given: unknown[]) => ({
  model: 'm',
  choices: [{ prompt_logprobs: given, logprobs: { token_logprobs: [-3] } }],
})

describe('answers of vLLM', () => {
  it('are read wherever the stream is cut', async () => {
    const text = ': ping\ndata: {"a":"é"}\n\ndata: {"b":2}\r\n\ndata: [DONE]\n\n'
    for (let size = 1; size < text.length + 2; size++)
      expect(await all(eventsOf(chunksOf(text, size)))).toEqual(['{"a":"é"}', '{"b":2}'])
  })

  it('whose event has no end are not kept', async () => {
    await expect(all(eventsOf(chunksOf('a'.repeat(2 ** 23), 2 ** 20)))).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/more than \d+ characters/),
    })
  })

  it('that end before their end are a fault of vLLM', async () => {
    await expect(all(eventsOf(chunksOf('data: {}\n\n', 100)))).rejects.toMatchObject({
      code: 'engine-unavailable',
    })
  })

  it('have tokens with log-probabilities, best first, the sampled one before its equals', () => {
    const top = { 'token_id:9': -0.5, 'token_id:4': -0.2, 'token_id:7': -0.5 }
    const choice = {
      token_ids: [7],
      finish_reason: 'stop',
      logprobs: { token_logprobs: [-0.5], top_logprobs: [top] },
    }
    const { tokens, finishReason } = readStep(JSON.stringify({ choices: [choice] }), 2)
    expect(finishReason).toBe('stop')
    expect(tokens).toEqual([
      {
        tokenId: 7,
        logprob: -0.5,
        top: [
          { tokenId: 4, logprob: -0.2 },
          { tokenId: 7, logprob: -0.5 },
        ],
      },
    ])
  })

  it.each([
    ['half an event', '{"choices":', 'internal'],
    ['another form', '{"choices":[{"token_ids":[1]}]}', 'internal'],
    ['an error', '{"error":{"message":"out of memory"}}', 'engine-unavailable'],
    ['an end by force', '{"choices":[{"finish_reason":"abort"}]}', 'engine-unavailable'],
  ])('in %s are an error', (_, data, code) => {
    expect(() => readStep(data, 0)).toThrow(expect.objectContaining({ code }))
  })

  it('have the scores of given tokens, and of no others', () => {
    expect(scoreBody('m', [5, 6, 7])).toMatchObject({ prompt: [5, 6], allowed_token_ids: [7] })
    expect(readScores(answer([null, { 6: { logprob: -2 } }]), [5, 6, 7])).toEqual({
      model: 'm',
      fingerprint: null,
      nats: [-2, -3],
    })
    for (const given of [[null, { 8: { logprob: -2 } }], [null], null as unknown as unknown[]])
      expect(() => readScores(answer(given), [5, 6, 7])).toThrow(/no log-probabilities/)
  })

  it.each([
    [
      'vLLM',
      {
        data: [
          { id: 'lora', root: '/l' },
          { id: 'm', root: '/models/m' },
        ],
      },
      '/models/m',
    ],
    ['a server without paths', { data: [{ id: 'm' }] }, null],
    ['a router without the route', 'not found', null],
    ['an error', { error: { message: 'no' } }, null],
  ])('have the path of the base model: %s', (_, models, path) => {
    expect(rootOf(models, 'm')).toBe(path)
  })

  it('that refuse mean one thing each', () => {
    const refused = failure(400, { error: { message: 'too long' } })
    expect([refused.code, refused.message]).toEqual([
      'invalid-request',
      'vLLM refuses the request: too long',
    ])
    // found by a resolver, and half gone
    const half = "LoRA adapter 'm' was found but could not be loaded."
    expect(failure(400, { error: { message: half } }).code).toBe('engine-unavailable')
    expect(failure(404, { error: { message: 'no lora' } }).code).toBe('engine-unavailable')
    expect(failure(500, 'dead').message).toBe('vLLM failed: dead')
  })
})

const moved = (values: number[]) => values.map((value) => value + 0.04)

describe('the proof of a lora', () => {
  const probe = {
    prompt_ids: [1],
    completions: [
      [2, 3],
      [4, 5],
    ],
    base: [-5, -4, -6, -2],
    lora: [-1, -3, -6, -2.5],
    placement: 'float32',
  }
  const exact = toleranceOf('float32')

  it('holds where the server changes what training changed, whatever the base says', () => {
    expect(contradiction(probe, probe.base, probe.lora, exact)).toBeNull()
    expect(contradiction(probe, moved(probe.base), moved(probe.lora), exact)).toBeNull()
  })

  it.each([
    ['not applied', probe.base, /changes nothing there/],
    ['another one', [-5, -1, -3, -2], /nats there and by 4\.15 in training/],
    ['applied twice', [3, -2, -6, -3], /apart/],
    ['broken', [Number.NaN, -1, -1, -1], /not numbers/],
    ['cut off', [-1], /not numbers/],
  ])('fails for a lora that is %s', (_, lora, message) => {
    expect(contradiction(probe, probe.base, lora, exact)).toMatch(message)
  })

  it('fails on another base model', () => {
    const other = probe.base.map((value) => value - 0.1)
    expect(contradiction(probe, other, other, exact)).toMatch(/base model differs/)
  })

  it('measures the noise on the base model, so that a weak lora passes where kernels differ', () => {
    const noise = [0.05, -0.04, 0.06, -0.05]
    const weak = { ...probe, lora: probe.base.map((value) => value + 0.1), placement: 'bfloat16' }
    const base = weak.base.map((value, at) => value + noise[at]!)
    const lora = weak.lora.map((value, at) => value - noise[at]!)
    expect(contradiction(weak, base, lora, toleranceOf('bfloat16', 'bfloat16'))).toBeNull()
    // the same difference between equal kernels is no noise
    expect(contradiction(weak, weak.base, lora, exact)).not.toBeNull()
  })

  it('is as strict as the coarser of training and serving', () => {
    expect(toleranceOf('float32', 'bfloat16')).toBe(toleranceOf('bfloat16'))
    expect(toleranceOf('bfloat16 4-bit', 'float32').share).toBe(0.5)
  })

  it('asks a lora without a probe to change more than asking twice does', () => {
    expect(changesNothing([-1, -2], [-1, -2], [-1, -2])).toBe(true)
    expect(changesNothing([-1, -2], [-1, -2.01], [-1.01, -2])).toBe(true)
    expect(changesNothing([-1, -2], [-1, -2.01], [-1.5, -2])).toBe(false)
  })
})
