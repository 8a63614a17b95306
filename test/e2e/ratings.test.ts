/** People's ratings by the command line: the sample as a table, out and in, and what `show` says of it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

const imported = (table: string) => {
  const file = join(folder, 'ratings.csv')
  writeFileSync(file, table)
  return run('ratings', 'import', file)
}

it('writes the sample, rejected answers first, and reads what people say of it', async () => {
  const ids = await addPairs(store, [{ outcome: 'agreed' }, { outcome: 'disagreed' }])
  const { stdout: table, code } = await run('ratings', 'export', 'judged')
  expect(code).toBe(0)
  const [head, ...lines] = table.trim().split('\n')
  expect(head).toBe('record,question,answer_a,answer_b,right')
  expect(lines.map((line) => line.split(',')[0])).toEqual([ids[1], ids[0]])
  const rated = lines.map((line, at) => line + (at === 0 ? 'neither' : 'both'))
  expect(await imported([head, ...rated].join('\n'))).toMatchObject({
    code: 0,
    stdout: '2 pairs rated\n',
  })
  const all = await store.pairs.rated(0, 10)
  expect(all.map(({ rating }) => rating)).toEqual(['both', 'neither'])
  const again = await run('ratings', 'export', 'judged')
  expect(again.code).not.toBe(0)
  expect(again.stderr).toContain('there is no pair to rate: none waits')
})

it('rates nothing where a row is wrong', async () => {
  const [id] = await addPairs(store, [{}])
  const { code, stderr } = await imported(`record,right\n${id},both\nother,A and B\n`)
  expect(code).not.toBe(0)
  expect(stderr).toContain(
    'line 3: "right" must be a, b, both, neither or empty; nothing was rated'
  )
  expect(await store.pairs.rated(0, 10)).toEqual([])
})

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
