/** Exchanges of keys with limits: reserved before the call, settled with what the answer says. */
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyLimits } from '../../src/core/keys/issued-key.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  errorOf,
  eventually,
  LIMITS,
  onDemand,
  respondEvents,
  respondJson,
  type RawAnswer,
  type Responder,
} from '../kit/proxy/harness.ts'
import { keyFor, secretFor, startKeyed, type Keyed } from '../kit/proxy/keyed.ts'

let keyed: Keyed

const BODY_BYTES = chatBody('hi', { max_tokens: 6 }).length
/** Four bytes a token, for a rate. */
const PROMPT_TOKENS = Math.ceil(BODY_BYTES / 4)
/** Tokens that a rate reserves. */
const RESERVED = PROMPT_TOKENS + 6
/** A token a byte at 1 cent, and six of the answer at 2: what a budget reserves. */
const RESERVED_USD = BODY_BYTES * 0.01 + 0.12

const start = async (
  limits: Partial<KeyLimits>,
  overrides: Partial<ProxyDeps> = {}
): Promise<void> => {
  keyed = await startKeyed([keyFor('a', limits)], overrides)
}

afterEach(() => keyed.harness.close())

const headers = { authorization: `Bearer ${secretFor('a')}` }

const ask = (extra: Record<string, unknown> = {}): Promise<RawAnswer> =>
  keyed.harness.send(chatBody('hi', { max_tokens: 6, ...extra }), { headers })

/** @returns what an exchange with this answer took of the key */
const spendOf = async (
  respond: Responder,
  extra: Record<string, unknown> = {}
): Promise<Keyed['spends'][number]> => {
  const before = keyed.spends.length
  keyed.harness.upstream.respond = respond
  await ask(extra)
  await eventually(() => keyed.spends.length > before)
  return keyed.spends[before]!
}

const budget = (usd: number): Partial<KeyLimits> => ({ budget: { usd, period: 'total' } })

describe('a budget', () => {
  it('is checked before the call', async () => {
    await start(budget(RESERVED_USD - 0.01))
    const refused = await ask()
    expect(refused.status).toBe(429)
    expect(errorOf(refused)).toMatchObject({ type: 'rate_limit_error', code: 'insufficient_quota' })
    expect(refused.headers['retry-after']).toBeUndefined()
    expect(keyed.harness.upstream.requests).toEqual([])
  })

  it('is shared by requests at the same time, however long they take', async () => {
    await start(budget(2 * RESERVED_USD))
    const { respond, answer } = onDemand(completion('late'))
    keyed.harness.upstream.respond = respond
    const running = [ask(), ask()]
    await eventually(() => keyed.harness.upstream.requests.length === 2)
    const refused = await ask()
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1'])
    keyed.clock.now += 600_000
    expect((await ask()).status).toBe(429)
    for (const _ of running) answer()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200])
    await eventually(() => keyed.spends.length === 2)
    // the answers took 9 tokens at 1 cent and 3 at 2 each
    expect(keyed.spends.map(({ usd }) => usd)).toEqual([0.15, 0.15])
    keyed.harness.upstream.respond = respondJson(completion('again'))
    expect((await ask()).status).toBe(200)
  })
})

describe('usage that is not a number', () => {
  it('does not corrupt the sums', async () => {
    await start({ ...budget(100), tokensPerMinute: 1000 })
    for (const usage of [
      { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 'all' } },
      { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 1e9 } },
      { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: null },
      { prompt_tokens: -1, completion_tokens: 3 },
      { prompt_tokens: 9 },
      'much',
      [],
      null,
    ]) {
      const { tokens, usd } = await spendOf(respondJson({ ...completion('x'), usage }))
      expect(tokens).toBeGreaterThanOrEqual(12)
      expect(tokens).toBeLessThanOrEqual(PROMPT_TOKENS + 60)
      expect(usd).toBeGreaterThan(0)
      expect(usd).toBeLessThanOrEqual(RESERVED_USD)
    }
  })
})

describe('tokens a minute', () => {
  it('count an image as one, whatever its bytes are', async () => {
    await start({ tokensPerMinute: 2000 })
    const content = [
      { type: 'text', text: 'hi' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(100_000)}` } },
    ]
    expect((await ask({ messages: [{ role: 'user', content }] })).status).toBe(200)
  })

  it('count every choice that is asked for, and a default where no limit is set', async () => {
    await start({ tokensPerMinute: 1000 })
    expect((await ask({ n: 200 })).status).toBe(429)
    expect((await ask({ max_tokens: null })).status).toBe(429)
    expect((await ask({ max_completion_tokens: 900 })).status).toBe(200)
  })
})

const STREAM = [
  { choices: [{ index: 0, delta: { role: 'assistant', content: 'word '.repeat(8) } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
]
  .map((chunk) => `data: ${JSON.stringify({ id: 'c', model: 'm', ...chunk })}\n\n`)
  .join('')

const USAGE_CHUNK = `data: ${JSON.stringify({ id: 'c', choices: [], usage: completion('').usage })}\n\n`
const DONE = 'data: [DONE]\n\n'

const CACHED = {
  prompt_tokens: 100,
  completion_tokens: 0,
  total_tokens: 100,
  prompt_tokens_details: { cached_tokens: 80 },
}

const gzipped: Responder = (_request, response) =>
  response
    .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    .end(gzipSync(JSON.stringify(completion('x'))))

describe('a key without limits', () => {
  it('has every answered completion counted, by what the answer says or by its text', async () => {
    await start({})
    const { upstream } = keyed.harness
    const streamed = respondEvents(STREAM + USAGE_CHUNK + DONE)
    for (const respond of [respondJson(completion('x')), gzipped, streamed])
      expect(await spendOf(respond, { stream: respond === streamed })).toEqual({
        keyId: 'a',
        tokens: 12,
        usd: 0.15,
      })
    const silent = await spendOf(respondEvents(STREAM + DONE), { stream: true })
    expect(silent.tokens).toBeGreaterThanOrEqual(PROMPT_TOKENS + 10)
    expect(silent.tokens).toBeLessThan(PROMPT_TOKENS + 50)
    expect(silent.usd).toBeGreaterThan(0.01 * PROMPT_TOKENS)
    // the upstream gets the client's own bytes
    expect(upstream.bodies().at(-1)).toBe(chatBody('hi', { max_tokens: 6, stream: true }))
    upstream.respond = respondJson({ error: {} }, 500)
    expect((await ask()).status).toBe(500)
    expect(keyed.spends).toHaveLength(4)
  })

  it('may send a body that cannot be read', async () => {
    await start({})
    const deep = `{"model":"gpt-4o-mini","a":${'['.repeat(300)}${']'.repeat(300)}}`
    keyed.harness.upstream.respond = respondJson(completion('x'))
    expect((await keyed.harness.send(deep, { headers })).status).toBe(200)
    await eventually(() => keyed.spends.length === 1)
    expect(keyed.spends[0]!.tokens).toBe(12)
  })
})

describe('an exchange takes', () => {
  it('the usage that the answer says: plain, encoded, streamed, or served from a cache', async () => {
    await start({ tokensPerMinute: 10_000 })
    const streamed = respondEvents(STREAM + USAGE_CHUNK + DONE)
    for (const respond of [respondJson(completion('x')), gzipped, streamed])
      expect(await spendOf(respond, { stream: respond === streamed })).toEqual({
        keyId: 'a',
        tokens: 12,
        usd: 0.15,
      })
    const cached = await spendOf(respondJson({ ...completion('x'), usage: CACHED }))
    expect([cached.tokens, cached.usd]).toEqual([100, expect.closeTo(0.2 + 0.4)])
  })

  it('an estimate by the text of a stream without usage', async () => {
    await start({ tokensPerMinute: 1000 })
    const more = { stream: true, max_tokens: 500 }
    const { tokens } = await spendOf(respondEvents(STREAM + DONE), more)
    expect(tokens).toBeGreaterThanOrEqual(PROMPT_TOKENS + 10)
    expect(tokens).toBeLessThan(PROMPT_TOKENS + 50)
  })

  it('nothing where the upstream refuses or cannot be reached', async () => {
    await start({ tokensPerMinute: RESERVED + 5 })
    for (const status of [400, 401, 429, 500]) {
      keyed.harness.upstream.respond = respondJson({ error: {} }, status)
      // the whole reservation must be free again, or the next request would be refused
      expect((await ask()).status).toBe(status)
    }
    keyed.harness.upstream.close()
    expect((await ask()).status).toBe(502)
    expect((await ask()).status).toBe(502)
    expect(keyed.spends).toEqual([])
  })

  it('all that was reserved where the answer is too large, unreadable or not awaited', async () => {
    await start({ tokensPerMinute: 1000 }, { limits: { ...LIMITS, captureMaxBytes: 100 } })
    const tokens = [
      (await spendOf(respondJson(completion('x')))).tokens,
      (await spendOf(respondJson({ usage: { prompt_tokens: 'many' } }))).tokens,
    ]
    keyed.harness.upstream.respond = () => {}
    const isAsked = () => keyed.harness.upstream.requests.length === 3
    await keyed.harness.leave(isAsked, chatBody('hi', { max_tokens: 6 }), headers)
    await eventually(() => keyed.spends.length === 3)
    expect([...tokens, keyed.spends[2]!.tokens]).toEqual([RESERVED, RESERVED, RESERVED])
  })
})
