/** Which answers are planned with a field head: the form is found in the rows that would train it. */
import { reasonIn } from '../kit/records/examples.ts'
import { describe, expect, it } from 'vitest'
import type {
  Internalization,
  InternalizeOptions,
} from '../../src/core/internalization/internalization.ts'
import { ARM_NAMES, type ArmName } from '../../src/core/learn/schedule.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { createTrainingTerms } from '../../src/core/terms/terms.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import { withChange } from '../../src/worker/plan/form.ts'
import { COLOURS, orderRecord } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness, withFieldHeads, type WorkerHarness } from './harness.ts'

const open = useWorkerHarness()

type AnswerOf = (number: number) => string

const answered = (answerOf: AnswerOf, rows = 2 * PLANNED_ROWS + 12, first = 0) =>
  Array.from({ length: rows }, (_, place) => orderRecord(first + place, answerOf(first + place)))

const openHarness = (): Promise<WorkerHarness> => open({ from: null, engine: { encoder: true } })

const plannedOn = async (
  harness: WorkerHarness,
  engine: Engine,
  config: Partial<InternalizeOptions> = {},
  changes: Partial<WorkerDeps> = {}
): Promise<Internalization> => {
  const arms: ArmName[] = [...ARM_NAMES]
  const worker = await harness.worker(harness.deps({ engine, ...changes }, { arms, ...config }))
  return harness.runTo(worker, 'training', 'rejected', 'failed')
}

const CLOSING =
  'We check each tin before it leaves the warehouse, and we tell you at once if a shelf is empty. Please keep this ' +
  'message until the paint has arrived, because the driver asks for the number of your order before he unloads.'

/** Two skeletons of over 240 characters; number, tins and colour are copied. */
const reply: AnswerOf = (n) => {
  const [tins, colour] = [(n % 3) + 1, COLOURS[n % 6]!]
  return n % 2 === 0
    ? `Thank you for order ${n}. ${tins} tins of ${colour} paint wait on the shelf for you. ${CLOSING}`
    : `We have your order ${n}, and the shelf for ${colour} is full: all ${tins} leave today. ${CLOSING}`
}

/** Nearly all words change from answer to answer. */
const story: AnswerOf = (n) =>
  Array.from({ length: 60 }, (_, at) => `w${((n + 7) * (at + 3) ** 2) % 9_973}`).join(' ')

/** One of fifty is unlike the others. */
const mostlyReply: AnswerOf = (n) => (n % 50 === 3 ? story(n) : reply(n))

/** Why replies of a form are refused. */
const reasonOn = async (harness: WorkerHarness, engine: Engine, arms?: ArmName[]) => {
  await harness.log(answered(reply))
  return reasonIn(await plannedOn(harness, engine, arms && { arms }))
}

describe('long replies', () => {
  it('of a few skeletons are planned with a field head and compared like short ones', async () => {
    const harness = await openHarness()
    await harness.log(answered(reply))
    const { state, plan } = await plannedOn(harness, withFieldHeads(harness.engine))
    expect(state.name).toBe('training')
    expect(reply(0).length).toBeGreaterThan(240)
    expect(plan!.answers.responseType).toBe('short-text')
    expect(plan!.arms[0]).toMatchObject({ name: 'field-head', encoder: 'fake-encoder' })
    expect(plan!.form!.explained).toBeGreaterThan(0.9)
    expect(plan!.form!.fields.filter(({ kind }) => kind === 'copied').length).toBeGreaterThan(2)
    expect(plan!.form!.unexplained).toEqual([])
    const names = plan!.parts.map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['{1}="Thank you for"', '{1}="We have your"', '{2}#2: …, and'])
    )
    // what all requests have is no part
    expect(plan!.parts.every(({ kind }) => kind === 'answer')).toBe(true)
  })

  it('that the form does not reproduce are named by their records', async () => {
    const harness = await openHarness()
    await harness.log(answered(mostlyReply))
    const { plan } = await plannedOn(harness, withFieldHeads(harness.engine))
    const { explained, unexplained } = plan!.form!
    expect(explained).toBeGreaterThan(0.95)
    expect(unexplained.length).toBeGreaterThan(0)
    for (const id of unexplained) expect(Number(id.split('-')[1]) % 50).toBe(3)
  })

  it('without a form stay free text', async () => {
    const harness = await openHarness()
    await harness.log(answered(story))
    const { state } = await plannedOn(harness, withFieldHeads(harness.engine))
    expect(state).toMatchObject({
      name: 'rejected',
      reason: { code: 'free-text', figures: { fieldHead: null } },
    })
  })

  it('stay free text where nothing can learn a form, with what helps', async () => {
    const [none, unwanted] = [await openHarness(), await openHarness()]
    expect(await reasonOn(none, none.engine)).toMatch(
      /^the answers are free text.*set ENCODER_PATH/
    )
    expect(
      await reasonOn(unwanted, withFieldHeads(unwanted.engine), ['label-head', 'query-only'])
    ).toMatch(/add field-head to ARMS/)
  })
})

/** JSON of two members; later ones have a third, in another place. */
const shelved: AnswerOf = (n) => JSON.stringify({ order: n, shelf: COLOURS[n % 6] })
const counted: AnswerOf = (n) =>
  JSON.stringify({ tins: (n % 3) + 1, order: n, shelf: COLOURS[n % 6] })

describe('a form that changed', () => {
  const ROWS = 2 * PLANNED_ROWS + 12

  it('is planned on the answers since the change, which is named', async () => {
    const harness = await openHarness()
    await harness.log([...answered(shelved, ROWS), ...answered(counted, 3 * ROWS, ROWS)])
    const { state, plan } = await plannedOn(harness, withFieldHeads(harness.engine), {
      trainRows: 450,
    })
    expect(state.name).toBe('training')
    expect(plan!.form).toMatchObject({ explained: 1, fields: [{ path: 'tins' }, {}, {}] })
    expect(plan!.form!.change).toMatch(/^since .* UTC, and older answers are left out$/)
    const since = orderRecord(ROWS).at
    const numbers = [...plan!.trainRecordIds, ...plan!.holdoutRecordIds].map((id) =>
      Number(id.split('-')[1])
    )
    expect(Math.min(...numbers.map((number) => orderRecord(number).at))).toBeGreaterThanOrEqual(
      since
    )
    expect(harness.said('the form of the answers changed')).toHaveLength(1)
    // what a later internalization finds is compared with it
    const [template] = await harness.store.templates.list()
    const form = { explained: 1, unexplained: [], fields: plan!.form!.fields.slice(1) }
    expect(await withChange(harness.deps(), template!, { form, since: null })).toEqual({
      ...form,
      change: 'removed "tins": copied (identity)',
    })
  })

  it('is none where a few old answers are unlike the others', async () => {
    const harness = await openHarness()
    await harness.log(answered((n) => (n < 3 ? story(n) : counted(n)), 4 * ROWS))
    const { plan } = await plannedOn(harness, withFieldHeads(harness.engine), {
      trainRows: 450,
    })
    expect(plan!.form!.change).toBeUndefined()
    expect(harness.said('the form of the answers changed')).toEqual([])
  })

  it('is not cut out where forms alternate', async () => {
    const harness = await openHarness()
    await harness.log(answered((n) => (n % 2 ? counted(n) : story(n)), 3 * ROWS))
    const { plan } = await plannedOn(harness, withFieldHeads(harness.engine), { trainRows: ROWS })
    expect(plan?.form).toBeUndefined()
  })
})

describe('the terms of an upstream that permits models which organize data', () => {
  const standard = { baseUrl: 'https://api.openai.com/v1' }
  const terms = createTrainingTerms({ standard, upstreams: [], consent: [] })
  const stateOn = async (harness: WorkerHarness, engine: Engine) => {
    await harness.log(answered(shelved))
    return (await plannedOn(harness, engine, {}, { terms })).state
  }

  it('permit answers whose form a field head can fill', async () => {
    const harness = await openHarness()
    const state = await stateOn(harness, withFieldHeads(harness.engine))
    expect(state).toMatchObject({ name: 'training' })
  })

  it('want consent for the same answers where a model would write them', async () => {
    const harness = await openHarness()
    expect(await stateOn(harness, harness.engine)).toMatchObject({
      name: 'rejected',
      reason: {
        code: 'consent-needed',
        figures: { type: 'json', consent: ['api.openai.com'], terms: [{ stance: 'asks' }] },
      },
    })
  })
})
