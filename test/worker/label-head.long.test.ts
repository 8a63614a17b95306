/** A head on the engine's encoder competes with the loras, and answers like one. */
import { reasonIn } from '../kit/records/examples.ts'
import { reasonOf } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import type { FakeBackendOptions } from '../../adapters/fake/backend.ts'
import {
  winningLora,
  type InternalizeOptions,
} from '../../src/core/internalization/internalization.ts'
import { ARM_NAMES, type ArmName } from '../../src/core/learn/schedule.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { COLOURS, orderRecord } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness } from './harness.ts'

const open = useWorkerHarness()

type Encoder = FakeBackendOptions['encoder']

const trained = async (arms: readonly ArmName[], encoder: Encoder = true) => {
  const harness = await open({ from: 'candidate', engine: { encoder } })
  const worker = await harness.worker(harness.deps({}, { arms: [...arms] }))
  return { harness, internalization: await harness.runTo(worker, 'approval', 'rejected', 'failed') }
}

describe('with an encoder', () => {
  it('a head is trained first, once, on the queries alone', async () => {
    const { harness, internalization } = await trained(ARM_NAMES)
    const { arms } = internalization.plan!
    expect(arms.map(({ name, encoder }) => [name, encoder])).toEqual([
      ['label-head', 'fake-encoder'],
      ['query-only', undefined],
      ['schedule', undefined],
    ])
    const jobs = (await harness.engine.findJobs({})).filter(({ metadata }) => metadata.arm === '0')
    expect(jobs).toMatchObject([{ model: 'fake-encoder', method: { type: 'label-head' } }])
    expect(arms[0]!.results).toHaveLength(1)
  })

  it('a head alone goes to the gate, and its answers have a calibrated confidence', async () => {
    const { harness, internalization } = await trained(['label-head'])
    expect(internalization.state.name).toBe('approval')
    expect(await harness.engine.findJobs({})).toHaveLength(1)
    const [figures] = internalization.verdict!.arms
    expect(figures).toMatchObject({ arm: 'label-head', rows: PLANNED_ROWS })
    expect(figures!.coverage).toBeGreaterThan(0.5)
    const rows = await harness.store.internalizations.evaluations(internalization.id)
    expect(rows.every(({ logprobSum, logprobMin }) => logprobSum === logprobMin)).toBe(true)
  })

  it('its route answers with the head', async () => {
    const { harness, internalization } = await trained(['label-head'])
    await harness.approve()
    const [route] = await harness.store.routes.list()
    expect(route!.lora).toBe(winningLora(internalization))
    expect(route!.lora).toMatch(/^head-/)
    const answer = await harness.engine.complete({
      model: route!.lora,
      messages: [{ role: 'user', content: 'Order 999: 3 tins of crimson paint, please.' }],
    })
    expect(answer.choices[0]!.message.content).toBe('crimson')
  })
})

const sentence = (n: number) => `Shelf ${COLOURS[n % 6]} has room for order ${n}.`

describe('with an encoder alone', () => {
  it('a head is the only arm, goes live and answers', async () => {
    const { harness, internalization } = await trained(ARM_NAMES, 'alone')
    expect(internalization.state.name).toBe('approval')
    const { arms, baseModel, population } = internalization.plan!
    expect(arms.map(({ name }) => name)).toEqual(['label-head'])
    expect({ baseModel, withoutPrompt: population.withoutPrompt }).toEqual({
      baseModel: 'fake-encoder',
      withoutPrompt: null,
    })
    await harness.approve()
    expect(await harness.store.routes.list()).toHaveLength(1)
  })

  it('answers that are no labels are refused before training, with what helps', async () => {
    const { harness, row } = await planned(answered(sentence), { encoder: 'alone' })
    expect(row.state).toEqual({
      name: 'rejected',
      isUntrained: true,
      reason: reasonOf('not-labels', { hasLoras: false }),
    })
    expect(await harness.engine.findJobs({})).toEqual([])
  })

  it('has no other model to ask', async () => {
    const { engine } = await open({ from: null, engine: { encoder: 'alone' } })
    const messages = [{ role: 'user' as const, content: 'Order 1' }]
    await expect(engine.complete({ model: 'fake-base', messages })).rejects.toMatchObject({
      code: 'not-found',
    })
    await expect(engine.countTokens('fake-base', 'tins')).rejects.toThrow('no model fake-base')
  })
})

describe('with an encoder alone, and arms that cannot learn labels', () => {
  it.each([[['field-head']], [['query-only']]] as ArmName[][][])(
    'nothing is begun that has no arm: %s',
    async (arms) => {
      const { harness, internalization } = await trained(arms, 'alone')
      expect(internalization.state).toEqual({
        name: 'rejected',
        isUntrained: true,
        reason: reasonOf('no-label-head', { hasLoras: false }),
      })
      expect(await harness.engine.findJobs({})).toEqual([])
    }
  )
})

describe('without one', () => {
  it('loras compete alone', async () => {
    const { internalization } = await trained(ARM_NAMES, false)
    expect(internalization.plan!.arms.map(({ name }) => name)).toEqual(['query-only', 'schedule'])
  })

  it('a head alone is refused before training, with what helps', async () => {
    const { harness, internalization } = await trained(['label-head'], false)
    expect(internalization.state).toEqual({
      name: 'rejected',
      isUntrained: true,
      reason: reasonOf('no-encoder', { hasLoras: true }),
    })
    expect(await harness.engine.findJobs({})).toEqual([])
  })
})

/** The logged orders with other answers. */
const answered = (answerOf: (number: number) => string, rows = 2 * PLANNED_ROWS + 12) =>
  Array.from({ length: rows }, (_, number) => orderRecord(number, answerOf(number)))

const planned = async (
  records: ExchangeRecord[],
  { encoder = true, ...config }: Partial<InternalizeOptions> & { encoder?: Encoder } = {}
) => {
  const harness = await open({ from: null, engine: { encoder } })
  await harness.log(records)
  const worker = await harness.worker(harness.deps({}, { arms: [...ARM_NAMES], ...config }))
  return { harness, worker, row: await harness.runTo(worker, 'training', 'rejected', 'failed') }
}

describe('answers that are not labels', () => {
  it.each([
    ['json', (n: number) => JSON.stringify({ shelf: COLOURS[n % 6], order: n })],
    ['code', (n: number) => `SELECT shelf FROM orders WHERE id = ${n}`],
    ['short-text', sentence],
    ['free-text', (n: number) => `Order ${n}: ${'put it on the shelf, and '.repeat(20)}`],
  ])('have the same plan with an encoder as without one: %s', async (type, answerOf) => {
    const [beside, alone] = [
      await planned(answered(answerOf)),
      await planned(answered(answerOf), { encoder: false }),
    ]
    expect(beside.row.state).toEqual(alone.row.state)
    expect(beside.row.plan).toEqual(alone.row.plan)
    // free text is refused before there is a plan
    expect(alone.row.plan?.answers.responseType ?? 'free-text').toBe(type)
    expect(alone.row.plan?.arms.map(({ name }) => name)).toEqual(
      type === 'free-text' ? undefined : ['query-only', 'schedule']
    )
    expect(beside.harness.said('label head')).toEqual([])
  })
})

describe('answers that all have one label', () => {
  const records = answered(() => 'crimson')

  it('are learned by loras, and the log says why by no head', async () => {
    const { harness, worker } = await planned(records)
    const { state, plan, verdict } = await harness.runTo(worker, 'approval', 'rejected', 'failed')
    expect(state).toEqual({ name: 'approval' })
    expect(plan!.arms.map(({ name }) => name)).toEqual(['query-only', 'schedule'])
    expect(verdict!.arms[verdict!.arm]!.coverage).toBe(1)
    expect(harness.said('no label head')).toEqual([
      'no label head is trained: all answers to learn from are the same, and a head needs two labels',
    ])
  })

  it('are refused before training where only a head may compete', async () => {
    const { harness, row } = await planned(records, { arms: ['label-head'] })
    expect(row.state).toEqual({
      name: 'rejected',
      isUntrained: true,
      reason: reasonOf('one-label', { hasLoras: true }),
    })
    expect(await harness.engine.findJobs({})).toEqual([])
  })

  it('are one label too where only the validation rows have another one', async () => {
    // the newest three of the rows to train on are not trained on, and the log has no newer ones
    const late = answered((n) => (n >= 2 * PLANNED_ROWS + 9 ? 'green' : 'crimson'))
    const { row } = await planned(late, { arms: ['label-head'] })
    expect(row.state).toMatchObject({ name: 'rejected' })
  })
})

describe('labels with too few rows each', () => {
  it('are refused with the number of rows that a head takes', async () => {
    const few = answered((n) => `shelf ${n % 50}`, 2 * 150 + 12)
    const rows = { trainRows: 150, holdoutRows: 150 }
    const { row } = await planned(few, { arms: ['label-head'], ...rows })
    expect(row.state).toMatchObject({
      name: 'rejected',
      isUntrained: true,
      reason: { code: 'labels-not-shown', figures: { answers: 150, hasLoras: true } },
    })
    expect(reasonIn(row)).toMatch(/(49|50) different, recurring values: about \d\d more rows/)
    const { harness } = await planned(few, rows)
    expect(harness.said('no label head')).toHaveLength(1)
  })
})

describe('requests that are longer than the encoder reads', () => {
  const long = answered((n) => COLOURS[n % 6]!).map((record, number) => {
    const request = JSON.parse(record.request) as ChatRequest
    // the encoder of the fake engine reads 256 words, and its base model 2,048
    if (number % 2 === 0) request.messages[1]!.content += ' please'.repeat(600)
    return { ...record, request: JSON.stringify(request) }
  })

  it('are counted in the plan and in the log', async () => {
    const { harness, row } = await planned(long)
    const cut = row.plan!.trainRecordIds.filter((id) => Number(id.split('-')[1]) % 2 === 0).length
    expect(row.plan!.population.cutByHead).toEqual({ rows: cut, tokens: 256 })
    expect(harness.said('longer than')).toEqual([
      `${cut} of 72 training rows are longer than the 256 tokens that fake-encoder reads: a label head sees only their beginning`,
    ])
  })

  it('are not counted where no head is trained', async () => {
    const { harness, row } = await planned(long, { arms: ['query-only'] })
    expect(row.plan!.population.cutByHead).toBeUndefined()
    expect(harness.said('longer than')).toEqual([])
  })
})
