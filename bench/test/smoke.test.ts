/** Every bench that needs no model of its own starts and gives figures, with its smallest settings. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { WHY_NO_SERVER } from '../../test/kit/postgres/postgres-process.ts'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import type { Report } from '../../test/kit/report.ts'

const PATIENCE_MS = 600_000

const RUNS = [
  'gate --parts target,exact --draws 4 --max-draws 4',
  'judge --draws 2 --max-draws 2 --pairs 50 --rounds 20',
  'rollout --parts speed --draws 20',
  'detect --synthetic 1',
  'scan --runs 0 --draws 1 --rows 300 --fresh 100 --causes 1',
  'page --records 200 --templates 5 --internalizations 3 --rounds 1',
  'training --layers 1 --runs 1',
  'decoding --model models/tiny --runs 1',
  'forms --encoder tiny --rows 60 --test 20 --forms order,reply,quote',
  'hostile-bodies --rounds 1 --mib 1',
  'fuzz --minutes 0.1',
  'crash --rounds 2',
  'crash --rollout --rounds 1',
  'proxy --parts matching,in-flight --rounds 1 --seconds 1 --warm-up-seconds 1',
]

const POSTGRES_RUNS = [
  'move --records 2000',
  'store --parts log --rounds 1 --seconds 1',
  'crash --store postgres --rounds 1',
]

const folder = mkdtempSync(join(tmpdir(), 'bench-smoke-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Bars are not looked at: figures of so small a run mean nothing. */
const expectFigures = (line: string): void => {
  const [bench, ...options] = line.split(' ')
  const out = join(folder, 'report.json')
  rmSync(out, { force: true })
  const command = ['--import', 'tsx', `bench/${bench}.ts`, ...options, '--out', out]
  const { stderr } = spawnSync(process.execPath, command, { cwd: fromRoot(''), encoding: 'utf8' })
  const { figures } = JSON.parse(readFileSync(out, 'utf8')) as Report
  expect(Object.keys(figures).length, stderr).toBeGreaterThan(2)
  expect(Object.keys(figures).filter((name) => name.startsWith('failed_'))).toEqual([])
}

describe('benches', () => {
  it.each(RUNS)('%s', expectFigures, PATIENCE_MS)

  it.skipIf(WHY_NO_SERVER !== null).each(POSTGRES_RUNS)('%s', expectFigures, PATIENCE_MS)
})
