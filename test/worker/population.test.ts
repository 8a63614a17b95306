/**
 * The proof is about what the route answers: every exchange that the template matches and the
 * upstream answered, whatever the answer was.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EngineHost } from '../../adapters/contract/host.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type {
  Internalization,
  InternalizeOptions,
} from '../../src/core/lifecycle/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerEvent } from '../../src/worker/deps.ts'
import { createWorker } from '../../src/worker/worker.ts'
import { COLOURS, orderRecord, PROMPT } from '../fixtures/paint-orders.ts'
import { openFakeEngine } from './fake-engine.ts'
import { workerDeps } from './worker-deps.ts'

const TOOLS = [{ type: 'function', function: { name: 'order', parameters: { type: 'object' } } }]

interface Change {
  request?: Record<string, unknown>
  message?: Record<string, unknown>
  finishReason?: string
}

/** A paint order with another request, or another answer. */
const changed = (number: number, { request, message, finishReason }: Change): ExchangeRecord => {
  const record = orderRecord(number)
  const response = JSON.parse(record.response!) as { choices: Record<string, unknown>[] }
  response.choices[0] = {
    index: 0,
    message: { role: 'assistant', content: COLOURS[number % 6], ...message },
    finish_reason: finishReason ?? 'stop',
  }
  return {
    ...record,
    request: JSON.stringify({ ...(JSON.parse(record.request) as object), ...request }),
    response: JSON.stringify(response),
  }
}

const CALL = {
  content: null,
  tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'order', arguments: '{}' } }],
}

const many = (count: number, record: (number: number) => ExchangeRecord): ExchangeRecord[] =>
  Array.from({ length: count }, (_, number) => record(number))

// nothing in the words of an order says whether it is answered by a call
const isCall = (number: number): boolean => (number * 7919) % 10 < 7

const question = (number: number): string =>
  number % 2 === 0
    ? `Order ${number}: ${(number % 7) + 1} tins of ${COLOURS[number % 6]} paint, please.`
    : `Cancel the delivery ${number} of mine, I need nothing from you any more.`

const story = (number: number): string =>
  `Order ${number} left. ${'It is on its way to you, and nothing holds it up. '.repeat(8)}${number}`

// every third order is one of twenty, half of which are sorted to another shelf of late
const repeated = (number: number): ExchangeRecord => {
  const place = number % 20
  const moved = place < 10 && number >= 250
  return {
    ...changed(place, moved ? { message: { content: COLOURS[(place + 1) % 6] } } : {}),
    id: `record-${number}`,
    at: orderRecord(number).at,
  }
}

const once = (number: number): ExchangeRecord => ({
  ...orderRecord(number + 1000),
  id: `record-${number}`,
  at: orderRecord(number).at,
})

const order = (number: number) =>
  (JSON.parse(orderRecord(number).request) as { messages: object[] }).messages[1]!

const turns = (chat: number): ExchangeRecord[] => {
  const [first, second] = [2 * chat, 2 * chat + 1]
  // every other conversation begins with a greeting
  const opening = [
    { role: 'system', content: PROMPT },
    chat % 2 === 0 ? { role: 'user', content: 'Good morning' } : order(first),
  ]
  const answer = { role: 'assistant', content: chat % 2 === 0 ? 'green' : COLOURS[first % 6] }
  return [
    changed(first, { request: { messages: opening }, message: answer }),
    changed(second, { request: { messages: [...opening, answer, order(second)] } }),
  ]
}

const numberOf = (id: string): number => Number(id.slice('record-'.length))

const chatOf = (id: string): number => Math.floor(numberOf(id) / 2)

describe('an internalization', () => {
  let folder: string
  let store: Store
  let host: EngineHost
  let engine: Engine
  let events: WorkerEvent[]

  const open = async (maxModelLen?: number): Promise<void> => {
    ;({ host, engine } = await openFakeEngine(
      folder,
      maxModelLen === undefined ? {} : { maxModelLen }
    ))
  }

  /** Internalizes what the log has. */
  const internalize = async (
    records: ExchangeRecord[],
    changes: Partial<InternalizeOptions> = {}
  ): Promise<Internalization> => {
    await store.records.append(batchOf(records))
    const { config, ...deps } = workerDeps({
      store,
      engine,
      now: Date.now,
      sleep: async () => {},
      log: (event) => void events.push(event),
    })
    const worker = await createWorker({ ...deps, config: { ...config, ...changes } })
    for (let round = 0; round < 3000; round++) {
      await worker.step()
      const newest = (await store.internalizations.list()).at(-1)
      if (['approval', 'rejected', 'failed'].includes(newest?.state.name ?? '')) return newest!
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    throw new Error('it does not end')
  }

  const jobs = async (): Promise<number> => (await engine.findJobs({})).length

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'promptintern-population-'))
    store = await openSqliteStore({ dataDir: folder })
    events = []
  })

  afterEach(async () => {
    await host.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('counts tool calls: a lora that answers them with text is not promoted', async () => {
    await open()
    const { state, verdict, plan } = await internalize(
      many(300, (number) =>
        changed(number, { request: { tools: TOOLS }, ...(isCall(number) ? { message: CALL } : {}) })
      )
    )
    expect(plan!.population.outcomes).toEqual({ text: 90, 'tool-calls': 210 })
    expect(state.name).toBe('rejected')
    expect(verdict!.arms[0]!.rows).toBe(120)
    // seven of ten cannot agree, whether they are deferred or answered
    for (const arm of verdict!.arms) expect(arm.agreement).toBeLessThanOrEqual(0.31)
  })

  it('defers the requests that the upstream answers by tool calls, where it can tell them', async () => {
    await open()
    const { state, verdict, plan } = await internalize(
      many(400, (number) =>
        changed(number, {
          request: {
            tools: TOOLS,
            messages: [
              { role: 'system', content: PROMPT },
              { role: 'user', content: question(number) },
            ],
          },
          ...(number % 2 === 0 ? {} : { message: CALL, finishReason: 'tool_calls' }),
        })
      ),
      { holdoutRows: 240 }
    )
    expect(plan!.answers.defers).toBe(true)
    expect(state.name).toBe('approval')
    const { coverage, agreementAnswered } = verdict!.arms[verdict!.arm]!
    expect(coverage).toBeLessThanOrEqual(0.55)
    expect(coverage).toBeGreaterThan(0.3)
    expect(agreementAnswered).toBeGreaterThan(0.95)
    const rows = await store.internalizations.evaluations(
      (await store.internalizations.list())[0]!.id
    )
    expect(rows.filter(({ deferred }) => deferred === 'deferred').length).toBeGreaterThan(50)
  })

  it.each([
    ['refusals', { message: { content: null, refusal: 'no' } }, 'refusal'],
    ['filtered answers', { finishReason: 'content_filter' }, 'filtered'],
    ['answers that were cut', { finishReason: 'length' }, 'cut-off'],
    ['tool calls', { message: CALL, finishReason: 'tool_calls' }, 'tool-calls'],
  ] as const)('is not trained where most of the traffic ends in %s', async (_, change, kind) => {
    await open()
    const { state, plan } = await internalize(
      many(300, (number) => (number % 10 === 0 ? orderRecord(number) : changed(number, change)))
    )
    expect(state.name).toBe('rejected')
    expect((state as { reason: string }).reason).toMatch(/answers 1\d\.\d % .* with plain text/)
    expect((state as { reason: string }).reason).toContain(kind)
    expect((state as { reason: string }).reason).toContain('MIN_COVERAGE')
    expect(plan).toBeNull()
    expect(await jobs()).toBe(0)
  })

  it('is not trained for free text, and says what would help', async () => {
    await open()
    const { state } = await internalize(
      many(300, (number) => changed(number, { message: { content: story(number) } }))
    )
    expect(state).toMatchObject({ name: 'rejected' })
    expect((state as { reason: string }).reason).toMatch(/free text.*ask for labels, JSON, code/)
    expect(await jobs()).toBe(0)
  })

  it('goes on without prompted stages where the prompt is longer than the context', async () => {
    // the prompt has 38 tokens of the fake engine, a question 9
    await open(40)
    const { state, plan } = await internalize(many(300, orderRecord))
    expect(state.name).toBe('approval')
    expect(plan!.arms.map(({ name }) => name)).toEqual(['query-only'])
    expect(plan!.population.withoutPrompt).toContain('does not fit the 40 tokens')
  })

  it('is not trained where not even the question fits the context', async () => {
    await open(12)
    const { state } = await internalize(many(300, orderRecord))
    expect(state).toMatchObject({ name: 'rejected' })
    expect((state as { reason: string }).reason).toContain('a longer context')
  })

  it('holds repeats out as they come, and names questions whose answers changed', async () => {
    await open()
    const { state, plan, verdict } = await internalize(
      many(390, (number) => (number % 3 === 0 ? repeated(number) : once(number)))
    )
    expect(plan!.population.repeats.questions).toBe(20)
    expect(plan!.population.repeats.changed).toBe(10)
    expect(plan!.population.repeats.examples).toHaveLength(10)
    const held = new Set(plan!.holdoutRecordIds)
    const repeats = [...held].filter((id) => Number(id.slice('record-'.length)) % 3 === 0)
    expect(repeats.length).toBeGreaterThanOrEqual(held.size / 3 - 1)
    expect(state.name).toBe('rejected')
    expect(verdict!.arms[0]!.samples!.traffic.rows).toBe(120)
  })

  it('never has a conversation on both sides, even where many begin with one greeting', async () => {
    await open()
    const { plan } = await internalize(Array.from({ length: 180 }, (_, chat) => turns(chat)).flat())
    const trained = new Set(plan!.trainRecordIds.map(chatOf))
    const held = [...plan!.holdoutRecordIds, ...plan!.unseenRecordIds]
    const second = held.filter((id) => numberOf(id) % 2 === 1)
    expect(second.length).toBeGreaterThan(40)
    expect(second.filter((id) => trained.has(chatOf(id)))).toEqual([])
    expect(plan!.kinds.traits).toEqual(['turn 1', 'turn 2'])
  })
})
