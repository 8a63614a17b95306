/** Old logs from a user's view: the command line reads JSONL that other programs wrote. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const TENANT = '0123456789abcdef'.repeat(2)
let files = 0

const command = await builtCommand()

const cli = (env: Record<string, string>, ...words: string[]) =>
  endHere(command, { LOG_LEVEL: 'error', ...env }, words)

const asked = (text: string) => [{ role: 'user', content: text }]
const GOOD = JSON.stringify({ messages: asked('hi'), response: 'yes' })

const fileOf = (...lines: string[]): string => {
  const path = join(folder, `${files++}.jsonl`)
  writeFileSync(path, lines.join('\n'), 'latin1')
  return path
}

const emptyDir = (): string => join(folder, `data-${files++}`)

const importInto = (dataDir: string, path: string, ...words: string[]) =>
  cli({ DATA_DIR: dataDir }, 'import', path, '--tenant', TENANT, ...words)

const records = async (dataDir: string): Promise<{ tenant: string; at: number }[]> => {
  const { stdout } = await cli({ DATA_DIR: dataDir }, 'records', '--json')
  return JSON.parse(stdout) as { tenant: string; at: number }[]
}

const completion = (created: unknown) => ({
  object: 'chat.completion',
  created,
  choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
})

describe('import', () => {
  it.each([
    ['a file that does not exist', () => join(folder, 'nothing.jsonl'), 3, 'there is no file'],
    ['a folder', () => folder, 2, 'is a folder'],
    ['a file that gzip has packed', () => fileOf('\u001F\u008B'), 2, 'is packed by gzip'],
  ])('of %s ends with a message, and makes no data directory', async (_name, path, code, why) => {
    const dataDir = emptyDir()
    const ended = await importInto(dataDir, path())
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toContain(why)
    expect(ended.stderr).not.toContain('    at ')
    expect(existsSync(dataDir)).toBe(false)
  })

  it('skips lines that are not chat exchanges, names ten, and counts no blank line', async () => {
    const dataDir = emptyDir()
    const bad = Array.from({ length: 11 }, () => '{"messages": "hi"}')
    const unanswered = JSON.stringify({ messages: asked('anybody?') })
    const path = fileOf(GOOD, '', '  ', 'not JSON', GOOD, unanswered, ...bad, '', '')
    const ended = await importInto(dataDir, path, '--json')
    expect(JSON.parse(ended.stdout)).toEqual({
      imported: 2,
      repeated: 0,
      withoutAnswer: 1,
      skipped: 12,
      tenant: TENANT,
    })
    expect(ended.code).toBe(0)
    const lines = ended.stderr.trim().split('\n')
    expect(lines.slice(0, 2)).toEqual([
      'line 4 is skipped: it is not valid JSON',
      'line 7 is skipped: its messages are not a list of objects with a role',
    ])
    expect(lines.slice(9)).toEqual([
      expect.stringContaining('line 15 '),
      '2 more lines are skipped',
    ])
    expect(await records(dataDir)).toHaveLength(3)
  })

  it('counts lines that are in the log already as repeated', async () => {
    const dataDir = emptyDir()
    await importInto(dataDir, fileOf(GOOD))
    const longer = fileOf(GOOD, JSON.stringify({ messages: asked('new'), response: 'no' }))
    const { stdout } = await importInto(dataDir, longer)
    expect(stdout.replaceAll(/\s+/g, ' ').trim()).toBe(
      `1 imported, 1 repeated, 0 without an answer, 0 skipped; tenant ${TENANT}`
    )
    expect(await records(dataDir)).toHaveLength(2)
  })

  it('keeps the time that a line names, as a scan of the file reads it', async () => {
    const dataDir = emptyDir()
    const second = Date.UTC(2026, 9, 1) / 1000
    const lines = [
      { at: '2026-10-01T00:00:00Z', response: 'yes' },
      { at: second + 60, response: 'yes' },
      { created: second + 120, response: 'yes' },
      { created: 1000 * (second + 180), response: 'yes' },
      { created_at: '2026-10-01T00:04:00Z', response: 'yes' },
      { response: completion(second + 300) },
      { response: completion('2026-10-01T00:06:00Z') },
      { created: second + 420, messages: [...asked('row'), { role: 'assistant', content: 'yes' }] },
    ].map((line, number) =>
      JSON.stringify({ messages: asked(`hi ${number}`), model: 'm', ...line })
    )
    const path = fileOf(...lines)
    await importInto(dataDir, path)
    const minutes = (await records(dataDir)).map(({ at }) => (at / 1000 - second) / 60)
    expect(minutes.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const spans = []
    for (const log of [path, dataDir]) {
      const { stdout } = await cli({ DATA_DIR: dataDir }, 'scan', log, '--json')
      const { from, to } = JSON.parse(stdout) as { from: number; to: number }
      spans.push([from, to])
    }
    expect(spans).toEqual([
      [1000 * second, 1000 * (second + 420)],
      [1000 * second, 1000 * (second + 420)],
    ])
  })

  it('ends with --strict at the first line that is not a chat exchange', async () => {
    const dataDir = emptyDir()
    const ended = await importInto(dataDir, fileOf(GOOD, '', 'not JSON', GOOD), '--strict')
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain('line 3: it is not valid JSON; the lines before it are imported')
    expect(await records(dataDir)).toHaveLength(1)
  })

  it('fails for a file without any chat exchange', async () => {
    const ended = await importInto(emptyDir(), fileOf('a,b', 'c,d'), '--json')
    expect(ended.code).toBe(2)
    expect(ended.stderr).toContain('line 1 is skipped: it is not valid JSON')
    expect(JSON.parse(ended.stdout)).toMatchObject({ error: { code: 'invalid-request' } })
  })

  it('skips a request that the log would not keep', async () => {
    const long = JSON.stringify({ messages: asked('x'.repeat(2 ** 22)), response: 'yes' })
    const env = { DATA_DIR: emptyDir() }
    const words = [fileOf(GOOD, long), '--tenant', TENANT, '--json']
    const { stdout, stderr } = await cli(env, 'import', ...words)
    expect(JSON.parse(stdout)).toMatchObject({ imported: 1, skipped: 1 })
    expect(stderr).toContain('line 2 is skipped: its request is over 4194304 bytes')
  })

  it('needs a key of the callers or a tenant, and names both ways', async () => {
    const dataDir = emptyDir()
    const without = await cli({ DATA_DIR: dataDir }, 'import', fileOf(GOOD))
    expect(without.code).toBe(2)
    expect(without.stderr).toContain('OPENAI_API_KEY is not set')
    for (const way of ['--key-env', '--tenant']) expect(without.stderr).toContain(way)
    const unissued = { DATA_DIR: dataDir, ACCESS: 'keys', OPENAI_API_KEY: 'sk-own' }
    const refused = await cli(unissued, 'import', fileOf(GOOD))
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--tenant')])
    expect((await importInto(dataDir, fileOf(GOOD), '--key-env', 'KEY')).code).toBe(2)
    expect((await cli({ DATA_DIR: dataDir }, 'import', 'x', '--tenant', 'me')).code).toBe(2)
    const { stdout } = await cli({ DATA_DIR: dataDir, KEY: 'sk-1' }, 'import', fileOf(GOOD), '--json', '--key-env', 'KEY') // prettier-ignore
    expect(JSON.parse(stdout)).toMatchObject({ tenant: expect.stringMatching(/^[0-9a-f]{32}$/) })
  })
})
