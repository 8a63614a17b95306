/** A successor is compared with the live route as it stands, not as its proof left it. */
import { expect, it } from 'vitest'
import { createAnswerFormats } from '../../src/core/answer/schema/answer-schema.ts'
import {
  newInternalization,
  type InternalizationPlan,
} from '../../src/core/internalization/internalization.ts'
import type { PartName } from '../../src/core/route/parts.ts'
import type { Routed } from '../../src/core/gate/replacement.ts'
import { adjustRoute, goLive } from '../../src/lifecycle/promote.ts'
import { payAlways } from '../../src/worker/answers/proof-budget.ts'
import { comparedPresent } from '../../src/worker/internalize/compare-present.ts'
import { WAREHOUSE_ORDERS } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { useWorkerHarness } from './harness.ts'

const open = useWorkerHarness(WAREHOUSE_ORDERS)
const ROLLOUT = { ...AT_ONCE, stages: [0.05, 1] }
const COUNTS = { pairs: 300, losses: 0, credits: 0 }
const BORDER = {
  threshold: -0.9,
  evidence: { ...COUNTS, answered: 150, drafts: 150, margin: 0.05, capital: 5 },
}

/** What the live route makes of each held-out request. @param threshold of the proof @param change of the live route */
const presentOf = async (
  threshold: number,
  change: (plan: InternalizationPlan) => Parameters<typeof adjustRoute>[2]
): Promise<Routed[]> => {
  const harness = await open({ from: 'approval' })
  const { store, engine, now } = harness
  const row = await harness.newest()
  const verdict = row.verdict!
  const winner = { ...verdict.arms[verdict.arm]!, threshold, wider: [-0.9] }
  const proven = { ...row, verdict: { ...verdict, arms: verdict.arms.with(verdict.arm, winner) } }
  const context = { by: 'worker', now, rollout: ROLLOUT }
  const live = await goLive(store, proven, context)
  await adjustRoute(store, live, change(row.plan!), context)
  const template = (await store.templates.get(row.templateVersion))!
  await store.internalizations.create(newInternalization('successor', template, now))
  const compared = await comparedPresent(
    {
      deps: { ...harness.deps(), store },
      engine,
      formats: createAnswerFormats(),
      internalization: { ...row, id: 'successor' },
      plan: { ...row.plan!, successor: { of: row.id, why: 'new-traffic', since: 0, lora: null } },
      template,
      pay: payAlways,
      witness: null,
    },
    [],
    verdict
  )
  return compared!.facts.rows.map(({ present }) => present)
}

it('has the border that pairs have proved', async () => {
  expect(new Set(await presentOf(-0.1, () => ({ border: BORDER })))).toEqual(new Set(['right']))
})

const withheld = ({ kind, name }: PartName) => ({ kind, name, ...COUNTS, capital: 20 })

it('does not give what it withholds', async () => {
  const answers = await presentOf(-0.9, ({ parts }) => ({
    withheld: parts.filter(({ kind }) => kind === 'answer').map(withheld),
  }))
  expect(new Set(answers)).toEqual(new Set(['upstream']))
})

it('does not answer requests of a kind that it withholds', async () => {
  const [one, another] = ['warehouse=north', 'warehouse=south']
  let expected = 0
  const answers = await presentOf(-0.9, ({ parts, holdoutRecordIds }) => {
    const kinds = parts.filter(({ name }) => name === one || name === another)
    expected = kinds.reduce((sum, { share }) => sum + share * holdoutRecordIds.length, 0)
    return { withheld: kinds.map(withheld) }
  })
  expect(answers.filter((routed) => routed === 'upstream')).toHaveLength(Math.round(expected))
  expect(expected).toBeGreaterThan(0)
})
