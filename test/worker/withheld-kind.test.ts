/** Requests with one value of a slot go to the upstream once their answers are wrong, and the route answers the others. */
import { describe, expect, it } from 'vitest'
import { withheldBy } from '../../src/core/internalization/internalization.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import type { WithheldPart } from '../../src/core/rollout/withheld.ts'
import { changeText } from '../../src/lifecycle/rollout-report.ts'
import { startHarness, UNMATCHED_BODY } from '../kit/proxy/harness.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { ROUTE } from '../kit/proxy/lora-route.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import {
  inWarehouse,
  WAREHOUSE_ORDERS,
  warehouseOf,
  WAREHOUSES,
} from '../kit/records/paint-orders.ts'
import { answerBody } from '../kit/records/completion.ts'
import { useWatchedRoute, type Watched } from './watched-route.ts'

const CANARY: RolloutSettings = { ...AT_ONCE, stages: [0.05, 1], auditShare: 0.03 }

const open = useWatchedRoute(WAREHOUSE_ORDERS)

const [CHANGED] = WAREHOUSES

/** Few orders of one warehouse, whose shelves were painted anew, among many of the others. */
const repainted = async (watched: Watched, rounds: number): Promise<void> => {
  for (let round = 0; round < rounds; round++)
    for (let number = 0; number < 60; number++) {
      const isChanged = warehouseOf(number) === CHANGED
      if (isChanged && number % 12 !== round % 3) continue
      if (isChanged && number >= 24) continue
      const { request, response } = inWarehouse(number)
      await watched.audit(1, { request, response: isChanged ? answerBody('violet') : response })
    }
}

/** Who answers each order: the route as the store has it, at all of its traffic. */
const outcomesOf = async (watched: Watched, numbers: readonly number[]): Promise<unknown[]> => {
  const [stored] = await watched.routes()
  const template = { ...stored!.template, tenant: ROUTE.template.tenant }
  const shares = { trafficShare: 1, auditShare: 0 }
  const proxy = await startHarness(
    withLora(watched.harness.engine, { ...stored!, template, ...shares })
  )
  try {
    await proxy.send(UNMATCHED_BODY)
    const answers = []
    for (const number of numbers) answers.push(await proxy.send(inWarehouse(number).request))
    return answers.map(({ headers }) => [
      headers['x-promptintern-route'],
      headers['x-promptintern-reason'],
    ])
  } finally {
    proxy.close()
  }
}

const ANSWERED = ['answered', undefined]

describe('a value of a slot whose answers have become wrong', () => {
  it('is withheld, and the route answers all others', async () => {
    const watched = await open(CANARY)
    // one order of each warehouse
    const orders = [0, 3, 6, 9]
    expect(await outcomesOf(watched, orders)).toEqual(orders.map(() => ANSWERED))
    await repainted(watched, 10)
    const state = await watched.withheldOrEnded()
    expect(state.name).toBe('live')
    expect(withheldBy(state)).toMatchObject([{ kind: 'request', name: `warehouse=${CHANGED}` }])
    const [{ losses, pairs }] = withheldBy(state) as [WithheldPart]
    expect(losses).toBe(pairs)
    expect(watched.events('rollout.withheld')).toMatchObject([{ answers: 0, requests: 1 }])
    expect(await outcomesOf(watched, orders)).toEqual([
      ['skipped', 'kind-not-proven'],
      ANSWERED,
      ANSWERED,
      ANSWERED,
    ])

    const { store } = watched.harness
    const entry = (await store.internalizations.history(watched.id)).at(-1)!
    expect(changeText(entry)).toMatch(/^no longer answers 1 of its kinds of requests: wrong in/)

    // what was drawn before is no answer, and no sign that the questions have changed
    const { fallback } = (await watched.report()).outcomes
    const { request, response } = inWarehouse(0)
    const [last] = await watched.audit(1, { request, response })
    await watched.harness.runUntil(
      watched.worker,
      async () => (await store.pairs.ofRecord(last!)) !== null
    )
    expect(await store.pairs.ofRecord(last!)).toMatchObject({
      outcome: 'withheld',
      reason: 'kind-not-proven',
    })
    await watched.harness.round(watched.worker)
    expect((await watched.report()).outcomes.fallback).toBe(fallback)
    expect((await watched.report()).drift).toBeNull()
  })
})
