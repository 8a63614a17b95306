/** The worker of a rollout is killed at each of its writes, in turn: no pair is lost or counted twice. */
import { describe, expect, it } from 'vitest'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { answerBody } from '../kit/records/completion.ts'
import { useWatchedRoute, type Watched } from '../worker/watched-route.ts'
import { dyingStore, type Death } from './dying-store.ts'

const open = useWatchedRoute()

const MAX_ROUNDS = 200

interface Case {
  rollout: RolloutSettings
  /** the audited requests of the log */
  audit: (watched: Watched) => Promise<unknown>
  /** the state that the worker reaches by their evidence */
  reached: string
}

const ROLLBACK: Case = {
  rollout: { ...AT_ONCE, auditShare: 0.03 },
  audit: async (watched) => {
    await watched.audit(10)
    await watched.audit(40, { response: answerBody('violet') })
  },
  reached: 'retired',
}

const STEP: Case = {
  rollout: { ...AT_ONCE, stages: [0.05, 1], auditShare: 0.03, steps: true, stepCapital: 2 },
  audit: (watched) => watched.audit(50),
  reached: 'full',
}

const placeOf = async (watched: Watched): Promise<string> => {
  const state = await watched.state()
  return state.name === 'live' && state.stage?.share === 1 ? 'full' : state.name
}

/** Runs a worker that dies, and then one that does not, until the rollout has reached its place. */
const run = async ({ rollout, audit, reached }: Case, death: Death | null) => {
  const watched = await open(rollout)
  await audit(watched)
  const { harness } = watched
  const dying = dyingStore(harness.store, death)
  const isReached = async () => (await placeOf(watched)) === reached
  const live = async (): Promise<void> => {
    const first = await harness.worker(harness.deps({ rollout, store: dying.store }))
    for (let i = 0; i < MAX_ROUNDS && !(await isReached()); i++) await harness.round(first)
  }
  await live().catch((error: unknown) => {
    if (!dying.isDead()) throw error
  })
  const atDeath = { place: await placeOf(watched), routes: await watched.routes() }
  const second = await harness.worker(harness.deps({ rollout }))
  await harness.runUntil(second, isReached)
  await harness.round(second)
  return { watched, writes: dying.writes, atDeath }
}

/** The losses and pairs of the rows as they are, in the order of their places. */
const countsOf = async ({ harness, lora }: Watched, pairs: number) => {
  const rows = (await harness.store.pairs.since(lora, 0, 1_000)).slice(0, pairs)
  return {
    pairs: rows.length,
    losses: rows.filter((row) => row.outcome === 'disagreed').length,
    credits: 0,
  }
}

const deathsAt = (writes: readonly string[]): [string, Death][] =>
  writes.flatMap((name, at) =>
    [false, true].map((isWritten): [string, Death] => [
      `${isWritten ? 'after' : 'before'} ${name}`,
      { at, isWritten },
    ])
  )

describe.each([
  ['rolls back', ROLLBACK],
  ['enters the next stage', STEP],
])('a worker that %s', (_, one) => {
  it('does so once, with all pairs, wherever it is killed', { timeout: 120_000 }, async () => {
    const { writes } = await run(one, null)
    expect(writes).toEqual(expect.arrayContaining(['pairs.judge', 'snapshots.put']))
    for (const [name, death] of deathsAt(writes)) {
      const { watched, atDeath } = await run(one, death)
      const { harness, id, lora } = watched
      if (atDeath.place === 'retired') expect(atDeath.routes, name).toEqual([])
      const history = await harness.store.internalizations.history(id)
      const last = history.at(-1)!.to
      const evidence = 'evidence' in last ? last.evidence! : null
      expect(
        history.map(({ to }) => to.name).filter((state) => ['live', 'retired'].includes(state)),
        name
      ).toEqual(['live', last.name])
      expect(evidence, name).toMatchObject(await countsOf(watched, evidence!.pairs))
      const rows = await harness.store.pairs.list({ lora, limit: 1_000 })
      const { waiting, dropped } = await harness.store.pairs.backlog(lora)
      const ids = new Set(rows.map(({ recordId }) => recordId))
      expect([ids.size + waiting, dropped], name).toEqual([rows.length + waiting, 0])
      expect(rows.length + waiting, name).toBe(50)
    }
  })
})
