/** Changes of the traffic that break no promise are named, and warned of once. */
import { reasonText } from '../../src/core/reasons/say-reason.ts'
import { expect, it } from 'vitest'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { answerBody } from '../kit/records/completion.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { useWatchedRoute } from './watched-route.ts'

const open = useWatchedRoute()
const AUDITED = { ...AT_ONCE, auditShare: 0.03 }
const DAY_MS = 86_400_000

const answeredBy = (
  model: string,
  content: string,
  fingerprint = 'fp_1'
): Partial<ExchangeRecord> => ({
  response: answerBody(content, { model, system_fingerprint: fingerprint }),
})

/** The same order again and again, so that its right answer is known. */
const one = (model: string, fingerprint?: string): Partial<ExchangeRecord> => ({
  ...answeredBy(model, 'amber', fingerprint),
  request: orderRecord(0).request,
})

it('warns once of a model that is new behind the name, and compares the loss', async () => {
  const watched = await open(AUDITED)
  const warnings = () => watched.harness.said('the upstream now answers with')
  await watched.audit(20, one('gpt-4o-mini-2024-07-18', 'fp_1'))
  await watched.audit(20, one('gpt-4o-mini-2024-07-18', 'fp_2'))
  await watched.judged(40)
  expect(warnings()).toEqual([])
  await watched.audit(10, one('gpt-4o-mini-2026-11-01'))
  await watched.judged(50)
  await watched.audit(10, one('gpt-4o-mini-2026-11-01'))
  await watched.judged(60)
  expect(warnings()).toEqual([
    'the upstream now answers with gpt-4o-mini-2026-11-01; with gpt-4o-mini-2024-07-18, there was ' +
      'a loss of 0.0 % in 20 pairs; promptintern watch compares both',
  ])
  expect((await watched.report()).upstreamVersions).toMatchObject([
    { name: 'gpt-4o-mini-2024-07-18 fp_1', pairs: 20, losses: 0 },
    { name: 'gpt-4o-mini-2024-07-18 fp_2', pairs: 20, losses: 0 },
    { name: 'gpt-4o-mini-2026-11-01 fp_1', pairs: 20, losses: 0 },
  ])
})

it('warns once when the day has come on which the provider retires the model', async () => {
  let day: string | null = null
  const watched = await open(AUDITED, { deprecatedOn: () => day })
  const warnings = () => watched.harness.said('retires')
  await watched.harness.round(watched.worker)
  day = new Date(watched.harness.now + 2 * DAY_MS).toISOString().slice(0, 10)
  await watched.harness.round(watched.worker)
  expect(warnings()).toEqual([])
  expect((await watched.report()).deprecatedOn).toBe(day)
  await watched.harness.round(watched.worker, 2 * DAY_MS)
  await watched.harness.round(watched.worker)
  // a restart does not repeat it
  await watched.harness.round(await watched.harness.worker(watched.harness.deps({ deprecatedOn: () => day }))) // prettier-ignore
  expect(warnings()).toEqual([`the provider retires the upstream's model on ${day}`])
})

it('calls changed questions drift, although no answer disagrees', async () => {
  const watched = await open(AUDITED)
  await watched.audit(60)
  await watched.judged(60)
  expect((await watched.report()).driftedAt).toBeNull()
  const question = JSON.parse(orderRecord(0).request) as { messages: { content: string }[] }
  for (let round = 0; round < 8; round++) {
    const questions = { ...question, messages: [question.messages[0], { role: 'user', content: `Where is parcel ${round}?` }] } // prettier-ignore
    await watched.audit(8, { ...answeredBy('gpt', 'amber'), request: JSON.stringify(questions) })
  }
  await watched.judged(124)
  const report = await watched.report()
  expect(report.evidence.losses).toBe(0)
  expect(report.driftedAt).toBeGreaterThan(0)
  expect(report.drift).toMatchObject({
    code: 'questions-changed',
    figures: { indicator: 'fallbacks', share: 0 },
  })
  expect(watched.harness.said('its questions have changed')).toEqual([reasonText(report.drift!)])
  await watched.audit(8)
  await watched.judged(132)
  expect((await watched.report()).driftedAt).toBe(report.driftedAt)
  expect(watched.harness.said('its questions have changed')).toHaveLength(1)
})
