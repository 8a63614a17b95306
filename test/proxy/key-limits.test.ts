/** Tokens and money of issued keys: reserved before a call, settled with what was used. */
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyLimits } from '../../src/core/keys/issued-key.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import {
  chatBody,
  completion,
  eventually,
  LIMITS,
  respondJson,
  send,
  type RawAnswer,
  type Responder,
} from './harness.ts'
import { keyFor, secretFor, startKeyed, type Keyed } from './keyed.ts'

let keyed: Keyed

const BODY_BYTES = chatBody('hi', { max_tokens: 6 }).length
/** Four bytes a token, for a rate. */
const PROMPT_TOKENS = Math.ceil(BODY_BYTES / 4)
/** A token a byte at 1 cent, and six of the answer at 2: what a budget reserves. */
const RESERVED_USD = BODY_BYTES * 0.01 + 0.12

const start = async (
  limits: Partial<KeyLimits>,
  overrides: Partial<ProxyDeps> = {}
): Promise<void> => {
  keyed = await startKeyed([keyFor('a', limits)], overrides)
}

afterEach(() => keyed.harness.close())

const ask = (extra: Record<string, unknown> = {}): Promise<RawAnswer> =>
  send(keyed.harness.port, chatBody('hi', { max_tokens: 6, ...extra }), {
    headers: { authorization: `Bearer ${secretFor('a')}` },
  })

const settled = (count: number): Promise<void> => eventually(() => keyed.spends.length === count)

/** @returns what the exchange took of the key */
const spendOf = async (exchange: Promise<unknown>): Promise<Keyed['spends'][number]> => {
  await exchange
  await settled(1)
  return keyed.spends[0]!
}

const budget = (usd: number): Partial<KeyLimits> => ({ budget: { usd, period: 'total' } })

/** Answers wait until they are let go. */
const heldAnswers = (): { respond: Responder; release: () => void } => {
  const waiting: (() => void)[] = []
  return {
    respond: (request, response) =>
      void waiting.push(() => respondJson(completion('late'))(request, response)),
    release: () => {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

describe('a budget', () => {
  // the answer takes 9 tokens at 1 cent and 3 at 2: 15 cents
  it('peers 3.10: is checked before the call', async () => {
    await start(budget(RESERVED_USD - 0.01))
    const refused = await ask()
    expect(refused.status).toBe(429)
    expect(JSON.parse(refused.body.toString())).toMatchObject({
      error: { type: 'rate_limit_error', code: 'insufficient_quota' },
    })
    expect(refused.headers['retry-after']).toBeUndefined()
    expect(keyed.harness.upstream.requests).toEqual([])
  })

  it('peers 3.10: is shared by requests at the same time: they cannot overspend it together', async () => {
    await start(budget(2 * RESERVED_USD))
    const held = heldAnswers()
    keyed.harness.upstream.respond = held.respond
    const running = [ask(), ask()]
    await eventually(() => keyed.harness.upstream.requests.length === 2)
    const refused = await ask()
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1'])
    held.release()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200])
    await settled(2)
    keyed.harness.upstream.respond = respondJson(completion('again'))
    expect((await ask()).status).toBe(200)
    await settled(3)
    expect(keyed.spends.map(({ usd }) => usd)).toEqual([0.15, 0.15, 0.15])
  })

  it('is not opened by a request that runs for longer than ten minutes', async () => {
    await start(budget(1.5 * RESERVED_USD))
    const held = heldAnswers()
    keyed.harness.upstream.respond = held.respond
    const running = ask()
    await eventually(() => keyed.harness.upstream.requests.length === 1)
    keyed.clock.now += 600_000
    expect((await ask()).status).toBe(429)
    held.release()
    expect((await running).status).toBe(200)
    await settled(1)
    keyed.harness.upstream.respond = respondJson(completion('again'))
    expect((await ask()).status).toBe(200)
  })

  it('of a day is told to come back at midnight, UTC', async () => {
    await start({ budget: { usd: RESERVED_USD + 0.1, period: 'day' } })
    await ask()
    await settled(1)
    expect((await ask()).headers['retry-after']).toBe(String(12 * 3600))
    keyed.clock.now += 12 * 3_600_000
    expect((await ask()).status).toBe(200)
  })

  it('needs a price for the model', async () => {
    await start(budget(100))
    const refused = await ask({ model: 'without-a-price' })
    expect(refused.status).toBe(403)
    expect(refused.body.toString()).toContain('no price is configured')
    expect(keyed.harness.upstream.requests).toEqual([])
  })

  it('counts what the provider’s cache served at its price', async () => {
    await start(budget(100))
    keyed.harness.upstream.respond = respondJson({
      ...completion('x'),
      usage: {
        prompt_tokens: 100,
        completion_tokens: 0,
        total_tokens: 100,
        prompt_tokens_details: { cached_tokens: 80 },
      },
    })
    expect((await spendOf(ask())).usd).toBeCloseTo(0.2 + 0.4)
  })
})

describe('usage that is no number', () => {
  const ANSWERS = [
    { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 'all' } },
    { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 1e9 } },
    { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: null },
    { prompt_tokens: -1, completion_tokens: 3 },
    { prompt_tokens: 9 },
    'much',
    [],
    null,
  ]

  it.each(ANSWERS)('does not spoil the sums: %j', async (usage) => {
    await start({ ...budget(2), tokensPerMinute: 60 })
    keyed.harness.upstream.respond = respondJson({ ...completion('x'), usage })
    const { tokens, usd } = await spendOf(ask())
    expect(tokens).toBeGreaterThanOrEqual(12)
    expect(tokens).toBeLessThanOrEqual(PROMPT_TOKENS + 60)
    expect(usd).toBeGreaterThan(0)
    expect(usd).toBeLessThanOrEqual(RESERVED_USD)
  })
})

describe('tokens a minute', () => {
  it('are reserved before the call and come back at the speed of the limit', async () => {
    await start({ tokensPerMinute: 60 })
    const wanted = PROMPT_TOKENS + 6
    expect((await ask()).status).toBe(200)
    await settled(1)
    const long = { max_tokens: 6 + (60 - 12 - wanted) + 4 }
    // 12 were used, 48 are left, 52 are wanted: 4 come back in 4 seconds
    const refused = await ask(long)
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '4'])
    keyed.clock.now += 4000
    expect((await ask(long)).status).toBe(200)
  })

  it('are no fewer for an image than for a text, and no more for its bytes', async () => {
    await start({ tokensPerMinute: 2000 })
    const content = [
      { type: 'text', text: 'hi' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(100_000)}` } },
    ]
    const { status } = await ask({ messages: [{ role: 'user', content }] })
    expect(status).toBe(200)
  })

  it('refuse for good what is larger than the limit, and say what to do', async () => {
    await start({ tokensPerMinute: 100 })
    const refused = await ask({ max_tokens: 1000 })
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, undefined])
    expect(refused.body.toString()).toContain('max_completion_tokens')
  })

  it('count every choice that is asked for, and a default where no limit is', async () => {
    await start({ tokensPerMinute: 1000 })
    expect((await ask({ n: 200 })).status).toBe(429)
    expect((await ask({ max_tokens: null })).status).toBe(429)
    expect((await ask({ max_completion_tokens: 900 })).status).toBe(200)
  })
})

const STREAM = [
  { choices: [{ index: 0, delta: { role: 'assistant', content: 'word '.repeat(8) } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
].map((chunk) => `data: ${JSON.stringify({ id: 'c', model: 'm', ...chunk })}\n\n`)

const USAGE_CHUNK = `data: ${JSON.stringify({ id: 'c', choices: [], usage: completion('').usage })}\n\n`

const respondStream =
  (events: string[]): Responder =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end([...events, 'data: [DONE]\n\n'].join(''))
  }

describe('what an exchange takes', () => {
  const RESERVED = PROMPT_TOKENS + 6

  it('is the usage that the answer says', async () => {
    await start({ tokensPerMinute: 1000 })
    expect(await spendOf(ask())).toEqual({ keyId: 'a', tokens: 12, usd: 0.15 })
  })

  it('is that also where the answer is encoded, or a stream with usage', async () => {
    await start({ tokensPerMinute: 1000 })
    const body = gzipSync(JSON.stringify(completion('x')))
    keyed.harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      response.end(body)
    }
    expect((await spendOf(ask())).tokens).toBe(12)
    keyed.harness.upstream.respond = respondStream([...STREAM, USAGE_CHUNK])
    await ask({ stream: true })
    await settled(2)
    expect(keyed.spends[1]!.tokens).toBe(12)
  })

  it('is counted by its text in a stream without usage', async () => {
    await start({ tokensPerMinute: 1000 })
    keyed.harness.upstream.respond = respondStream(STREAM)
    const { tokens } = await spendOf(ask({ stream: true, max_tokens: 500 }))
    expect(tokens).toBeGreaterThanOrEqual(PROMPT_TOKENS + 10)
    expect(tokens).toBeLessThan(PROMPT_TOKENS + 50)
  })

  it('is nothing where the upstream refuses or cannot be reached', async () => {
    await start({ tokensPerMinute: RESERVED + 5 })
    for (const status of [400, 401, 429, 500]) {
      keyed.harness.upstream.respond = respondJson({ error: {} }, status)
      expect((await ask()).status).toBe(status)
      // the whole reservation is there again, or the next one would be refused
    }
    keyed.harness.upstream.close()
    expect((await ask()).status).toBe(502)
    expect((await ask()).status).toBe(502)
    expect(keyed.spends).toEqual([])
  })

  it('is what was reserved where nothing can be known: too large, unreadable or left', async () => {
    await start({ tokensPerMinute: 1000 }, { limits: { ...LIMITS, captureMaxBytes: 100 } })
    await ask()
    await settled(1)
    keyed.harness.upstream.respond = respondJson({ usage: { prompt_tokens: 'many' } })
    await ask()
    await settled(2)
    keyed.harness.upstream.respond = () => {}
    const leaving = send(keyed.harness.port, chatBody('hi', { max_tokens: 6 }), {
      headers: { authorization: `Bearer ${secretFor('a')}` },
      onRequest: (request) =>
        void eventually(() => keyed.harness.upstream.requests.length === 3).then(() =>
          request.destroy()
        ),
    })
    await expect(leaving).rejects.toThrow()
    await settled(3)
    expect(keyed.spends.map(({ tokens }) => tokens)).toEqual([RESERVED, RESERVED, RESERVED])
  })
})
