import { describe, expect, it } from 'vitest'
import { createAsk, createReplay } from '../../src/worker/replay.ts'
import type { NamedUpstream } from '../../src/core/upstream-choice.ts'

const entry = (name: string, apiKey: string | null): NamedUpstream => ({
  name,
  baseUrl: `https://${name}/v1`,
  apiKey,
  models: [`${name}-*`],
  fallback: [],
})

const asked: [string, RequestInit][] = []
const faults: unknown[][] = []
const fault = (...reported: unknown[]): void => void faults.push(reported)
const answering = (status: number): typeof fetch =>
  (async (url: string, init: RequestInit) => {
    asked.push([url, init])
    return new Response('{"answer":1}', { status })
  }) as typeof fetch

const replayWith = (standardKey: string | null, answer: typeof fetch = answering(200)) => {
  asked.length = 0
  faults.length = 0
  return createReplay({
    standard: { baseUrl: 'https://standard/v1', apiKey: standardKey },
    upstreams: [entry('east', 'sk-east'), entry('plain', null)],
    fetch: answer,
    fault,
  })
}

const body = (model: string, path = '/v1/chat/completions') => ({
  path,
  request: JSON.stringify({ model, stream: true, stream_options: { include_usage: true } }),
})

describe('a replay', () => {
  it('asks the upstream of its model, with that upstream`s key, for a whole answer', async () => {
    const replay = replayWith('sk-standard')!
    expect(await replay(body('east-1'))).toBe('{"answer":1}')
    expect(await replay(body('gpt-4o'))).toBe('{"answer":1}')
    expect(await replay(body('gpt-4o', '/v1/responses?trace=1'))).toBe('{"answer":1}')
    const seen = asked.map(([url, { headers, body: sent }]) => [
      url,
      (headers as Record<string, string>)['authorization'],
      JSON.parse(String(sent)),
    ])
    expect(seen).toEqual([
      ['https://east/v1/chat/completions', 'Bearer sk-east', { model: 'east-1', stream: false }],
      [
        'https://standard/v1/chat/completions',
        'Bearer sk-standard',
        { model: 'gpt-4o', stream: false },
      ],
      [
        'https://standard/v1/responses',
        'Bearer sk-standard',
        // the provider keeps no copy
        { model: 'gpt-4o', stream: false, store: false },
      ],
    ])
  })

  it('sends nothing to an upstream without a key, and never the key of another', async () => {
    expect(await replayWith('sk-standard')!(body('plain-1'))).toBeNull()
    expect(await replayWith(null)!(body('gpt-4o'))).toBeNull()
    expect(asked).toEqual([])
  })

  it('is null on any failure, and is not there without any key', async () => {
    expect(await replayWith('k', answering(401))!(body('gpt-4o'))).toBeNull()
    expect(faults).toEqual([
      [
        'replay',
        expect.objectContaining({ message: expect.stringContaining('401') }),
        { host: 'standard' },
      ],
    ])
    const failing = (() => Promise.reject(new Error('away'))) as typeof fetch
    expect(await replayWith('k', failing)!(body('gpt-4o'))).toBeNull()
    expect(faults).toEqual([['replay', new Error('away'), { host: 'standard' }]])
    const brokenOff = (async () => {
      const text = new ReadableStream({ start: (stream) => stream.error(new Error('broken off')) })
      return new Response(text)
    }) as unknown as typeof fetch
    expect(await replayWith('k', brokenOff)!(body('gpt-4o'))).toBeNull()
    expect(faults).toHaveLength(1)
    const standard = { baseUrl: 'https://standard/v1', apiKey: null }
    expect(createReplay({ standard, upstreams: [], fetch: failing, fault })).toBeNull()
  })

  it('reads no answer without an end, and says so', async () => {
    let parts = 0
    const part = new Uint8Array(2 ** 20)
    const endless = (async () => {
      const text = new ReadableStream({ pull: (stream) => (parts++, stream.enqueue(part)) })
      return new Response(text)
    }) as unknown as typeof fetch
    expect(await replayWith('k', endless)!(body('gpt-4o'))).toBeNull()
    expect(parts).toBeLessThan(100)
    expect(String(faults[0]![1])).toContain('more than')
  }, 10_000)

  it('follows no redirect, which would take the question to an address that the upstream chose', async () => {
    const standard = { baseUrl: 'https://standard/v1', apiKey: 'k' }
    const ask = createAsk({ standard, upstreams: [], fetch: answering(307) })!
    expect(await ask(body('gpt-4o'))).toMatchObject({ status: 307 })
    expect(asked.at(-1)![1].redirect).toBe('manual')
  })

  it.each([
    ['another host', { api_base: 'http://10.0.0.1' }],
    ['other models', { models: ['gpt-5-pro'] }],
    ['a hosted server', { tools: [{ type: 'mcp', server_url: 'http://10.0.0.1' }] }],
  ])('does not take the key of the operator to what a caller chose: %s', async (_what, fields) => {
    const replay = replayWith('sk-standard')!
    const messages = [{ role: 'user', content: 'hi' }]
    const request = JSON.stringify({ model: 'gpt-4o', messages, ...fields })
    expect(await replay({ path: '/v1/chat/completions', request })).toBeNull()
    expect(asked).toEqual([])
    const usual = JSON.stringify({ model: 'gpt-4o', messages, temperature: 0 })
    expect(await replay({ path: '/v1/chat/completions', request: usual })).toBe('{"answer":1}')
  })
})
