/** Audits of a route that a judge vouches for: what is left out of the evidence, and what is paid, while it is away. */
import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { admit } from '../../src/core/judge/admission.ts'
import { RUBRIC, rubricDigest } from '../../src/core/judge/judge-prompt.ts'
import type { Price } from '../../src/core/cost/prices.ts'
import { readAuditWait } from '../../src/lifecycle/rollout-report.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import type { UpstreamAnswer } from '../../src/worker/deps.ts'
import { JUDGE_COST } from '../kit/records/judged.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { useWorkerHarness } from './harness.ts'
import { answerBody } from '../kit/records/completion.ts'
import { Watched } from './watched-route.ts'

const JUDGE = 'claude-judge'
const VERSION = 'claude-judge-1'
const PRICE: Price = { model: JUDGE, asOf: '2026-12-01', input: 1, cachedInput: 1, output: 10 }
/** Of a thousand tokens and ten. */
const USD_OF_REPLY = (1_000 * PRICE.input + 10 * PRICE.output) / 1e6
const DAY_MS = 86_400_000
const DIGEST = rubricDigest(RUBRIC)

const open = useWorkerHarness()

const ADMISSION = admit({
  judge: { model: JUDGE, version: VERSION, rubric: RUBRIC.name, rubricDigest: DIGEST },
  faults: [{ fault: 'number', planted: 200, caught: 200 }],
  fair: { pairs: 200, alarms: 0 },
  earlierTries: 0,
})

/** @param version null: it is away */
const replyOf = (version: string | null): UpstreamAnswer =>
  version === null
    ? { status: 503, body: '', retryAfterMs: null }
    : {
        status: 200,
        retryAfterMs: null,
        body: JSON.stringify({
          ...(JSON.parse(answerBody('{"verdict":"different"}')) as object),
          model: version,
          usage: { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 },
        }),
      }

const OTHER = { response: answerBody('a colour of another box') }

/** A judge that finds all answers different, and what was asked. */
const judgedRoute = async () => {
  const said = {
    version: VERSION as string | null,
    seconds: 0,
    requests: 0,
    /** of the first audits, the answers that the model does not give */
    others: 0,
    isMissing: (_request: number): boolean => false,
    answers: new Map<string, string | null>(),
  }
  const harness = await open({ from: 'approval' })
  const row = await harness.newest()
  const live = await goLive(
    harness.store,
    {
      ...row,
      plan: {
        ...row.plan!,
        judge: { model: JUDGE, rubric: RUBRIC.name, rubricDigest: DIGEST, expected: JUDGE_COST },
      },
      verdict: { ...row.verdict!, judge: ADMISSION },
    },
    { by: 'admin', now: harness.now, rollout: AT_ONCE }
  )
  const deps = harness.deps(
    {
      judge: { model: JUDGE, rubric: RUBRIC },
      priceOf: () => PRICE,
      costUsd: () => 0,
      // of the engine's limits never, between two tries of the judge at once
      sleep: (_ms, signal) => (signal === undefined ? Promise.resolve() : new Promise(() => {})),
      askUpstream: async () => {
        const number = ++said.requests
        await setTimeout(number % 10)
        if (said.isMissing(number)) return { status: 403, body: '', retryAfterMs: null }
        return replyOf(said.version)
      },
      // the same answer as the first time
      replayUpstream: async ({ request }) => {
        said.seconds++
        return said.answers.get(request) ?? null
      },
    },
    { auto: false }
  )
  const watched = new Watched(harness, await harness.worker(deps), live, (number) => {
    const isOther = number < said.others
    const record = { ...orderRecord(number), ...(isOther && OTHER) }
    said.answers.set(record.request, record.response)
    return record
  })
  return { said, watched }
}

it.each([
  ['away', null],
  ['of another version', 'claude-judge-2'],
])(
  'while the judge is %s, equal answers are no evidence without the others',
  async (_, version) => {
    const { said, watched } = await judgedRoute()
    said.version = version
    said.others = 5
    await watched.audit(10)
    await watched.harness.runFor(watched.worker, 300_000)
    expect(await watched.pairs()).toEqual([])
    const waitFor = () => readAuditWait(watched.harness.store, watched.id)
    expect(await waitFor()).toMatchObject({
      code: version === null ? 'judge-silent' : 'judge-version-unknown',
    })
    said.version = VERSION
    await watched.harness.runFor(watched.worker, 7_200_000, 60_000)
    expect(await waitFor()).toBeNull()
    expect((await watched.pairs()).map(({ outcome }) => outcome).toSorted()).toEqual([
      ...Array.from({ length: 5 }, () => 'agreed'),
      ...Array.from({ length: 5 }, () => 'disagreed'),
    ])
  }
)

it('buys each second answer once while the judge is away for a day, and asks the judge seldom', async () => {
  const { said, watched } = await judgedRoute()
  said.version = null
  said.others = 10
  await watched.audit(10)
  await watched.harness.runFor(watched.worker, DAY_MS, 600_000)
  expect(said.seconds).toBeLessThanOrEqual(10)
  // of ten pairs once, and then of one an hour, each four times
  expect(said.requests).toBeLessThan(200)
})

it('pays for no comparison twice where the judge answers all but one', async () => {
  const { said, watched } = await judgedRoute()
  said.others = 10
  await watched.audit(10)
  said.isMissing = (request) => request === 5
  await watched.judged(10)
  // each has one reply, and the one without was asked once more in its turn
  expect(said.requests).toBe(11)
  const { usd } = await watched.harness.store.pairs.spent(0, watched.harness.now + 1)
  expect(usd).toBeCloseTo(10 * USD_OF_REPLY, 9)
})
