/** What is stored of a judge's comparisons. */
import { expect, it } from 'vitest'
import { heldOutIds } from '../../src/core/internalization/internalization.ts'
import { exchangesByIds } from '../../src/worker/exchanges/exchanges.ts'
import { NOT_ASKED_TODAY } from '../../src/worker/internalize/evaluate-row.ts'
import type { Witness } from '../../src/worker/judge/witness.ts'
import { judgeRows } from '../../src/worker/judge/judge-rows.ts'
import { useWorkerHarness } from './harness.ts'

const open = useWorkerHarness()

it('does not bring back the answers to a record that was forgotten while the judge was asked', async () => {
  const harness = await open({ from: 'approval' })
  const { store } = harness
  const { id, plan, templateVersion } = await harness.newest()
  const template = (await store.templates.get(templateVersion))!
  const exchanges = await exchangesByIds(store, template, heldOutIds(plan!))
  const rows = (await store.internalizations.evaluations(id, 0)).map((row) => ({
    ...row,
    ...NOT_ASKED_TODAY,
    deferred: null,
  }))
  const forgotten = exchanges[0]!.id
  let forgetting: Promise<unknown> | undefined
  const judge: Witness = {
    async compare() {
      await (forgetting ??= store.records.forget({ recordIds: [forgotten] }))
      return { verdict: 'same', isFactWrong: false, versions: ['1'] }
    },
    spentUsd: () => 0,
  }
  const { isPaid } = await judgeRows(
    { judge, store, comparison: plan!.answers, report: async () => undefined },
    {
      compared: 'adapted',
      rows,
      firstRows: new Map(),
      exchanges: new Map(exchanges.map((exchange) => [exchange.id, exchange])),
    }
  )
  expect(isPaid).toBe(true)
  const stored = await store.internalizations.evaluations(id, 0)
  expect(stored.filter(({ judged }) => judged !== null).length).toBe(exchanges.length - 1)
  expect(stored.map(({ recordId }) => recordId)).not.toContain(forgotten)
})
