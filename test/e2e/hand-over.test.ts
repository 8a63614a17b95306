/** Commands of the worker's work while the server runs: its worker does the work. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import type { Verdict } from '../../src/core/gate/gate.ts'
import { endOfCli, runCli, startServer } from '../kit/process/built.ts'
import { COLOURS, PROMPT } from '../kit/records/paint-orders.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const rowOf = (number: number): string =>
  JSON.stringify({
    messages: [
      { role: 'system', content: PROMPT },
      { role: 'user', content: `Order ${number}: ${number % 7} tins of ${COLOURS[number % 6]}` },
      { role: 'assistant', content: COLOURS[number % 6] },
    ],
  })

const PATIENCE = { timeout: 30_000, interval: 500 }

describe('while the server runs', () => {
  const dataDir = sharedFolder()
  const env = {
    ...loopSettings(),
    DATA_DIR: dataDir,
    OPENAI_API_KEY: 'key-of-the-team',
    AUTO_INTERNALIZE: 'false',
  }
  let proxy: ProxyProcess
  let version: string
  let id: string

  const cli = async <T>(...words: string[]): Promise<T> =>
    JSON.parse(await runCli({ ...env, ENGINE: 'none' }, ...words, '--json')) as T

  const codeOf = async (...words: string[]): Promise<number | null> =>
    (await endOfCli(env, words)).code

  beforeAll(async () => {
    const file = join(dataDir, 'rows.jsonl')
    writeFileSync(file, Array.from({ length: 400 }, (_, index) => rowOf(index)).join('\n'))
    proxy = await startServer(env)
    await cli('import', file)
  })

  afterAll(() => proxy.stop())

  it('its worker reads what import has added', async () => {
    await vi.waitFor(async () => {
      const { templates } = await cli<{ templates: { version: string }[] }>('status')
      expect(templates).toMatchObject([{ stats: { requests: 400 } }])
      version = templates[0]!.version
    }, PATIENCE)
  })

  it('internalize has its worker train, and follows it to the verdict', async () => {
    const done = await cli<{ id: string; state: { name: string }; verdict: Verdict }>(
      'internalize',
      version
    )
    expect(done).toMatchObject({ state: { name: 'approval' }, verdict: { verdict: 'promote' } })
    ;({ id } = done)
  })

  it('promote takes the template, for its newest internalization', async () => {
    expect(await cli('promote', version)).toMatchObject({ id, state: { name: 'live' } })
  })

  it('an unknown id ends with 3, a second worker with 4', async () => {
    expect(await codeOf('internalize', 'unknown')).toBe(3)
    expect(await codeOf('worker')).toBe(4)
  })
})
