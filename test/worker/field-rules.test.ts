/** JSON answers with a generated id: rejected as they are, promoted once an operator says that the id is free. */
import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { FieldRule } from '../../src/core/answer/field-rules.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { newInternalization } from '../../src/core/internalization/internalization.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { examplesOf } from '../../src/lifecycle/held-out-examples.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { answerBody } from '../kit/records/completion.ts'
import { COLOURS, ORDERS } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness, type WorkerHarness } from './harness.ts'

/** `{"id": "3f2a…", "shelf": {"colour": "amber"}}` */
const inJson = (records: readonly ExchangeRecord[], idOf: (record: ExchangeRecord) => string) =>
  records.map((record, number) => ({
    ...record,
    response: answerBody(
      JSON.stringify({
        id: hash('md5', idOf(record)).slice(0, 8),
        shelf: { colour: COLOURS[number % COLOURS.length] },
      })
    ),
  }))

const ORDERS_OF_TEST = ORDERS.slice(0, 2 * PLANNED_ROWS + 12)
/** No request tells the id. */
const JSON_ORDERS = inJson(ORDERS_OF_TEST, ({ id }) => id)

const FREE_ID: FieldRule = {
  path: 'id',
  rule: { kind: 'free' },
  by: 'cli',
  why: 'the application throws it away',
  at: 1_000,
}

const open = useWorkerHarness(JSON_ORDERS)

const begin = async () => {
  const harness = await open({ from: null })
  await harness.log(JSON_ORDERS)
  const worker = await harness.worker(harness.deps({}, { arms: ['query-only'] }))
  return { harness, worker }
}

const again = async (harness: WorkerHarness, worker: Worker, id: string) => {
  const [template] = await harness.store.templates.list()
  const { store, now } = harness
  await store.internalizations.create(newInternalization(id, template!, now), 'cli')
  return harness.runTo(worker, 'approval', 'rejected')
}

describe('a template whose JSON has a generated id', () => {
  it('is rejected, with the field that disagrees, and goes on once the field is free', async () => {
    const { harness, worker } = await begin()
    const { store } = harness
    const rejected = await harness.runTo(worker, 'approval', 'rejected')
    expect(rejected.state.name).toBe('rejected')
    expect(rejected.plan!.answers).not.toHaveProperty('fields')
    const { rows } = rejected.verdict!.fields!
    expect(rows).toBeGreaterThan(PLANNED_ROWS / 2)
    expect(rejected.verdict!.fields).toEqual({
      rows,
      answered: 0,
      fields: [{ path: 'id', rows, answered: 0 }],
      others: 0,
    })

    const examples = await examplesOf(store, rejected, { limit: 500, field: 'id' })
    expect(examples).toHaveLength(rows)
    expect(examples[0]!.fieldsApart).toEqual(['id'])
    expect(await examplesOf(store, rejected, { limit: 9, field: 'shelf.colour' })).toEqual([])

    await store.templates.setField(rejected.templateVersion, FREE_ID)
    const approved = await again(harness, worker, 'second')
    expect(approved.state.name).toBe('approval')
    expect(approved.plan!.answers.fields).toEqual([FREE_ID])
    expect(approved.verdict!.fields).toMatchObject({ fields: [], others: 0 })
    expect(approved.verdict!.arms[0]).toMatchObject({ agreementAnswered: 1 })

    // fixed in the plan: what is said later is for the next internalization
    await store.templates.removeField(approved.templateVersion, 'id')
    const [example] = await examplesOf(store, (await harness.newest())!, { limit: 1 })
    expect(example).toMatchObject({ agrees: true })
    const file = JSON.parse(JSON.stringify(await proofFile(store, approved, harness.now)))
    expect(file.decision.fields).toEqual([FREE_ID])
    expect(JSON.stringify(file)).not.toContain('shelf')
    const accepted = { ...QUICK_PROMISE, acceptsFieldRules: true }
    expect(verifyProof(file, accepted).checks.filter(({ holds }) => !holds)).toEqual([])
    const promise = verifyProof(file, QUICK_PROMISE).checks.find(({ name }) => name === 'promise')
    expect(promise).toMatchObject({
      holds: false,
      said: 'weaker: it has rules for fields, which leave less to agree: id free',
    })
  })
})

describe('a live route without rules', () => {
  it('is compared with its successor under the rules of that one', async () => {
    const harness = await open({ from: null })
    const { store } = harness
    await harness.log(inJson(ORDERS_OF_TEST, () => 'the same'))
    const worker = await harness.worker(harness.deps({}, { arms: ['query-only'] }))
    await harness.runTo(worker, 'approval')
    const { id: of, templateVersion } = await harness.approve()
    // from now on the API makes up an id for each answer
    const since = harness.now
    const later = inJson(ORDERS_OF_TEST, ({ id }) => id).map((record, number) => ({
      ...record,
      id: `later-${number}`,
      at: since + number * 60_000,
    }))
    harness.now += later.length * 60_000
    await harness.log(later)
    await store.records.tagTemplate(
      later.map(({ id }) => id),
      templateVersion
    )
    await store.templates.setField(templateVersion, FREE_ID)
    const template = (await store.templates.get(templateVersion))!
    const successor = { of, why: 'new-traffic', since } as const
    const next = newInternalization('second', template, harness.now, { successor })
    await store.internalizations.create(next)
    const judged = await harness.runTo(worker, 'approval', 'rejected')
    const { decision } = await proofFile(store, judged, harness.now)
    expect(decision.fields).toEqual([FREE_ID])
    const made = decision.present!.rows.map(({ present }) => present)
    expect(made).toContain('right')
    expect(made).not.toContain('wrong')
  })
})

describe('rules for fields of answers that are not JSON', () => {
  it('are refused before anything is trained', async () => {
    const harness = await open({ from: null })
    await harness.log(ORDERS.slice(0, JSON_ORDERS.length))
    const worker = await harness.worker()
    await harness.runTo(worker, 'candidate')
    const { templateVersion } = await harness.newest()
    await harness.store.templates.setField(templateVersion, FREE_ID)
    const { state } = await harness.runTo(worker, 'rejected', 'training')
    expect(state).toMatchObject({
      name: 'rejected',
      reason: { code: 'rules-without-json' },
    })
  })
})
