/** A label that has changed its meaning goes to the upstream, and the rest of the route stays. */
import { describe, expect, it } from 'vitest'
import {
  withheldBy,
  type InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import type { Route } from '../../src/core/route/route.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { eventTypeOf } from '../../src/worker/webhook/event.ts'
import { changeText } from '../../src/lifecycle/rollout-report.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { COLOURS, orderRecord } from '../kit/records/paint-orders.ts'
import { answerBody } from '../kit/records/completion.ts'
import { useWatchedRoute, type Watched } from './watched-route.ts'

type LiveState = Extract<InternalizationState, { name: 'live' }>

const open = useWatchedRoute()

// a small share of the traffic, so that the route as a whole keeps its promise
const CANARY: RolloutSettings = { ...AT_ONCE, stages: [0.05, 1], auditShare: 0.03 }

const colourOf = (number: number) => COLOURS[number % COLOURS.length]

/** Orders of one colour, which the upstream now calls otherwise, among many of the others. */
const shifted = async (watched: Watched, rounds: number): Promise<void> => {
  for (let round = 0; round < rounds; round++)
    for (let number = 0; number < 60; number++) {
      if (colourOf(number) === COLOURS[0] && number > 11) continue
      const { request } = orderRecord(number)
      await watched.audit(1, {
        request,
        ...(colourOf(number) === COLOURS[0] && { response: answerBody('violet') }),
        ...(colourOf(number) !== COLOURS[0] && { response: orderRecord(number).response }),
      })
    }
}

describe('a label that has changed its meaning', () => {
  it('is withheld by the route, too, where the route could not be written at once', async () => {
    const watched = await open(CANARY)
    const { harness } = watched
    await watched.worker.close()
    let failures = 0
    const routes = {
      ...harness.store.routes,
      put: async (route: Route) => {
        if (route.answers.withheld !== undefined && failures++ === 0)
          throw new Error('database is locked')
        return harness.store.routes.put(route)
      },
    }
    const store = { ...harness.store, routes }
    const worker = await harness.worker(harness.deps({ rollout: CANARY, store }, { auto: false }))
    await shifted(watched, 14)
    await expect(
      harness.runUntil(worker, async () => withheldBy(await watched.state()).length > 0)
    ).rejects.toThrow('database is locked')
    expect(failures).toBe(1)
    expect(withheldBy(await watched.state())).toHaveLength(1)
    await harness.runFor(worker, 3_000, 1_000)
    const [route] = await watched.routes()
    expect(route!.answers.withheld).toHaveLength(1)
  })

  it('is withheld, and the route answers the others', async () => {
    const watched = await open(CANARY)
    await shifted(watched, 14)
    const state = await watched.withheldOrEnded()
    expect(state.name).toBe('live')
    const [withheld, ...others] = withheldBy(state)
    expect(others).toEqual([])
    expect(withheld!.losses).toBe(withheld!.pairs)
    const { coverage } = state as LiveState
    expect(coverage!.before - coverage!.after).toBe(withheld!.pairs)
    expect(await watched.routes()).toMatchObject([{ answers: { withheld: [withheld!.name] } }])
    expect(watched.events('rollout.withheld')).toMatchObject([{ answers: 1, requests: 0 }])

    const entry = (await watched.harness.store.internalizations.history(watched.id)).at(-1)!
    expect(eventTypeOf(entry)).toBe('rollout.withheld')
    // names no answer
    expect(changeText(entry)).toMatch(
      /^no longer gives 1 of its answers: wrong in \d+ of \d+ requests.*; it answers [\d.]+ % of the audited requests, [\d.]+ % before$/
    )

    // from now on a request of it is none that the lora answers
    const before = (await watched.report()).outcomes
    await watched.audit(60)
    await watched.judged((await watched.count()) + 1)
    await watched.harness.runFor(watched.worker, 60_000, 1_000)
    const after = (await watched.report()).outcomes
    expect(after.withheld).toBeGreaterThan(0)
    expect(after.fallback).toBe(before.fallback)
    // the questions have not changed
    expect((await watched.report()).drift).toBeNull()
    expect(await watched.state()).toMatchObject({ name: 'live', withheld: [withheld] })
  })
})
