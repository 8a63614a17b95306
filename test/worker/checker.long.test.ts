/** Code goes live where the operator's checker vouches for it, although the texts differ. */
import { describe, expect, it } from 'vitest'
import type { Price } from '../../src/core/cost/prices.ts'
import type { ProofFile } from '../../src/core/proof/proof-file.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { AppError } from '../../src/errors.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { readAuditWait } from '../../src/lifecycle/rollout-report.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import type { Checker, WorkerDeps } from '../../src/worker/deps.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { answerBody } from '../kit/records/completion.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { COLOURS, orderRecord } from '../kit/records/paint-orders.ts'
import { useWorkerHarness, type WorkerHarness } from './harness.ts'
import { Watched } from './watched-route.ts'

const ROWS = 150
const CHEAP = 'small-coder'
const PRICES: Price[] = [
  { model: 'gpt-4o-mini', asOf: '2026-12-01', input: 10, cachedInput: 10, output: 100 },
  { model: CHEAP, asOf: '2026-12-01', input: 1, cachedInput: 1, output: 10 },
]
const USAGE = usageOf(600, 60)

/** Two texts, of which a database gives the same rows. */
const statement = (number: number, isTurned: boolean, order = number): string => {
  const conditions = [`colour = '${COLOURS[number % 6]}'`, `number = ${order}`]
  return `SELECT shelf FROM paint WHERE ${(isTurned ? conditions.reverse() : conditions).join(' AND ')}`
}

const completion = (content: string): string => answerBody(content, { usage: USAGE })

const record = (number: number): ExchangeRecord => ({
  ...orderRecord(number),
  response: completion(statement(number, number % 2 === 0)),
  usage: USAGE,
})

const numberIn = (request: string): number => Number(/Order (\d+)/.exec(request)![1])

/** Compares conditions in any order. */
const conditionsOf = (sql: string): string =>
  sql
    .split(/ WHERE | AND /)
    .toSorted()
    .join()

const PLANNED: Checker['planned'] = { kind: 'command', digest: 'abc' }

const checkerOf = (ask?: Checker['ask']): Checker => ({
  planned: PLANNED,
  ask:
    ask ??
    (async ({ logged, answer }) =>
      conditionsOf(logged) === conditionsOf(answer) ? 'same' : 'different'),
})

const depsOf = (
  harness: WorkerHarness,
  writes: (number: number) => string,
  changes: Partial<WorkerDeps>
) =>
  harness.deps(
    {
      priceOf: (model) => PRICES.find((price) => price.model === model) ?? null,
      costUsd: () => 0.5,
      sleep: (_ms, signal) => (signal === undefined ? Promise.resolve() : new Promise(() => {})),
      askUpstream: async ({ request }) => ({
        status: 200,
        body: completion(writes(numberIn(request))),
        retryAfterMs: null,
      }),
      ...changes,
    },
    { arms: [`model:${CHEAP}`], trainRows: ROWS, holdoutRows: ROWS, proofUsd: 10 }
  )

const turned = (number: number): string => statement(number, number % 2 === 1)

const judged = async (
  writes: (number: number) => string,
  checker: Checker | null,
  changes: Partial<WorkerDeps> = {}
) => {
  const harness = await open({ from: null, engine: { encoder: 'alone' } })
  await harness.log(Array.from({ length: 2 * ROWS + 12 }, (_, number) => record(number)))
  const worker = await harness.worker(depsOf(harness, writes, { checker, ...changes }))
  const row = await harness.runTo(worker, 'approval', 'rejected', 'failed')
  return { harness, worker, row }
}

const open = useWorkerHarness()

it('is rejected without a checker, since the texts differ', async () => {
  const { row } = await judged(turned, null)
  expect(row.state.name).toBe('rejected')
  expect(row.plan!.answers).toMatchObject({ responseType: 'code' })
})

it('is proved without a checker where blanks and case alone differ', async () => {
  const { row } = await judged(
    (number) =>
      statement(number, number % 2 === 0)
        .toLowerCase()
        .replace(' where ', '\nWHERE '),
    null
  )
  expect(row.state.name, JSON.stringify(row.state)).toBe('approval')
})

/** @returns ids of audited records of the live route */
const audited = async (
  { harness, worker }: { harness: WorkerHarness; worker: Worker },
  responses: string[]
): Promise<string[]> => {
  const live = await harness.approve()
  const watched = new Watched(harness, worker, live, (number) => record(1_000 + number))
  const ids: string[] = []
  for (const response of responses) ids.push(...(await watched.audit(1, { response })))
  return ids
}

const outcomesOf = ({ store }: WorkerHarness, ids: string[]) =>
  Promise.all(ids.map(async (id) => (await store.pairs.ofRecord(id))?.outcome))

describe('with a checker', () => {
  it('is proved, and the promise names who vouches', async () => {
    const { row, harness } = await judged(turned, checkerOf())
    expect(row.state.name, JSON.stringify(row.state)).toBe('approval')
    expect(row.plan!.checker).toEqual(PLANNED)
    expect(row.verdict!.checker).toMatchObject({ ...PLANNED, none: 0, hindrance: null })
    expect(row.verdict!.checker!.compared).toBeGreaterThan(100)
    const text = JSON.stringify(await proofFile(harness.store, row, harness.now))
    const file = JSON.parse(text) as ProofFile
    const failing = (promise: typeof QUICK_PROMISE) =>
      verifyProof(file, promise).checks.filter(({ holds }) => !holds)
    expect(failing({ ...QUICK_PROMISE, acceptsChecker: true })).toEqual([])
    expect(failing(QUICK_PROMISE)).toMatchObject([
      { name: 'promise', said: expect.stringContaining('CHECK_COMMAND (abc)') as string },
    ])
  })

  it('is proved against two answers of today, which it compares as well', async () => {
    let asked = 0
    const { row } = await judged(turned, checkerOf(), {
      replayUpstream: async ({ request }) =>
        completion(statement(numberIn(request), asked++ % 3 === 0)),
    })
    expect(row.state.name, JSON.stringify(row.state)).toBe('approval')
    expect(row.verdict!.upstreamAgreement).toBe(1)
  })

  it.each<[string, (number: number) => string, Checker['ask'] | undefined]>([
    [
      'one answer in eight is wrong',
      (number) => (number % 8 === 1 ? statement(number, true, 0) : turned(number)),
      undefined,
    ],
    ['it gives no verdict', turned, async () => 'none'],
  ])('is rejected where %s', async (_name, writes, ask) => {
    const { row } = await judged(writes, checkerOf(ask))
    expect(row.state.name).toBe('rejected')
  })

  it('is rejected where another one is set than at the time of the plan', async () => {
    let reads = 0
    const checker = checkerOf()
    const changing: Checker = {
      ...checker,
      get planned() {
        return reads++ === 0 ? PLANNED : { ...PLANNED, digest: 'def' }
      },
    }
    const { row } = await judged(turned, changing)
    expect(row.state).toMatchObject({
      name: 'rejected',
      reason: { code: 'checker-changed', figures: { set: { digest: 'def' } } },
    })
  })

  it('that is away is waited for', async () => {
    let calls = 0
    const away = checkerOf(async () => {
      if (calls++ < 3) throw new AppError('upstream-unavailable', 'the checker is away')
      return 'same'
    })
    const { row } = await judged(turned, away)
    expect(row.state.name).toBe('approval')
  })

  it('compares the audits of the live route, each rejection a loss', async () => {
    const route = await judged(turned, checkerOf())
    const ids = await audited(route, [
      completion(statement(1_000, true)),
      completion(statement(1_001, true, 7)),
    ])
    const { harness, worker } = route
    await harness.runUntil(
      worker,
      async () => !(await outcomesOf(harness, ids)).includes(undefined)
    )
    expect(await outcomesOf(harness, ids)).toEqual(['agreed', 'disagreed'])
  })

  it('that is away keeps audits waiting, and equal answers alone are no evidence', async () => {
    let isAway = false
    const { ask } = checkerOf()
    const route = await judged(
      turned,
      checkerOf(async (answers) => {
        if (isAway) throw new AppError('upstream-unavailable', 'the checker is away')
        return ask(answers)
      })
    )
    isAway = true
    const ids = await audited(route, [
      completion(statement(1_000, true)),
      completion(statement(1_001, true, 7)),
      completion(turned(1_002)),
    ])
    const { harness, worker } = route
    const waitFor = () => readAuditWait(harness.store, route.row.id)
    await harness.runFor(worker, 300_000)
    expect(await outcomesOf(harness, ids)).toEqual([undefined, undefined, undefined])
    expect(await waitFor()).toEqual({
      code: 'checker-away',
      figures: { message: 'the checker is away' },
    })
    isAway = false
    await harness.runFor(worker, 3_600_000, 60_000)
    expect(await waitFor()).toBeNull()
    expect(await outcomesOf(harness, ids)).toEqual(['agreed', 'disagreed', 'agreed'])
  })
})
