/** Evidence from a user's view: the operator exports a file, somebody else verifies it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EvidenceFile } from '../../src/core/evidence/evidence-file.ts'
import type { Verification } from '../../src/core/evidence/verify-evidence.ts'
import { saveDecisionFacts } from '../../src/lifecycle/evidence-file.ts'
import { CLI, runCli } from '../fixtures/built.ts'
import { exampleFacts, exampleJudged } from '../fixtures/evidence.ts'
import { exampleTemplate } from '../fixtures/examples.ts'
import { openStore } from '../fixtures/local-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'promptintern-evidence-'))
const DATA_DIR = join(folder, 'data')

beforeAll(async () => {
  const store = await openStore({ dataDir: DATA_DIR })
  await store.templates.upsert([exampleTemplate()])
  await store.internalizations.create(exampleJudged())
  await saveDecisionFacts(store, 'internalization-1', exampleFacts())
  await store.close()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Without data and settings. */
const verify = (
  words: string[],
  input = ''
): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], DATA_DIR: join(folder, 'nothing'), PORT: 'eighty' }
    const child = spawn(process.execPath, [CLI, 'verify', ...words], { env })
    const texts = { stdout: '', stderr: '' }
    child.stdout.on('data', (text: Buffer) => (texts.stdout += String(text)))
    child.stderr.on('data', (text: Buffer) => (texts.stderr += String(text)))
    child.stdin.end(input)
    child.on('close', (code) => resolve({ code, ...texts }))
  })

const exported = () => runCli({ DATA_DIR }, 'evidence', 'internalization-1')

const saved = (text: string): string => {
  const path = join(folder, 'evidence.json')
  writeFileSync(path, text)
  return path
}

describe('an evidence file', () => {
  it('is exported, and verified without data from a file and from stdin', async () => {
    const text = await exported()
    const [ofFile, ofStdin] = [await verify([saved(text)]), await verify(['-'], text)]
    expect(ofFile).toMatchObject({ code: 0, stderr: '' })
    expect(ofFile.stdout).toContain('every check holds')
    expect(ofStdin).toEqual(ofFile)
    expect(ofFile.stdout.split('\n').every((line) => line.length <= 80)).toBe(true)
  })

  it('that was changed fails with the names of the checks', async () => {
    const file = JSON.parse(await exported()) as EvidenceFile
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

  it.each([
    ['a file of a later version', '{"format":2}', 2, 'has format 2'],
    ['another file', '{"a":1}', 2, 'is not an evidence file'],
    ['a text', 'hello', 2, 'is not JSON'],
  ])('%s is a wrong usage', async (_what, text, code, message) => {
    const ended = await verify(['-'], text)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toContain(message)
  })
})
