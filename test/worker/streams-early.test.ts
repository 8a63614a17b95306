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
import { answerBody } from '../kit/records/completion.ts'
import { Watched } from './watched-route.ts'

/** Longer than a label may be, and than the first tokens. */
const sentenceOf = (number: number): string =>
  `Thank you for your order. We have put your tins of ${COLOURS[number % 6]} paint on the shelf of that colour, ` +
  'where they wait for you until the end of the week, together with your receipt.'

const written = (record: ExchangeRecord, number: number): ExchangeRecord => ({
  ...record,
  response: answerBody(sentenceOf(number)),
})

const RECORDS = ORDERS.slice(0, 2 * PLANNED_ROWS + 12).map(written)

const open = useWorkerHarness()

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
  const harness = await open({ from: null })
  await harness.log(RECORDS)
  const engine = cutting(harness.engine, isCut)
  const worker = await harness.worker(
    harness.deps({ engine }, { arms: ['query-only'], margin: 0.1, ...config })
  )
  const row = await harness.runTo(worker, 'approval', 'rejected', 'failed')
  return { harness, row, winner: row.verdict?.arms[row.verdict.arm] }
}

/** Makes it live, with an engine that cuts every answer off. @returns the pair of one audit, and the route */
const audited = async (harness: WorkerHarness) => {
  const row = await harness.newest()
  const live = await goLive(harness.store, row, { by: 'admin', now: harness.now, rollout: AT_ONCE })
  const [route] = await harness.store.routes.list()
  const engine = cutting(harness.engine, () => true)
  const worker = await harness.worker(harness.deps({ engine }, { auto: false }))
  const watched = new Watched(harness, worker, live, (number) => RECORDS[number]!)
  await watched.audit(1)
  await watched.judged(1)
  return { route: route!, pairs: await watched.pairs() }
}

describe('with STREAM_EARLY', () => {
  it('an internalization decides by its first tokens, and its route, proof and audits say so', async () => {
    const { harness, row, winner } = await judged({ streamsEarly: true })
    expect(row.state.name).toBe('approval')
    expect(row.plan!.answers.responseType).toBe('short-text')
    expect(row.plan!.streamsEarly).toBe(true)
    expect(winner).toMatchObject({ confidence: 'first', streamsEarly: true, foundLate: {} })
    const file = await proofFile(harness.store, row, harness.now)
    const { holds, checks } = verifyProof(JSON.parse(JSON.stringify(file)), QUICK_PROMISE)
    expect(checks.filter((check) => !check.holds)).toEqual([])
    expect(holds).toBe(true)
    expect(checks.map(({ name }) => name)).toContain('streaming')
    const { route, pairs } = await audited(harness)
    expect(route).toMatchObject({ confidence: 'first', streamsEarly: true })
    expect(pairs).toMatchObject([{ outcome: 'disagreed', reason: 'length' }])
  })

  it('answers that have no end are losses, and too many of them reject it', async () => {
    const { row, winner } = await judged({ streamsEarly: true }, everyThird)
    expect(row.state.name).toBe('rejected')
    expect(winner!.foundLate!['length']).toBeGreaterThan(PLANNED_ROWS / 5)
    expect(winner!.deferred).toEqual({})
  })
})

it('without it such answers go to the upstream, the rest goes live, and an audit of one is no evidence', async () => {
  const { harness, row, winner } = await judged({}, everyThird)
  expect(row.state.name).toBe('approval')
  expect(winner!.deferred['length']).toBeGreaterThan(PLANNED_ROWS / 5)
  expect(row.plan!.streamsEarly).toBeUndefined()
  const { route, pairs } = await audited(harness)
  expect(route.streamsEarly).toBeUndefined()
  expect(pairs).toMatchObject([{ outcome: 'fallback', reason: 'length' }])
})
