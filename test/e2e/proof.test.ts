/** Evidence from a user's view: the operator exports a file, somebody else verifies it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { DecisionFacts } from '../../src/core/proof/decision-facts.ts'
import type { ProofFile } from '../../src/core/proof/proof-file.ts'
import type { Verification } from '../../src/core/proof/verify-proof.ts'
import { saveDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import { endOfCli, runCli, type Ended } from '../kit/process/built.ts'
import { exampleEvidenceFile, exampleFacts, exampleJudged, resealed } from '../kit/records/facts.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const DATA_DIR = join(folder, 'data')

beforeAll(async () => {
  const store = await openStore({ dataDir: DATA_DIR })
  await store.templates.upsert([exampleTemplate()])
  await store.internalizations.create(exampleJudged())
  await saveDecisionFacts(store, 'internalization-1', exampleFacts())
  await store.close()
})

/** Without data and settings. */
const verify = (words: string[], input = ''): Promise<Ended> =>
  endOfCli({ DATA_DIR: join(folder, 'nothing'), PORT: 'eighty' }, ['verify', ...words], {
    input,
    timeoutMs: 10_000,
  })

const exported = () => runCli({ DATA_DIR }, 'proof', 'internalization-1')

const saved = (text: string): string => {
  const path = join(folder, 'proof.json')
  writeFileSync(path, text)
  return path
}

describe('a proof file', () => {
  it('is exported, and verified without data from a file and from stdin', async () => {
    const text = await exported()
    const [ofFile, ofStdin] = [await verify([saved(text)]), await verify(['-'], text)]
    expect(ofFile).toMatchObject({ code: 0, stderr: '' })
    expect(ofFile.stdout).toContain('every check holds')
    expect(ofStdin).toEqual(ofFile)
    expect(ofFile.stdout.split('\n').every((line) => line.length <= 80)).toBe(true)
  })

  it('that was changed fails with the names of the checks', async () => {
    const file = JSON.parse(await exported()) as ProofFile
    file.verdict.arms[1]!.coverage += 0.05
    const forged = saved(JSON.stringify(file))
    const { code, stdout, stderr } = await verify([forged])
    expect({ code, stderr }).toEqual({ code: 5, stderr: '' })
    expect(stdout).toContain('arms[1].coverage')
    expect(stdout).toMatch(/2 of \d+ checks fail/)
    const json = await verify([forged, '--json'])
    const { holds, checks } = JSON.parse(json.stdout) as Verification
    expect([json.code, holds]).toEqual([5, false])
    expect(checks.flatMap(({ name, holds: one }) => (one ? [] : [name]))).toEqual([
      'file',
      'verdict',
    ])
  })

  it.each<[string, Partial<DecisionFacts>]>([
    ['a level of 0.9999', { alpha: 0.9999 }],
    ['a level that is that of no try', { alpha: 0.039 }],
    ['a margin of 30 points', { margin: 0.3 }],
    ['no bursts', { burstMs: 0 }],
  ])('that was judged with %s is weaker than the promise, and fails', async (_what, weaker) => {
    const file = exampleEvidenceFile({ facts: exampleFacts(weaker) })
    const { code, stdout } = await verify([saved(JSON.stringify(file))])
    expect(stdout).toMatch(/^FAILS +promise: weaker/m)
    expect(code).toBe(5)
  })

  it('with a wider margin holds for who says that it was agreed', async () => {
    const path = saved(
      JSON.stringify(exampleEvidenceFile({ facts: exampleFacts({ margin: 0.1 }) }))
    )
    expect((await verify([path])).code).toBe(5)
    const agreed = await verify([path, '--margin', '0.1'])
    expect(agreed.stdout.replaceAll(/\s+/g, ' ')).toMatch(/holds promise: .*margin of 10\.0 %/)
    expect(agreed.code).toBe(0)
  })

  it('with rules for fields holds for who accepts them', async () => {
    const rule = { path: 'id', rule: { kind: 'free' }, by: 'cli', why: 'made up', at: 1 } as const
    const file = exampleEvidenceFile({ facts: exampleFacts({ fields: [rule] }) })
    const path = saved(JSON.stringify(file))
    const refused = await verify([path])
    expect(refused.stdout.replaceAll(/\s+/g, ' ')).toMatch(/FAILS promise: weaker: .*id free/)
    expect(refused.code).toBe(5)
    expect((await verify([path, '--accept-field-rules'])).code).toBe(0)
  })

  it.each([
    ['margin', '1e400'],
    ['margin', '-0.05'],
    ['alpha', '1e400'],
    ['burstMs', '1e400'],
    ['minCoverage', '7'],
  ])('with the %s %s is refused by name, without computing', async (name, number) => {
    const text = JSON.stringify(resealed(exampleEvidenceFile()))
    const forged = text.replace(new RegExp(`"${name}":[\\d.]+`, 'g'), `"${name}":${number}`)
    const ended = await verify([saved(forged)])
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain(`decision.${name}`)
  })

  it.each([
    ['a file of a later version', '{"format":2}', 2, 'has format 2'],
    ['another file', '{"a":1}', 2, 'is not a proof file'],
    ['a text', 'hello', 2, 'is not JSON'],
  ])('%s is a wrong usage', async (_what, text, code, message) => {
    const ended = await verify(['-'], text)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toContain(message)
  })
})
