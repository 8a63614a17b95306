/** Answers with one value in a field go to the upstream once they are wrong, and the route gives the others. */
import { expect, it } from 'vitest'
import { withoutCopies } from '../../src/core/form/form.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { partNamesOf, type AnswerRules } from '../../src/core/answer/answer-rules.ts'
import { withheldBy } from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { planParts } from '../../src/core/route/parts.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { COLOURS, ORDERS, orderRecord } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { useWorkerHarness } from './harness.ts'
import { answerBody } from '../kit/records/completion.ts'
import { Watched } from './watched-route.ts'

const CANARY: RolloutSettings = { ...AT_ONCE, stages: [0.05, 1], auditShare: 0.03 }

const colourOf = (number: number): string => COLOURS[number % COLOURS.length]!

const answerOf = (number: number, shelf = colourOf(number)): string =>
  JSON.stringify({ shelf, isBright: number % 2 === 0 })

const inJson = (number: number): ExchangeRecord => ({
  ...orderRecord(number),
  response: answerBody(answerOf(number)),
})

const open = useWorkerHarness(ORDERS.slice(0, 156).map((_, number) => inJson(number)))

/** A live route as a field head has it: its plan knows the form of the answers. */
const openLive = async (): Promise<Watched> => {
  const harness = await open({ from: 'approval' })
  const row = await harness.newest()
  const answers = Array.from({ length: 72 }, (_, number) => answerOf(number))
  const rows = answers.map((answer, number) => ({
    sources: [{ name: 'query', text: `an order for ${colourOf(number)}` }],
    answer,
  }))
  const rules: AnswerRules = {
    ...row.plan!.answers,
    responseType: 'json',
    labels: null,
    form: withoutCopies(findForm(rows)!.form),
  }
  const parts = planParts({
    kinds: { traits: [], values: [], maxChars: 0 },
    sample: [],
    labels: null,
    answers: answers.map((answer) => partNamesOf(rules, answer)),
    isSingle: true,
  })
  const planned = { ...row, plan: { ...row.plan!, answers: rules, parts } }
  const live = await goLive(harness.store, planned, {
    by: 'admin',
    now: harness.now,
    rollout: CANARY,
  })
  const worker = await harness.worker(harness.deps({ rollout: CANARY }, { auto: false }))
  return new Watched(harness, worker, live)
}

/** Few orders of one colour, whose shelf has another name now, among many of the others. */
const renamed = async (watched: Watched, rounds: number): Promise<void> => {
  for (let round = 0; round < rounds; round++)
    for (let number = 0; number < 60; number++) {
      const isChanged = colourOf(number) === COLOURS[0]
      if (isChanged && number > 11) continue
      const { request } = orderRecord(number)
      const answer = isChanged ? answerOf(number, 'violet') : answerOf(number)
      await watched.audit(1, { request, response: answerBody(answer) })
    }
}

it('withholds a value of a field, and gives the others', async () => {
  const watched = await openLive()
  await renamed(watched, 14)
  const state = await watched.withheldOrEnded()
  expect(state.name).toBe('live')
  expect(withheldBy(state)).toMatchObject([{ kind: 'answer', name: 'shelf="amber"' }])
  const [route] = await watched.routes()
  expect(route!.answers.withheld).toEqual(['shelf="amber"'])

  const judged = async (number: number) => {
    const { request } = orderRecord(number)
    const response = answerBody(answerOf(number))
    const [id] = await watched.audit(1, { request, response })
    const { ofRecord } = watched.harness.store.pairs
    await watched.harness.runUntil(watched.worker, async () => (await ofRecord(id!)) !== null)
    return (await ofRecord(id!))!.outcome
  }
  expect(await judged(0)).toBe('withheld')
  expect(await judged(1)).toBe('agreed')
})
