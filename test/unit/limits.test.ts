import { CHAT } from '../../src/openai/dialect.ts'
import { describe, expect, it } from 'vitest'
import type { KeyLimits } from '../../src/core/keys/issued-key.ts'
import { readChatRequest } from '../../src/core/request/chat-reading.ts'
import { AppError } from '../../src/errors.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import {
  Caller,
  type Charge,
  type LimitsOptions,
  type Taken,
} from '../../src/proxy/access/limits.ts'
import { Slices } from '../../src/proxy/access/slices.ts'
import { MemoryAccounts } from '../kit/proxy/accounts.ts'
import { exampleKey } from '../kit/records/examples.ts'

const NOON = Date.parse('2026-11-26T12:00:00Z')
const HOUR_MS = 3_600_000
/** A token of a prompt is 1 cent, one of an answer is 2. */
const PRICE = { model: 'm', asOf: '2026-11-01', input: 1e4, cachedInput: 5e3, output: 2e4 }

const bodyOf = (extra: Record<string, unknown> = {}): string =>
  JSON.stringify({
    model: 'm',
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 6,
    ...extra,
  })

const BYTES = bodyOf().length
/** Four bytes a token of the prompt, and six of the answer. */
const ESTIMATE = Math.ceil(BYTES / 4) + 6
/** A token a byte at most, at 1 cent, and six at 2 cents. */
const BOUND_USD = BYTES * 0.01 + 0.12

const setUp = (
  limits: Partial<KeyLimits>,
  { spentUsd = 0, ...options }: Partial<LimitsOptions> & { spentUsd?: number } = {}
) => {
  const clock = { now: NOON }
  const spends: [id: string, tokens: number, usd: number][] = []
  const key = exampleKey('a', { limits: { ...exampleKey('a').limits, ...limits } })
  const timers = new Set<() => void>()
  const accounts = new MemoryAccounts(() => clock.now)
  accounts.spend('a', spentUsd)
  const slices = new Slices({
    renew: async (asks) => accounts.renew('proxy', asks),
    onError: (error) => {
      throw error
    },
    now: () => clock.now,
    setTimer: (_ms, work) => {
      timers.add(work)
      return () => timers.delete(work)
    },
  })
  /** Also runs what waits for time to pass, once. */
  const pass = async (ms: number): Promise<void> => {
    clock.now += ms
    for (const work of timers) if (timers.delete(work)) work()
    await Promise.resolve()
  }
  const limiting: LimitsOptions = {
    priceOf: (model) => (model === 'm' ? PRICE : null),
    slices: {
      take: (...asked) => slices.take(...asked),
      settle: (settled, reservation, taken) => {
        if (taken.requests > 0) spends.push([settled.id, taken.tokens, taken.usd])
        slices.settle(settled, reservation, taken)
      },
    },
    ...options,
  }
  const subject = new Caller(key, limiting)
  const admit = async (text: string | Buffer = bodyOf()): Promise<Charge> => {
    const body = Buffer.from(text)
    return subject.admit({ dialect: CHAT, ...readChatRequest(body, CHAT), body })
  }
  /** Admits a request that takes so much. */
  const use = async (taken: Taken, text?: string | Buffer): Promise<void> =>
    (await admit(text)).settle(taken)
  /** @returns code, seconds to wait and message of the refusal */
  const refusal = async (text?: string | Buffer) => {
    try {
      await admit(text)
    } catch (error) {
      const { code, retryAfterSeconds, message, param } = error as AppError
      return { code, retryAfterSeconds, message, param }
    }
    return null
  }
  return { subject, key, limiting, clock, spends, pass, admit, use, refusal }
}

const daily = (usd: number) => ({ budget: { usd, period: 'day' as const } })

describe('limits of a key', () => {
  it('read a body only where a limit depends on it', async () => {
    const unread = { dialect: CHAT, model: 'm', outcome: null, body: Buffer.from('{}') }
    const { subject, spends } = setUp({})
    expect((await subject.admit(unread)).isBilled).toBe(false)
    expect(await setUp({ requestsPerMinute: 1 }).refusal('no chat request')).toBeNull()
    for (const limits of [{ models: ['m'] }, { tokensPerMinute: 99 }, daily(9)])
      for (const [text, why] of [
        ['[]', 'not a request that the proxy can read'],
        [`{"a":${'['.repeat(300)}`, '256 levels'],
      ] as const)
        expect(await setUp(limits).refusal(text)).toMatchObject({
          code: 'invalid-request',
          message: expect.stringMatching(`${why}, and this key has limits`) as string,
        })
    const limited = setUp({ models: ['m'] })
    expect(() => limited.subject.admit(unread)).toThrow('this key has limits')
    expect(spends).toEqual([])
  })

  it('refuse a model that is not listed, and count listed ones', async () => {
    const { admit, refusal } = setUp({ models: ['m'], requestsPerMinute: 1 })
    expect(await refusal(bodyOf({ model: 'other' }))).toMatchObject({
      code: 'forbidden',
      param: 'model',
      message: 'this key may not use the model "other"',
    })
    await admit()
    expect(await refusal()).toMatchObject({ code: 'rate-limited', retryAfterSeconds: 60 })
  })

  it.each([{}, { tokensPerMinute: 1000 }])('count requests a minute, with %j too', async (more) => {
    const { subject, clock, admit, refusal } = setUp({ requestsPerMinute: 2, ...more })
    await admit()
    await subject.admitKept()
    expect(await refusal()).toEqual({
      code: 'rate-limited',
      retryAfterSeconds: 30,
      param: null,
      message: 'this key may make 2 requests a minute',
    })
    expect(() => subject.admitKept()).toThrow('2 requests a minute')
    clock.now += 30_000
    await admit()
    expect(await refusal()).not.toBeNull()
  })

  it('share nothing between keys', async () => {
    const { subject, key, limiting } = setUp({ requestsPerMinute: 1 })
    await subject.admitKept()
    await new Caller({ ...key, id: 'b' }, limiting).admitKept()
    expect(() => subject.admitKept()).toThrow()
  })
})

describe('a key without limits on tokens and money', () => {
  it.each([{}, { models: ['m'] }, { requestsPerMinute: 9 }])(
    'has its use counted once for each call, with %j',
    async (limits) => {
      const { admit, spends } = setUp(limits)
      const charge = await admit()
      for (const _ of [1, 2]) charge.settle({ tokens: usageOf(9, 3), billed: usageOf(9, 3) })
      expect(spends).toEqual([['a', 12, expect.closeTo(0.15)]])
    }
  )

  const IMAGE = `data:image/png;base64,${'A'.repeat(8000)}`
  const PROMPT = Math.ceil(BYTES / 4)

  it.each([
    ['nothing for a free answer', { tokens: usageOf(0, 0), billed: 'nothing' }, bodyOf(), []],
    ['no money for a lora', { tokens: usageOf(9, 3), billed: 'nothing' }, bodyOf(), [[12, 0]]],
    [
      'the text where usage is unknown',
      { tokens: usageOf(9, 3), billed: 'unknown' },
      bodyOf(),
      [[12, 0.15]],
    ],
    [
      'the prompt where all is unknown',
      { tokens: null, billed: 'unknown' },
      bodyOf(),
      [[PROMPT, PROMPT * 0.01]],
    ],
    [
      'no money without a price',
      { tokens: usageOf(9, 3), billed: usageOf(9, 3) },
      bodyOf({ model: 'x' }),
      [[12, 0]],
    ],
    [
      'no attachment',
      { tokens: null, billed: 'unknown' },
      bodyOf({ model: 'x', a: [IMAGE] }),
      [[expect.toSatisfy((n: number) => n < 60), 0]],
    ],
  ] as const)('counts %s', async (_name, taken, body, counted) => {
    const { use, spends } = setUp({})
    await use(taken, body)
    expect(spends.map(([, tokens, usd]) => [tokens, Number(usd.toFixed(9))])).toEqual(counted)
  })
})

describe('tokens a minute', () => {
  it('are reserved by an estimate and settled once by usage, in both directions', async () => {
    const { admit, refusal, clock, spends, use } = setUp({ tokensPerMinute: 2 * ESTIMATE })
    const charge = await admit()
    expect([charge.estimate.total_tokens, charge.isBilled]).toEqual([ESTIMATE, false])
    await admit()
    expect(await refusal()).toMatchObject({ code: 'rate-limited', retryAfterSeconds: 30 })
    for (const _ of [1, 2]) charge.settle({ tokens: usageOf(1, 1), billed: usageOf(9, 3) })
    expect(spends).toEqual([['a', 2, 0.15]])
    expect(await refusal(bodyOf({ max_tokens: 5 }))).toMatchObject({ retryAfterSeconds: 2 })
    expect(await refusal(bodyOf({ max_tokens: 4 }))).toBeNull()
    clock.now += HOUR_MS
    await use({ tokens: usageOf(ESTIMATE, 2), billed: 'nothing' })
    // a minute has as many tokens as two requests, and this one took two more than it reserved
    expect(await refusal()).not.toBeNull()
    expect(await refusal(bodyOf({ max_tokens: 4 }))).toBeNull()
  })

  it('refuse for good a request above the limit, and admit one at the limit', async () => {
    expect(await setUp({ tokensPerMinute: ESTIMATE }).refusal()).toBeNull()
    expect(await setUp({ tokensPerMinute: ESTIMATE - 1 }).refusal()).toEqual({
      code: 'rate-limited',
      retryAfterSeconds: null,
      param: null,
      message: `this key may use ${ESTIMATE - 1} tokens a minute, and this request may use ${ESTIMATE}; set a lower max_completion_tokens`,
    })
  })

  it('need no price, and then spend none', async () => {
    const { use, spends } = setUp({ tokensPerMinute: 1000 }, { priceOf: () => null })
    await use({ tokens: null, billed: usageOf(9, 3) })
    await use({ tokens: usageOf(1, 0), billed: 'unknown' })
    await use({ tokens: usageOf(0, 0), billed: 'nothing' })
    expect(spends).toEqual([
      ['a', ESTIMATE, 0],
      ['a', 1, 0],
    ])
  })

  it('cost the estimate where the bill is not known', async () => {
    const { use, spends } = setUp({ tokensPerMinute: 1000 })
    await use({ tokens: null, billed: 'unknown' })
    expect(spends).toEqual([
      ['a', ESTIMATE, expect.closeTo((ESTIMATE - 6) * 0.01 + 0.12) as number],
    ])
  })
})

describe('a budget', () => {
  it('reserves the highest cost that a request can have, and settles it by the bill', async () => {
    const { admit, refusal, spends } = setUp(daily(2 * BOUND_USD))
    const charge = await admit()
    expect(charge.isBilled).toBe(true)
    await admit()
    expect(await refusal()).toMatchObject({ code: 'budget-exceeded', retryAfterSeconds: 1 })
    charge.settle({ tokens: null, billed: usageOf(9, 3) })
    expect(spends).toEqual([['a', ESTIMATE, 0.15]])
    expect(await refusal(bodyOf({ max_tokens: 1 }))).toMatchObject({ code: 'budget-exceeded' })
  })

  it.each([
    ['nothing', 0],
    ['unknown', BOUND_USD],
    [usageOf(9, 3), 0.15],
  ] as const)('is charged for a bill of %j', async (billed, usd) => {
    const exact = setUp(daily(BOUND_USD + usd))
    await exact.use({ tokens: usageOf(1, 1), billed })
    expect(exact.spends[0]![2]).toBeCloseTo(usd, 9)
    expect(await exact.refusal()).toBeNull()
    if (usd === 0) return
    const short = setUp(daily(BOUND_USD + usd - 1e-6))
    await short.use({ tokens: usageOf(1, 1), billed })
    expect(await short.refusal()).toMatchObject({ retryAfterSeconds: 12 * 3600 })
  })

  it('says what it is for and when to come back', async () => {
    const over = `this request may cost up to ${BOUND_USD.toFixed(6)} USD, more than is left of this key's 1 USD`
    const spent = { spentUsd: 1 }
    const of = (period: 'day' | 'month' | 'total') =>
      setUp({ budget: { usd: 1, period } }, spent).refusal()
    expect(await of('day')).toMatchObject({
      message: `${over} a day; set a lower max_completion_tokens`,
      retryAfterSeconds: 12 * 3600,
    })
    expect(await of('month')).toMatchObject({ retryAfterSeconds: 4.5 * 24 * 3600 })
    expect(await of('total')).toMatchObject({
      message: `${over} in all; set a lower max_completion_tokens`,
      retryAfterSeconds: null,
    })
  })

  it('begins with the money that was spent before the process started, in that period alone', async () => {
    const { refusal, clock } = setUp(daily(BOUND_USD), { spentUsd: 0.01 })
    clock.now += 12 * HOUR_MS - 1
    expect(await refusal()).toMatchObject({ retryAfterSeconds: 1 })
    clock.now += 1
    expect(await refusal()).toBeNull()
    const next = setUp(daily(BOUND_USD), { spentUsd: 0.01 })
    // the first request of a key may come days after the start
    next.clock.now += 12 * HOUR_MS
    expect(await next.refusal()).toBeNull()
  })

  it('refuses a model without a price and a body that is not UTF-8', async () => {
    expect(await setUp(daily(9)).refusal(bodyOf({ model: 'other' }))).toMatchObject({
      code: 'forbidden',
      param: 'model',
      message: expect.stringContaining('no price is configured') as string,
    })
    const latin1 = Buffer.from(bodyOf().replace('hi', 'h\xe9'), 'latin1')
    expect(await setUp(daily(9)).refusal(latin1)).toMatchObject({ code: 'invalid-request' })
    expect(await setUp({ tokensPerMinute: 99 }).refusal(latin1)).toBeNull()
  })

  it('takes nothing where one of several limits refuses', async () => {
    const { refusal, use, pass, clock } = setUp({
      requestsPerMinute: 2,
      tokensPerMinute: 2 * ESTIMATE,
      ...daily(1.5 * BOUND_USD),
    })
    await use({ tokens: null, billed: 'unknown' })
    await pass(1000)
    for (let i = 0; i < 9; i++) expect((await refusal())?.code).toBe('budget-exceeded')
    clock.now += 12 * HOUR_MS
    expect(await refusal()).toBeNull()
  })
})
