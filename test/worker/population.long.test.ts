/**
 * The population of a proof: every exchange that the template matches and that the upstream answered,
 * with any outcome.
 */
import { reasonIn } from '../kit/records/examples.ts'
import { describe, expect, it } from 'vitest'
import type {
  Internalization,
  InternalizeOptions,
} from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { COLOURS, orderRecord, PROMPT } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness, type WorkerHarness } from './harness.ts'

/** Enough for both kinds of rows. */
const RECORDS = 2 * PLANNED_ROWS + 22

const openHarness = useWorkerHarness()

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

/** Of a custom tool: only calls of functions have a form that is learned. */
const CALL = {
  content: null,
  tool_calls: [{ id: 'call_1', type: 'custom', custom: { name: 'order', input: 'all' } }],
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

// each question comes again and again
const again = (number: number): ExchangeRecord => ({
  ...orderRecord(number % RECORDS),
  id: `record-${number}`,
  at: orderRecord(number).at,
})

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

const isLoud = (number: number): boolean => number % 12 === 7

const numberOf = (id: string): number => Number(id.slice('record-'.length))

const chatOf = (id: string): number => Math.floor(numberOf(id) / 2)

const ENDS = ['approval', 'rejected', 'failed']

interface Options extends Partial<InternalizeOptions> {
  maxModelLen?: number
  until?: string[]
}

describe('an internalization', () => {
  let harness: WorkerHarness

  /** Internalizes the records. @returns it, at its end or in an earlier state */
  const internalize = async (
    records: ExchangeRecord[],
    { maxModelLen, until = ENDS, ...changes }: Options = {}
  ): Promise<Internalization> => {
    harness = await openHarness({ from: null, engine: maxModelLen ? { maxModelLen } : {} })
    await harness.log(records)
    const worker = await harness.worker(harness.deps({}, changes))
    return harness.runTo(worker, ...until)
  }

  const jobs = async (): Promise<number> => (await harness.engine.findJobs({})).length

  it('counts tool calls that it cannot learn: a lora that answers them with text is not promoted', async () => {
    const { state, verdict, plan } = await internalize(
      many(RECORDS, (number) =>
        changed(number, { request: { tools: TOOLS }, ...(isCall(number) ? { message: CALL } : {}) })
      )
    )
    const texts = [...Array(RECORDS).keys()].filter((number) => !isCall(number)).length
    expect(plan!.population.outcomes).toEqual({ text: texts, 'tool-calls': RECORDS - texts })
    expect(state.name).toBe('rejected')
    expect(verdict!.arms[0]!.rows).toBe(PLANNED_ROWS)
    // seven of ten cannot agree, whether they are deferred or answered
    for (const arm of verdict!.arms) expect(arm.agreement).toBeLessThanOrEqual(0.31)
  })

  it('defers the requests that the upstream answers by such calls, where it can tell them', async () => {
    const { id, state, verdict, plan } = await internalize(
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
    const rows = await harness.store.internalizations.evaluations(id)
    expect(rows.filter(({ deferred }) => deferred === 'deferred').length).toBeGreaterThan(50)
  })

  it.each([
    ['refusals', { message: { content: null, refusal: 'no' } }, 'refusal'],
    ['filtered answers', { finishReason: 'content_filter' }, 'filtered'],
    ['answers that were cut', { finishReason: 'length' }, 'cut-off'],
    ['tool calls', { message: CALL, finishReason: 'tool_calls' }, 'tool-calls'],
  ] as const)('is not trained where most of the traffic ends in %s', async (_, change, kind) => {
    const ended = await internalize(
      many(RECORDS, (number) => (number % 10 === 0 ? orderRecord(number) : changed(number, change)))
    )
    expect(ended.state).toMatchObject({
      reason: {
        code: 'few-text-answers',
        figures: { others: { [kind]: expect.any(Number) as number } },
      },
    })
    expect(reasonIn(ended)).toMatch(
      /answers only (?:8|9|1\d)\.\d % .* with plain text.*use a separate prompt/
    )
    expect(ended.plan).toBeNull()
    expect(await jobs()).toBe(0)
  })

  it('learns nothing of requests with parameters that too few of the held-out ones have', async () => {
    const { plan } = await internalize(
      many(400, (number) =>
        isLoud(number)
          ? changed(number, { request: { x_tone: 'loud' }, message: { content: 'LOUD' } })
          : orderRecord(number)
      ),
      { until: ['training'] }
    )
    expect(plan!.kinds.traits).toEqual(['no parameters', 'turn 1'])
    expect(plan!.trainRecordIds.filter((id) => isLoud(numberOf(id)))).toEqual([])
    expect(plan!.population.otherParameters).toBeGreaterThan(0)
  })

  it('is not trained where each request has a parameter of its own, and says what would help', async () => {
    const ended = await internalize(
      many(RECORDS, (number) => changed(number, { request: { x_trace: `trace-${number}` } }))
    )
    expect(ended.state).toMatchObject({ reason: { code: 'too-varied', figures: { proven: 0 } } })
    expect(ended.plan).toBeNull()
    expect(await jobs()).toBe(0)
  })

  it('is not trained where too few of the held-out questions are new', async () => {
    const ended = await internalize(many(4 * RECORDS, again))
    expect(ended.state).toMatchObject({ reason: { code: 'too-few-unseen' } })
    expect(await jobs()).toBe(0)
  })

  it('is not trained for free text, and says what would help', async () => {
    const ended = await internalize(
      many(RECORDS, (number) => changed(number, { message: { content: story(number) } }))
    )
    expect(reasonIn(ended)).toMatch(/free text.*ask for labels, JSON, code/)
    expect(await jobs()).toBe(0)
  })

  it('goes on without prompted stages where the prompt is longer than the context', async () => {
    // the prompt has 38 tokens of the fake engine, a question 9
    const { state, plan } = await internalize(many(RECORDS, orderRecord), { maxModelLen: 40 })
    expect(state.name).toBe('approval')
    expect(plan!.arms.map(({ name }) => name)).toEqual(['query-only'])
    expect(plan!.population.withoutPrompt).toMatchObject({
      code: 'prompt-too-long',
      figures: { tokens: 40 },
    })
  })

  it('is not trained where not even the question fits the context', async () => {
    const ended = await internalize(many(RECORDS, orderRecord), { maxModelLen: 12 })
    expect(ended.state).toMatchObject({ reason: { code: 'context-too-short' } })
  })

  it('holds repeats out in their share of traffic, and reports questions with changed answers', async () => {
    const { state, plan, verdict } = await internalize(
      many(390, (number) => (number % 3 === 0 ? repeated(number) : once(number))),
      { trainRows: 120, holdoutRows: 120 }
    )
    expect(plan!.population.repeats.questions).toBe(20)
    expect(plan!.population.repeats.changed).toBe(10)
    expect(plan!.population.repeats.examples).toHaveLength(10)
    const repeats = plan!.holdoutRecordIds.filter((id) => numberOf(id) % 3 === 0)
    expect(Math.abs(repeats.length - plan!.holdoutRecordIds.length / 3)).toBeLessThan(12)
    expect(state.name).toBe('rejected')
    expect(verdict!.arms[0]!.samples!.traffic.rows).toBe(120)
  })

  it('never has a conversation on both sides, even where many begin with one greeting', async () => {
    const { plan } = await internalize(
      Array.from({ length: 160 }, (_, chat) => turns(chat)).flat(),
      // two turns of a conversation are worth one row
      { until: ['training'], trainRows: 60, holdoutRows: 150 }
    )
    const trained = new Set(plan!.trainRecordIds.map(chatOf))
    const held = [...plan!.holdoutRecordIds, ...plan!.unseenRecordIds]
    const second = held.filter((id) => numberOf(id) % 2 === 1)
    expect(second.length).toBeGreaterThan(20)
    expect(second.filter((id) => trained.has(chatOf(id)))).toEqual([])
    expect(plan!.kinds.traits).toEqual(['no parameters', 'turn 1', 'turn 2: user'])
  })
})
