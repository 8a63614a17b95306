/** Bodies that are made to keep the process busy, or to overflow what walks through them. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { MAX_DEPTH, MAX_PARSED_BYTES } from '../../src/core/request/json-scan.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { acceptanceOf } from '../../src/proxy/access/tenants.ts'
import { PROMPT, ROUTE, TEMPLATE } from '../kit/proxy/lora-route.ts'
import {
  chatBody,
  errorOf,
  eventually,
  NO_FAILOVER,
  startHarness,
  startUpstream,
  type FakeUpstream,
  type Harness,
  type RawAnswer,
} from '../kit/proxy/harness.ts'
import { keyFor, secretFor, startKeyed } from '../kit/proxy/keyed.ts'

let harness: Harness
let east: FakeUpstream | null = null

afterEach(async () => {
  vi.restoreAllMocks()
  east?.close()
  east = null
  await harness.close()
})

/** Lengths of the texts that are parsed from now on. */
const watchParser = (): number[] => {
  const lengths: number[] = []
  const parse = JSON.parse
  vi.spyOn(JSON, 'parse').mockImplementation((text, reviver) => {
    lengths.push(text.length)
    return parse(text, reviver) as unknown
  })
  return lengths
}

const MIB = 2 ** 20
const filled = (unit: string, bytes = 2 * MIB): string =>
  unit.repeat(Math.ceil(bytes / unit.length))
const within = (json: string): string => chatBody('hi').replace(/}$/, `,"x":${json}}`)
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

const SHAPES: [name: string, body: string | Buffer][] = [
  ['lists in lists', filled('[')],
  ['objects in objects', filled('{"a":')],
  ['lists in lists that end', within(deep(MIB))],
  ['names', within(`{${filled('"k":1,')}"k":1}`)],
  ['one string', within(`"${filled('a')}"`)],
  ['escapes', within(`"${filled('\\u0041')}"`)],
  ['escaped quotes', within(`"${filled('\\"')}"`)],
  ['one number', within(filled('1'))],
  [
    'messages',
    chatBody('', {
      messages: Array.from({ length: 70_000 }, () => ({ role: 'user', content: 'a' })),
    }),
  ],
  ['parts', chatBody(Array.from({ length: 70_000 }, () => ({ type: 'text', text: 'a' })))],
  ['bytes that are no UTF-8', Buffer.alloc(2 * MIB, 0xff)],
]

/** A live route, and a caller whose key the upstream accepts. */
const startWithRoute = async (): Promise<void> => {
  const table = compileRouteTable([ROUTE])
  harness = await startHarness({ routes: () => table })
  harness.deps.tenants.observe(acceptanceOf(TEMPLATE.tenant, null), TEMPLATE.model, 200)
}

describe('a body of two megabytes', () => {
  it.each(SHAPES)('is passed on and logged, and not parsed: %s', async (_, body) => {
    await startWithRoute()
    const parsed = watchParser()
    expect((await harness.send(body)).status).toBe(200)
    expect(Math.max(0, ...parsed)).toBeLessThanOrEqual(MAX_PARSED_BYTES)
    expect(harness.upstream.requests[0]!.body.equals(Buffer.from(body))).toBe(true)
    expect(await harness.records()).toMatchObject([{ status: 200, route: null }])
  })

  it('is compared with no template, although its text begins like one', async () => {
    await startWithRoute()
    const { headers } = await harness.send(chatBody('q'.repeat(2 * MIB)))
    expect(headers['x-promptintern-route']).toBeUndefined()
    expect((await harness.send(chatBody('q'))).headers['x-promptintern-template']).toBe(
      TEMPLATE.version
    )
    expect(chatBody('')).toContain(PROMPT)
  })

  it('is logged with its model, and is a stream where it says so', async () => {
    await startWithRoute()
    await harness.send(chatBody('q'.repeat(2 * MIB), { model: 'long', stream: true }))
    expect(await harness.records()).toMatchObject([{ model: 'long', streamed: true }])
  })
})

describe('a small body that nests deep', () => {
  it('is passed on, and not parsed', async () => {
    await startWithRoute()
    const parsed = watchParser()
    const body = chatBody('hi').replace(/}$/, `,"tools":${deep(20_000)}}`)
    expect((await harness.send(body)).status).toBe(200)
    expect(parsed).toEqual([])
    expect(harness.upstream.bodies()[0]).toBe(body)
  })

  it('matches a template as any other while a parsed value of it is safe to walk', async () => {
    await startWithRoute()
    const body = chatBody('hi').replace(/}$/, `,"x":${deep(MAX_DEPTH - 1)}}`)
    const { headers } = await harness.send(body)
    expect(headers['x-promptintern-template']).toBe(TEMPLATE.version)
  })
})

const start = async (limits: Parameters<typeof keyFor>[1]): Promise<void> => {
  ;({ harness } = await startKeyed([keyFor('a', limits)]))
}

const ask = (body: string | Buffer): Promise<RawAnswer> =>
  harness.send(body, { headers: { authorization: `Bearer ${secretFor('a')}` } })

const LIMITS: [name: string, limits: Parameters<typeof keyFor>[1]][] = [
  ['models', { models: ['gpt-4o*'] }],
  ['tokens', { tokensPerMinute: 1e9 }],
  ['money', { budget: { usd: 1e9, period: 'total' } }],
]

describe.each(LIMITS)('a key with limits on %s', (_, limits) => {
  it('gets a clear answer to tools that nest deeper than a value may', async () => {
    await start(limits)
    for (const levels of [MAX_DEPTH, 10_000, MIB]) {
      const body = chatBody('hi', { max_tokens: 5 }).replace(/}$/, `,"tools":${deep(levels)}}`)
      const refused = await ask(body)
      expect(refused.status).toBe(400)
      expect(errorOf(refused).message).toContain('nests deeper than 256 levels')
    }
    expect(harness.upstream.requests).toEqual([])
  })

  it('may send tools that nest as deep as they may, and two hundred of them', async () => {
    await start(limits)
    const tools = Array.from({ length: 200 }, (__, index) => ({
      type: 'function',
      function: { name: `tool-${index}`, parameters: { deep: 0, text: 'x'.repeat(1000) } },
    }))
    const body = chatBody('hi', { max_tokens: 5, tools }).replace('"deep":0', `"deep":${deep(200)}`)
    expect((await ask(body)).status).toBe(200)
    expect(harness.upstream.bodies()[0]).toBe(body)
  })

  it('may send four hundred turns, and megabytes of text', async () => {
    await start(limits)
    const messages = Array.from({ length: 400 }, (__, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: 'word '.repeat(1000),
    }))
    const parsed = watchParser()
    const body = chatBody('hi', { max_tokens: 5, messages })
    expect(body.length).toBeGreaterThan(MAX_PARSED_BYTES)
    expect((await ask(body)).status).toBe(200)
    expect(Math.max(...parsed)).toBeLessThan(MAX_PARSED_BYTES)
    expect(harness.upstream.bodies()[0]).toBe(body)
  })

  it.each(SHAPES.filter(([name]) => !['one string', 'escapes'].includes(name)))(
    'gets a clear answer to what cannot be read in time: %s',
    async (__, body) => {
      await start(limits)
      const parsed = watchParser()
      const refused = await ask(body)
      expect(refused.status).toBe(400)
      expect(errorOf(refused).message).toContain('and this key has limits')
      expect(Math.max(0, ...parsed)).toBeLessThanOrEqual(MAX_PARSED_BYTES)
      expect(harness.upstream.requests).toEqual([])
    }
  )
})

describe('a large body`s model', () => {
  it('is held to the models of its key', async () => {
    await start({ models: ['gpt-4o*'] })
    const text = 'x'.repeat(2 * MIB)
    expect((await ask(chatBody(text))).status).toBe(200)
    const refused = await ask(chatBody(text, { model: 'other' }))
    expect([refused.status, errorOf(refused).message]).toEqual([
      403,
      'this key may not use the model "other"',
    ])
  })

  it('decides its upstream; one that cannot be read in time goes to none', async () => {
    east = await startUpstream()
    const entry = {
      name: 'east',
      baseUrl: east.url,
      apiKey: null,
      models: ['gpt-4o*'],
      fallback: [],
    }
    harness = await startHarness({ failover: { ...NO_FAILOVER, upstreams: [entry] } })
    const { headers } = await harness.send(chatBody('x'.repeat(2 * MIB)))
    expect(headers['x-promptintern-upstream']).toBe('east')
    const refused = await harness.send(within(deep(MIB)))
    expect(refused.status).toBe(400)
    expect(errorOf(refused).message).toContain('cannot be routed')
    expect([east.requests.length, harness.upstream.requests.length]).toEqual([1, 0])
    await eventually(() => harness.deps.bodies.inUse() === 0)
  })
})

describe('a stream of which usage is asked', () => {
  it.each([
    ['escaped quotes', within(`"${filled('\\"', 3 * MIB)}"`)],
    ['lists', within(`[${filled('[],', 3 * MIB)}[]]`)],
  ])('goes on as it is where its body is too much to be edited: %s', async (_, json) => {
    harness = await startHarness({ asksForUsage: true })
    const body = json.replace('{', '{"stream":true,')
    expect((await harness.send(body)).status).toBe(200)
    expect(harness.upstream.bodies()[0]).toBe(body)
  })
})

describe('a head', () => {
  it.each([
    ['a header of 32 KB', '/v1/chat/completions', { 'x-long': 'a'.repeat(32 * 1024) }],
    ['a query of 64 KB', `/v1/chat/completions?q=${'a'.repeat(64 * 1024)}`, {}],
  ])('with %s is refused in OpenAI`s format', async (_, path, headers) => {
    harness = await startHarness()
    const refused = await harness.send(null, { method: 'GET', path, headers })
    expect(refused.status).toBe(431)
    expect(errorOf(refused).message).toContain('16 KiB')
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
  })
})
