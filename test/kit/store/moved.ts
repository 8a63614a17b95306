/** A SQLite database with rows in every table, to be moved, and all that a store says of its data. */
import { reasonOf, saidBy } from '../../../src/core/reason.ts'
import { batchOf } from '../../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { InternalizationState } from '../../../src/core/internalization/internalization.ts'
import type { Store } from '../../../src/store/store.ts'
import { examplePair, LORA, routedRecord } from '../records/audited.ts'
import { DAY_MS } from './days.ts'
import { collectGarbage } from './kept-memory.ts'
import {
  exampleApproved,
  exampleAsk,
  exampleEvaluation,
  exampleInternalization,
  exampleKey,
  exampleRecord,
  exampleRoute,
  exampleTemplate,
  LIVE_STATE,
} from '../records/examples.ts'

/** The driver closes a file when the connection is collected; until then it is open in this process. */
export const closeFiles = collectGarbage

export const STATES: InternalizationState[] = [
  { name: 'candidate' },
  { name: 'training', arm: 0, stage: 1 },
  { name: 'evaluating' },
  { name: 'approval' },
  LIVE_STATE,
  { name: 'retired', reason: saidBy('retired by a person') },
  { name: 'rejected', reason: reasonOf('too-few-fresh-answers', { margin: 0.05 }) },
  {
    name: 'failed',
    reason: reasonOf('error', { code: 'engine-unavailable', message: 'the engine is away' }),
  },
]

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** Records of one write, which an import may spread over days. */
const records = (): ExchangeRecord[] => [
  ...range(60).map((index) =>
    exampleRecord(index, { at: (20_000 + (index % 3)) * DAY_MS + index })
  ),
  exampleRecord(60, { at: 12 * DAY_MS, request: 'not JSON, with \0', usage: null }),
  exampleRecord(61, { at: 20_001 * DAY_MS, response: null, status: 499, tenant: 'tenant-b' }),
  exampleRecord(62, { at: 20_001 * DAY_MS + 0.5, path: '/v1/completions' }),
  exampleRecord(63, { at: 20_001 * DAY_MS, request: 'a text that is unlike all others' }),
]

const fillLog = async (store: Store): Promise<void> => {
  await store.records.append(batchOf(records()))
  const at = 20_002 * DAY_MS
  for (const group of [0, 1])
    await store.records.append(
      batchOf(
        range(10).map((index) =>
          routedRecord(100 + 10 * group + index, index % 2 === 0 ? 'answered' : 'skipped', { at })
        )
      )
    )
  for (const group of range(10))
    await store.records.append(
      batchOf(
        range(3).map((index) =>
          exampleRecord(200 + 3 * group + index, { at: (20_000 + index) * DAY_MS })
        )
      )
    )
  await store.records.tagTemplate(['record-1', 'record-2', 'record-5'], 'version-1')
  // a hole in the log, and its last record
  await store.records.append(batchOf([exampleRecord(999, { tenant: 'gone' })]))
  await store.records.forget({ recordIds: ['record-4', 'record-999'] })
  // bodies of the oldest record are gone
  await store.records.prune({ bodies: 13 * DAY_MS, records: 0 })
}

const fillAudits = async ({ pairs, feedback }: Store): Promise<void> => {
  await pairs.judge([
    examplePair('record-101', { answer: 'with \0', costUsd: 0.01 }),
    examplePair('record-103', { outcome: 'agreed', isEqual: true }),
  ])
  await pairs.rate('record-101', 'lora', 5_000)
  const given = { rating: 'bad', at: 7_000 } as const
  await feedback.put(
    { recordId: 'record-100', by: 'application', comment: 'no \0', ...given },
    null
  )
  await feedback.put({ recordId: 'record-100', by: 'admin', comment: null, ...given }, null)
  await feedback.put({ recordId: 'record-102', by: 'admin', comment: null, ...given }, null)
  await feedback.remove('record-102', 'admin', null)
}

const fillInternalizations = async ({ internalizations, routes }: Store): Promise<void> => {
  for (const [index, state] of STATES.entries()) {
    const templateVersion = `version-${index}`
    const row = exampleInternalization(`internalization-${index}`, { templateVersion })
    await internalizations.create(row, 'admin', 'it recurs')
    const { plan, verdict } = exampleApproved()
    await internalizations.save({ ...row, state, plan, verdict }, 'worker', 2_000 + index, 'why \0')
  }
  await internalizations.addEvaluations([
    exampleEvaluation('record-7', { internalizationId: 'internalization-3', answer: 'a \0 b' }),
    exampleEvaluation('record-8', { internalizationId: 'internalization-3', upstreamAnswer: 'x' }),
  ])
  await routes.put({
    ...exampleRoute('version-4'),
    internalizationId: 'internalization-4',
    lora: LORA,
  })
}

const fillOthers = async ({ templates, keys, keptResponses, snapshots }: Store): Promise<void> => {
  await templates.upsert([exampleTemplate('version-1'), exampleTemplate('version-4')])
  await templates.label('version-4', 'orders of paint')
  await templates.setField('version-4', {
    path: 'order.id',
    rule: { kind: 'free' },
    by: 'cli',
    why: 'generated \0',
    at: 1_000,
  })
  await keys.create(exampleKey('key-1'))
  await keys.create(exampleKey('key-2'))
  await keys.revoke('key-2', 9_000)
  await keys.renew('proxy-1', [
    exampleAsk('key-1', { spend: { requests: 3, tokens: 300, usd: 0.75 }, keptUsd: 0.5 }),
  ])
  await keptResponses.put({
    id: 'record-100',
    tenant: 'tenant-a',
    at: 20_002 * DAY_MS,
    request: '{"input":"卡 \0"}',
    response: '{"output":[]}',
  })
  await snapshots.put('bytes', Uint8Array.from([0, 1, 2, 255]))
  await snapshots.put('a-place', new TextEncoder().encode('{"place":3}'))
}

/** Fills every table. */
export const fillToMove = async (store: Store): Promise<void> => {
  await fillInternalizations(store)
  await fillLog(store)
  await fillAudits(store)
  await fillOthers(store)
}

const ofPairs = async ({ pairs }: Store) => ({
  waiting: await pairs.waiting(LORA, 100),
  backlog: await pairs.backlog(LORA),
  since: await pairs.since(LORA, 0, 100),
  list: await pairs.list({ lora: LORA, limit: 100 }),
  rated: await pairs.rated(0, 100),
  spent: await pairs.spent(0, Number.MAX_SAFE_INTEGER),
  revision: await pairs.revision(),
})

const ofInternalizations = async ({ internalizations }: Store) => ({
  list: await internalizations.list(),
  history: await internalizations.historySince(0, 100),
  end: await internalizations.historyEnd(),
  revision: await internalizations.revision(),
  evaluations: await internalizations.evaluations('internalization-3'),
})

/** What the store's methods return of all data. */
export const readEverything = async (store: Store) => {
  const { records: log, templates, feedback, keptResponses, routes, keys, snapshots } = store
  return {
    records: await log.list({ limit: 1_000, estimates: false }),
    traffic: await log.traffic(0, Number.MAX_SAFE_INTEGER),
    templates: await templates.list(),
    labels: await templates.labels(),
    fields: await templates.fields('version-4'),
    totals: await templates.totals(),
    internalizations: await ofInternalizations(store),
    pairs: await ofPairs(store),
    feedback: await feedback.list(0, 100),
    counts: await feedback.counts(LORA),
    kept: await keptResponses.get('record-100', 'tenant-a'),
    routes: await routes.list(),
    routesRevision: await routes.revision(),
    keys: await keys.list(),
    keysRevision: await keys.revision(),
    spend: await keys.spend(0),
    snapshots: await snapshots.all(''),
  }
}
