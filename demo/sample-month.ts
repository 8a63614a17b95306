/**
 * A month of an imagined team, for the pictures of the page: one prompt is live, one waits for a decision, one is
 * watched. The figures of the proofs are the examples of the tests.
 */
import { batchOf } from '../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../src/core/log/record.ts'
import { saveRolloutReport } from '../src/lifecycle/rollout-report.ts'
import { usageOf } from '../src/openai/usage/usage.ts'
import type { Store } from '../src/store/store.ts'
import {
  examplePair,
  LORA,
  questionOf,
  routedRecord,
  UPSTREAM_ANSWER,
} from '../test/kit/records/audited.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleOutcome,
  exampleTemplate,
} from '../test/kit/records/examples.ts'
import { exampleReport } from '../test/kit/records/rollout.ts'
import { openLocalStore } from '../src/store/sqlite/local.ts'

const DAY_MS = 86_400_000
const DAYS = 30
const A_DAY = 1_500
const BATCH = 500
/** 3 % are audited; of the others a fifth is below the threshold. */
const AUDITED_EVERY = 33

const MODEL = 'gpt-5.5'
/** What customers write, the label, and a wrong one. */
const MESSAGES = [
  ['Where is the card that I ordered two weeks ago?', 'card_arrival', 'card_delivery_estimate'],
  ['My top-up did not go through, but my bank says it did.', 'top_up_failed', 'pending_top_up'],
  ['Why was I charged for taking out cash?', 'cash_withdrawal_charge', 'card_payment_fee_charged'],
  ['I want to change the name on my account.', 'edit_personal_details', 'verify_my_identity'],
  ['Please stop the transfer that I just made.', 'cancel_transfer', 'pending_transfer'],
  ['The machine kept my card.', 'card_swallowed', 'lost_or_stolen_card'],
] as const
// audits come at equal distances: they have other messages all the same
const messageAt = (index: number) =>
  MESSAGES[(index + Math.floor(index / 1_000)) % MESSAGES.length]!
const PROMPTS = ['Ticket routing, Northwind Pay', 'Refund reasons', 'Order intents'] as const

const outcomeAt = (index: number): 'answered' | 'skipped' =>
  index % AUDITED_EVERY === 0 || index % 5 === 0 ? 'skipped' : 'answered'

const recordAt = (index: number, at: number): ExchangeRecord => {
  const outcome = outcomeAt(index)
  const isAudit = index % AUDITED_EVERY === 0
  const route = exampleOutcome({
    lora: LORA,
    outcome: outcome === 'answered' ? 'answered' : isAudit ? 'skipped' : 'fallback',
    reason: outcome === 'answered' ? null : isAudit ? 'audit' : 'low-confidence',
  })
  const [question, label] = messageAt(index)
  // the provider's cache is read by about one call in four
  const cached = { prompt_tokens_details: { cached_tokens: index % 4 === 0 ? 1024 : 0 } }
  const usage = outcome === 'answered' ? usageOf(22, 4) : { ...usageOf(1_133, 4), ...cached }
  const changes = { at, model: MODEL, route, usage, durationMs: outcome === 'answered' ? 14 : 640 }
  const record = routedRecord(index + 1, outcome, changes)
  return {
    ...record,
    request: record.request.replace('gpt-4o-mini', MODEL).replace(questionOf(index + 1), question),
    response: record.response!.replace(UPSTREAM_ANSWER, label),
  }
}

const logMonth = async (store: Store, now: number): Promise<string[]> => {
  const count = DAYS * A_DAY
  const audited: string[] = []
  for (let from = 0; from < count; from += BATCH) {
    const records = Array.from({ length: BATCH }, (_, i) => {
      const index = from + i
      const at = now - (count - index) * (DAY_MS / A_DAY)
      return recordAt(index, at)
    })
    await store.records.append(batchOf(records))
    await store.records.tagTemplate(
      records.map(({ id }) => id),
      'version-1'
    )
    for (const { id, route } of records) if (route?.reason === 'audit') audited.push(id)
  }
  return audited
}

const placeOf = (id: string): number => Number(id.split('-')[1]) - 1

/** @param now milliseconds since the epoch, the end of the month */
export const fillSampleMonth = async (dataDir: string, now: number): Promise<void> => {
  const store = await openLocalStore({ dataDir })
  const versions = PROMPTS.map((_, place) => `version-${place + 1}`)
  await store.templates.upsert(
    versions.map((version) => ({ ...exampleTemplate(version), model: MODEL }))
  )
  for (const [place, label] of PROMPTS.entries())
    await store.templates.label(versions[place]!, label)
  const audited = await logMonth(store, now)
  const stage = {
    share: 1,
    before: { pairs: 32, losses: 1, credits: 0 },
    began: now - 20 * DAY_MS,
  }
  await store.internalizations.create(
    exampleApproved('live', { state: { name: 'live', stage }, createdAt: now - 25 * DAY_MS })
  )
  const newest = audited.slice(-160)
  await store.pairs.judge(
    newest.map((id, place) =>
      examplePair(
        id,
        place % 40 === 39 && place < 120
          ? { answer: messageAt(placeOf(id))[2] }
          : { outcome: 'agreed', isEqual: true }
      )
    )
  )
  await saveRolloutReport(store, 'live', exampleReport({ stage, at: now }))
  const waiting = exampleApproved('waiting', {
    templateVersion: 'version-2',
    createdAt: now - DAY_MS,
  })
  const winner = waiting.verdict!.arms[waiting.verdict!.arm]!
  winner.samples = { ...winner.samples, traffic: { ...winner.samples.traffic, answered: 300 } }
  await store.internalizations.create(waiting)
  await store.internalizations.addEvaluations(
    newest.slice(0, 3).map((id) => exampleEvaluation(id, { internalizationId: 'waiting', arm: 1 }))
  )
  await store.close()
}
