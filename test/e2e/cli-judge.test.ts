/** Judges by the command line: who vouches for a route's written answers, what people add, and what it costs. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { OpenStore } from '../../src/store/store.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { ownFolder } from '../kit/temporary-folder.ts'
import { addPairs } from '../kit/records/audited.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { exampleJudgedRoute } from '../kit/records/judged.ts'
import { exampleReport } from '../kit/records/rollout.ts'
import { openStore } from '../kit/store/local-store.ts'

let folder: string
let store: OpenStore
const command = await builtCommand()

beforeEach(async () => {
  folder = ownFolder()
  store = await openStore({ dataDir: folder })
  await store.templates.upsert([exampleTemplate()])
  const stage = { share: 0.05, before: { pairs: 0, losses: 0, credits: 0 }, began: 0 }
  const live = exampleJudgedRoute('judged', { state: { name: 'live', stage } })
  await store.internalizations.create(live)
  await saveRolloutReport(store, live.id, exampleReport())
})

afterEach(() => store.close())

const run = (...words: string[]) => endHere(command, { DATA_DIR: folder }, words)

it('says in show who vouches for the answers, and what is not claimed', async () => {
  await addPairs(store, [{ outcome: 'unusable', reason: 'no-second', answer: '' }])
  const shown = await run('template', exampleTemplate().version)
  // lines are broken at the width of a terminal
  const stdout = shown.stdout.replaceAll(/\s+/g, ' ')
  expect(stdout).toContain('judge-large compares the answers, in about 6600 requests')
  expect(stdout).toContain("rejects at most 5 points more of this route's answers")
  expect(stdout).toContain('Nothing is claimed about people before 300 ratings.')
  expect(stdout).toContain('have no second answer of the upstream')
  expect(stdout).toContain('the judge has cost 0.00 USD for this proof')
  const { stdout: json } = await run('template', exampleTemplate().version, '--json')
  expect(JSON.parse(json)).toMatchObject({
    internalizations: [{ id: 'judged', judge: { spentUsd: 0 } }],
  })
})

it('says in status what the judge of a running proof will cost', async () => {
  const running = exampleJudgedRoute('later', { verdict: null, state: { name: 'evaluating' } })
  await store.internalizations.create({ ...running, createdAt: running.createdAt + 1 })
  const { stdout } = await run('status')
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain('for about 2.50 USD; PROOF_USD allows 5.00 USD')
})
