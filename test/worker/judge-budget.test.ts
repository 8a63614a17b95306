/** What a judge costs an internalization. */
import { expect, it } from 'vitest'
import { RUBRIC } from '../../src/core/judge/judge-prompt.ts'
import { judgeUsd } from '../../src/savings/model-proof.ts'
import { openProofBudget } from '../../src/worker/answers/proof-budget.ts'
import type { AskUpstream } from '../../src/worker/deps.ts'
import { Judge } from '../../src/worker/judge/judge.ts'
import { useWorkerHarness } from './harness.ts'

const open = useWorkerHarness()

const REQUEST = 'May I have it back?'
const PAIRS = [{ path: '.', first: 'Yes, it is yours.', other: 'You may.' }]
const USD = 0.01

/** @param answer of the judge's upstream */
const judgeOf = async (answer: Awaited<ReturnType<AskUpstream>>) => {
  const { store } = await open({ from: null })
  const judge = new Judge(
    {
      askUpstream: () => Promise.resolve(answer),
      priceOf: (model) => ({ model, asOf: '2026-12-01', input: 1, cachedInput: 1, output: 10 }),
      sleep: () => Promise.resolve(),
    },
    { model: 'claude-judge', rubric: RUBRIC },
    (await openProofBudget(store, 'judged', USD)).judge
  )
  return { judge, spent: () => judgeUsd.read(store, 'judged') }
}

it.each([
  ['has no room', { code: 'judge-silent' }, { status: 503, body: '', retryAfterMs: null }],
  [
    'refuses the key',
    { code: 'judge-refused', figures: { status: 401, message: 'no such key' } },
    { status: 401, body: '{"error":{"message":"no such key"}}', retryAfterMs: null },
  ],
])('a judge that %s costs nothing, however often it is asked', async (_name, reason, answer) => {
  const { judge, spent } = await judgeOf(answer)
  for (let i = 0; i < 40; i++)
    await expect(judge.ask(REQUEST, PAIRS)).rejects.toMatchObject({ reason })
  expect(await spent()).toBe(0)
})

it('a body that is no completion is no reply of another version', async () => {
  const { judge, spent } = await judgeOf({ status: 200, body: '<html>', retryAfterMs: null })
  expect(await judge.ask(REQUEST, PAIRS)).toEqual({ verdict: 'none', versions: [] })
  expect(await spent()).toBeGreaterThan(0)
})
