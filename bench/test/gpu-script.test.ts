/** `bench/gpu.sh` on a CPU: parts, what is kept between runs, and what a failure says. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import { missingForTrainer, TRAINER } from '../../test/kit/process/gpu-process.ts'
import type { Report } from '../../test/kit/report.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpu-script-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(fromRoot('bench/gpu.sh'), args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

const PARTS = ['check', 'training', 'serving', 'tests', 'contract', 'loop', 'crash']

describe('bench/gpu.sh', () => {
  it('lists its parts, none longer than nine minutes, the first at most three', () => {
    const parts = run('--list')
      .stdout.trim()
      .split('\n')
      .map((line) => line.split(' '))
    expect(parts.map(([name]) => name)).toEqual(PARTS)
    const seconds = parts.map(([, limit]) => Number(limit))
    expect(seconds[0]).toBeLessThanOrEqual(180)
    expect(Math.max(...seconds)).toBeLessThanOrEqual(540)
  })

  it('refuses what it does not know before it runs anything', () => {
    const out = join(folder, 'none')
    expect(run('--out', out, '--dry-run', '--part', 'check,chek')).toMatchObject({ status: 2 })
    expect(run('--out', out, '--part', 'check')).toMatchObject({ status: 2 })
    expect(run('--dry-run')).toMatchObject({ status: 2 })
    expect(existsSync(out)).toBe(false)
  })

  it('does not run a part again whose result is there', () => {
    const out = join(folder, 'kept')
    run('--dry-run', '--out', out, '--python', '/nonexistent', '--part', 'tests')
    expect(readdirSync(out)).toEqual(['tests.log'])
    writeFileSync(join(out, 'tests.json'), '{}')
    const again = run('--dry-run', '--out', out, '--python', '/nonexistent', '--part', 'tests')
    expect(again).toMatchObject({ status: 0, stdout: 'tests: is there\n' })
  })

  it('says which check failed, why, and ends with 1', { timeout: 300_000 }, () => {
    const out = join(folder, 'broken')
    const vllm = "sh -c 'echo CUDA out of memory >&2; exit 3'"
    const how = ['--python', '/nonexistent', '--vllm', vllm, '--part', 'check']
    const { status, stdout } = run('--dry-run', '--out', out, ...how)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^check: failed/m)
    expect(stdout).toMatch(/^check torch: failed: .*ENOENT/m)
    expect(stdout).toMatch(/^check attention: failed: not made/m)
    expect(stdout).toMatch(/^check vllm: failed: .*CUDA out of memory/m)
    expect(existsSync(join(out, 'check.json'))).toBe(false)
  })
})

const missing = missingForTrainer()
describe.skipIf(missing !== null)(`each part on a CPU${missing ? ` (${missing})` : ''}`, () => {
  it.each(PARTS)('%s', { timeout: 600_000 }, (part) => {
    const out = join(folder, 'dry')
    const how = ['--dry-run', '--out', out, '--python', TRAINER.python, '--part', part]
    const { status, stdout } = run(...how)
    expect(stdout).toContain(`${part}: ok`)
    expect(status).toBe(0)
    const { figures } = JSON.parse(readFileSync(join(out, `${part}.json`), 'utf8')) as Report
    expect(Object.keys(figures).length).toBeGreaterThan(2)
    expect(Object.values(figures).filter(({ holds }) => holds === false)).toEqual([])
  })
})
