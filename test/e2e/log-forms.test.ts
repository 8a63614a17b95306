/** The log of `serve`, which server, worker and engine write to one stderr: of one form, for programs or for people. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { CLI, startServer } from '../kit/process/built.ts'
import { freePort } from '../kit/process/free-port.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

const settings = async (name: string) => ({
  DATA_DIR: join(folder, name),
  UPSTREAM_BASE_URL: 'http://127.0.0.1:9/v1',
  PORT: String(await freePort()),
  ENGINE: 'fake',
  LOG_LEVEL: 'info',
})

/** Of util-linux: runs a command at a terminal of its own. */
const SCRIPT = '/usr/bin/script'

describe('the log of serve', () => {
  it('is JSON on a pipe, from the engine too', async () => {
    let log = ''
    const server = await startServer(await settings('pipe'), (text) => (log += text))
    await server.stop()
    const lines = log
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 30, part: 'engine', msg: 'listening' })
    )
    expect(lines).toContainEqual(expect.objectContaining({ level: 30, msg: 'draining' }))
  })

  it.skipIf(!existsSync(SCRIPT))('is plain text at a terminal, from the engine too', async () => {
    const command = `'${process.execPath}' '${CLI}' serve`
    const child = spawn(SCRIPT, ['-qefc', command, '/dev/null'], {
      env: { PATH: process.env.PATH, ...(await settings('terminal')) },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let shown = ''
    child.stdout.on('data', (part) => void (shown += String(part)))
    try {
      await vi.waitUntil(() => shown.includes('upstream='), { timeout: 60_000 })
    } finally {
      // its terminal ends with it, and the server with that
      child.kill('SIGKILL')
    }
    expect(shown).toMatch(/^\d\d:\d\d:\d\dZ info {2}engine: listening /m)
    expect(shown).toMatch(
      /^\d\d:\d\d:\d\dZ info {2}listening host=127\.0\.0\.1 port=\d+ upstream=/m
    )
    expect(shown).not.toContain('{"')
  })
})
