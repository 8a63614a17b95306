/** Written answers that may be streamed before their end is known: what is planned, proved, answered and audited. */
import { describe, expect, it } from 'vitest'
import type { InternalizeOptions } from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { COLOURS, ORDERS } from '../kit/records/paint-orders.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { PLANNED_ROWS, useWorkerHarness, type WorkerHarness } from './harness.ts'
import { completion, Watched } from './watched-route.ts'

/** Longer than a label may be, and than the first tokens. */
const sentenceOf = (number: number): string =>
  `Thank you for your order. We have put your tins of ${COLOURS[number % 6]} paint on the shelf of that colour, ` +
  'where they wait for you until the end of the week, together with your receipt.'

const written = (record: ExchangeRecord, number: number): ExchangeRecord => ({
  ...record,
  response: completion(sentenceOf(number)),
})

const RECORDS = ORDERS.slice(0, 2 * PLANNED_ROWS + 12).map(written)

const open = useWorkerHarness(RECORDS)

const EARLY: Partial<InternalizeOptions> = { streamsEarly: true, arms: ['query-only'] }

/** The engine, whose answers to such a question the token limit cuts off in the middle. */
const cutting = (engine: Engine, isCut: (question: string) => boolean): Engine => ({
  ...engine,
  async complete(request, options) {
    const answer = await engine.complete(request, options)
    if (!isCut(String(request.messages.at(-1)!.content))) return answer
    return {
      ...answer,
      choices: answer.choices.map((choice) => ({ ...choice, finish_reason: 'length' as const })),
    }
  },
})

const numberIn = (question: string): number => Number(/Order (\d+)/.exec(question)?.[1])
const everyThird = (question: string): boolean => numberIn(question) % 3 === 0

const judged = async (
  config: Partial<InternalizeOptions>,
  isCut: (question: string) => boolean = () => false
) => {
  const harness = await open()
  const engine = cutting(harness.engine, isCut)
  const worker = await harness.worker(harness.deps({ engine }, config))
  const row = await harness.runTo(worker, 'approval', 'rejected', 'failed')
  return { harness, row, winner: row.verdict?.arms[row.verdict.arm] }
}

const routeOf = async (harness: WorkerHarness) => {
  const row = await harness.newest()
  await goLive(harness.store, row, { by: 'admin', now: harness.now, rollout: AT_ONCE })
  return (await harness.store.routes.list())[0]!
}

describe('with STREAM_EARLY', () => {
  it('an internalization decides by its first tokens, and its route and its proof say so', async () => {
    const { harness, row, winner } = await judged(EARLY)
    expect(row.state.name).toBe('approval')
    expect(row.plan!.answers.responseType).toBe('short-text')
    expect(row.plan!.streamsEarly).toBe(true)
    expect(winner).toMatchObject({ confidence: 'first', streamsEarly: true, foundLate: {} })
    expect(await routeOf(harness)).toMatchObject({ confidence: 'first', streamsEarly: true })
    const file = await proofFile(harness.store, row.id, harness.now)
    const { holds, checks } = verifyProof(JSON.parse(JSON.stringify(file)), QUICK_PROMISE)
    expect(checks.filter((check) => !check.holds)).toEqual([])
    expect(holds).toBe(true)
    expect(checks.map(({ name }) => name)).toContain('streaming')
  })

  it('answers that have no end are losses, and too many of them reject it', async () => {
    const { row, winner } = await judged(EARLY, everyThird)
    expect(row.state.name).toBe('rejected')
    expect(winner!.foundLate!['length']).toBeGreaterThan(PLANNED_ROWS / 5)
    expect(winner!.deferred).toEqual({})
  })

  it('labels are held back as before', async () => {
    const harness = await open({ from: null })
    await harness.log(ORDERS.slice(0, RECORDS.length))
    const worker = await harness.worker(harness.deps({}, EARLY))
    const row = await harness.runTo(worker, 'approval', 'rejected', 'failed')
    expect(row.plan!.answers.responseType).toBe('label')
    expect(row.plan!.streamsEarly).toBeUndefined()
  })
})

it('without it the same answers go to the upstream, and the rest goes live as a route that holds back', async () => {
  const { harness, row, winner } = await judged({ arms: ['query-only'] }, everyThird)
  expect(row.state.name).toBe('approval')
  expect(winner!.deferred['length']).toBeGreaterThan(PLANNED_ROWS / 5)
  expect(row.plan!.streamsEarly).toBeUndefined()
  expect((await routeOf(harness)).streamsEarly).toBeUndefined()
})

it.each<[string, Partial<InternalizeOptions>, object]>([
  ['a loss on a route that streams early', EARLY, { outcome: 'disagreed', reason: 'length' }],
  [
    'no evidence on one that holds back',
    { arms: ['query-only'] },
    { outcome: 'fallback', reason: 'length' },
  ],
])('an audited answer without an end is %s', async (_, config, pair) => {
  const { harness, row } = await judged(config)
  const live = await goLive(harness.store, row, { by: 'admin', now: harness.now, rollout: AT_ONCE })
  const engine = cutting(harness.engine, () => true)
  const worker = await harness.worker(harness.deps({ engine }, { auto: false }))
  const watched = new Watched(harness, worker, live, (number) => RECORDS[number]!)
  await watched.audit(1)
  await watched.judged(1)
  expect(await watched.pairs()).toMatchObject([pair])
})
