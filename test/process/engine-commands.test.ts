import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { engineCommandsOf, maskLine } from '../../src/worker/engine/commands.ts'
import { runShell, type ShellResult } from '../../src/process/shell-command.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const LONG_MS = 60_000
const GRACE_MS = 100

let folder: string

beforeEach(() => {
  folder = ownFolder()
})

/** A process that has ended and was not reaped yet is not alive. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !existsSync('/proc/self/stat') || !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Waits until a script has written `count` process ids. */
const pidsIn = async (name: string, count: number): Promise<number[]> => {
  const read = (): number[] =>
    readFileSync(join(folder, name), { encoding: 'utf8', flag: 'a+' })
      .split('\n')
      .filter((line) => line !== '')
      .map(Number)
  await vi.waitUntil(() => read().length === count, LONG_MS)
  return read()
}

const gone = (pids: number[]): Promise<boolean> =>
  vi.waitUntil(() => !pids.some(isAlive), { timeout: LONG_MS })

const run = (
  command: string,
  options: { limitMs?: number; signal?: AbortSignal } = {}
): Promise<ShellResult> =>
  runShell(command, {
    env: { ...process.env, FOLDER: folder },
    limitMs: options.limitMs ?? LONG_MS,
    signal: options.signal ?? new AbortController().signal,
    graceMs: GRACE_MS,
  })

/** Only SIGKILL ends it and its child. */
const STUBBORN = `trap '' TERM; echo $$ >> "$FOLDER/pids"; sh -c 'echo $$ >> "$FOLDER/pids"; exec sleep 600' & wait; sleep 600`

describe('a shell command', () => {
  it.each([
    ['echo first; echo last >&2; exit 7', 7, 'last'],
    ['printf "a line\\n\\n  \\n"', 0, 'a line'],
    ['true', 0, null],
    ['kill -9 $$', null, null],
    ['no-such-command-at-all', 127, 'not found'],
    // the start of a long line might be half a secret
    ['head -c 9000 /dev/zero | tr "\\0" x', 0, '(a long line)'],
  ])('%s', async (command, exitCode, lastLine) => {
    const result = await run(command)
    expect(result).toMatchObject({ exitCode, endedBy: 'itself' })
    if (lastLine === null) expect(result.lastLine).toBeNull()
    else expect(result.lastLine).toContain(lastLine)
  })

  it('is killed with all that it started when it takes too long', async () => {
    const running = run(STUBBORN, { limitMs: 1_000 })
    const pids = await pidsIn('pids', 2)
    expect(await running).toMatchObject({ exitCode: null, endedBy: 'limit' })
    await gone(pids)
  })

  it('is killed with all its processes when its caller aborts', async () => {
    const stopping = new AbortController()
    const running = run(STUBBORN, { signal: stopping.signal })
    const pids = await pidsIn('pids', 2)
    stopping.abort()
    expect(await running).toMatchObject({ exitCode: null, endedBy: 'caller' })
    await gone(pids)
    expect(await run('echo never; sleep 600', { signal: stopping.signal })).toMatchObject({
      endedBy: 'caller',
    })
  })

  it('ends while its background processes continue, which may still write output', async () => {
    const script = `(while sleep 0.02; do echo tick; done) & echo $! >> "$FOLDER/pids"; echo up`
    expect(await run(script)).toMatchObject({ exitCode: 0, endedBy: 'itself' })
    const [pid] = await pidsIn('pids', 1)
    expect(isAlive(pid!)).toBe(true)
    process.kill(pid!, 'SIGKILL')
    await gone([pid!])
  })
})

describe('the engine’s commands', () => {
  const machine = { startCommand: '', stopCommand: null, startMs: LONG_MS, idleMs: 0 }
  const commands = (startCommand: string, env: NodeJS.ProcessEnv) =>
    engineCommandsOf(
      { kind: 'http', url: 'http://gpu/v1', token: null, machine: { ...machine, startCommand } },
      { PATH: process.env['PATH'], ...env }
    )!
  const { signal } = new AbortController()

  it('get the engine’s address, and no key that they do not need', async () => {
    const env = { UPSTREAM_API_KEY: 'k', ADMIN_TOKEN: 'a', TENANT_SECRET: 't', FLY_APP: 'gpu' }
    const said = 'echo "$ENGINE_URL $FLY_APP <$UPSTREAM_API_KEY$ADMIN_TOKEN$TENANT_SECRET>"'
    expect((await commands(said, env).start(signal)).lastLine).toBe('http://gpu/v1 gpu <>')
  })

  it('mask secrets in their output', async () => {
    const { start } = commands('echo "login with $FLY_API_TOKEN failed"; exit 3', {
      FLY_API_TOKEN: 'FlyV1 fm2_lJPECAAAAA',
    })
    expect(await start(signal)).toMatchObject({
      exitCode: 3,
      lastLine: 'login with [FLY_API_TOKEN] failed',
    })
  })

  it.each([
    ['Authorization: Bearer abc.def-123456', 'abc.def'],
    ['{"token": "abcdef123"}', 'abcdef123'],
    ['API_KEY=abcdef123 rejected', 'abcdef123'],
    ['cloning https://user:hunter22@host/x', 'hunter22'],
    ['bad key sk-abcdefghijklmnopqrstuvwx', 'sk-abc'],
    ['password: hunter22', 'hunter22'],
  ])('mask %s', (line, secret) => {
    const masked = maskLine(line, {})
    expect(masked).not.toContain(secret)
    expect(masked).toMatch(/\[(?:KEY_1|SECRET)\]/)
  })

  it('leave a plain line alone, up to its length', () => {
    expect(maskLine('no machine of this kind is free', { API_KEY: 'no' })).toBe(
      'no machine of this kind is free'
    )
    expect(maskLine('x '.repeat(400), {})).toHaveLength(300)
  })

  it('are none where no machine is configured', () => {
    expect(engineCommandsOf({ kind: 'none' }, {})).toBeNull()
    const engine = { kind: 'http', url: 'http://gpu/v1', token: null, machine: null } as const
    expect(engineCommandsOf(engine, {})).toBeNull()
  })
})
