/**
 * The worker and an engine that comes and goes: one that is a real process, started and stopped by
 * shell commands, and one that is away for hours by the test's clock.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEngineHost, type EngineHost } from '../../adapters/contract/host.ts'
import { createFakeBackend } from '../../adapters/fake/backend.ts'
import { freePort } from '../../bench/harness/free-port.ts'
import { parseConfig } from '../../src/config/config.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { Internalization } from '../../src/core/lifecycle/internalization.ts'
import { engineCommandsOf } from '../../src/worker/engine/commands.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { EngineCommand, EngineCommands, WorkerDeps } from '../../src/worker/deps.ts'
import { createWorker, type Worker } from '../../src/worker/worker.ts'
import { ORDERS } from '../fixtures/paint-orders.ts'
import { workerDeps } from './worker-deps.ts'

const SECOND_MS = 1_000
const HOUR_MS = 3_600_000
const DAY_MINUTES = String(24 * 60)
const TOKEN = 'engine-token'
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DONE = { exitCode: 0, endedBy: 'itself', lastLine: null } as const

let folder: string
let store: Store
let now: number
let messages: string[]
let workers: Worker[]

const newest = async (): Promise<Internalization | undefined> =>
  (await store.internalizations.list()).at(-1)

const stateName = async (): Promise<string> => (await newest())?.state.name ?? 'none'

const count = (message: string): number => messages.filter((said) => said.includes(message)).length

const depsOf = (engine: Engine, engineCommands: EngineCommands | null): WorkerDeps =>
  workerDeps({
    store,
    engine,
    engineCommands,
    now: () => now,
    sleep: () => Promise.resolve(),
    log: ({ message }) => void messages.push(message),
  })

const open = async (deps: WorkerDeps): Promise<Worker> => {
  const worker = await createWorker(deps)
  workers.push(worker)
  return worker
}

/** One round, a little later by the test's clock; what runs beside it has its turn. */
const round = async (worker: Worker, ms = SECOND_MS): Promise<void> => {
  now += ms
  await worker.step()
  await new Promise((resolve) => setTimeout(resolve, 2))
}

const runUntil = async (worker: Worker, isReached: () => Promise<boolean>): Promise<void> => {
  for (let rounds = 0; rounds < 20_000; rounds++) {
    if (await isReached()) return
    await round(worker)
  }
  throw new Error(`stuck in ${await stateName()}: ${messages.slice(-5).join('; ')}`)
}

const runUntilState = (worker: Worker, wanted: string): Promise<void> =>
  runUntil(worker, async () => (await stateName()) === wanted)

const runFor = async (worker: Worker, ms: number, stepMs = 20 * SECOND_MS): Promise<void> => {
  for (let passed = 0; passed < ms; passed += stepMs) await round(worker, stepMs)
}

const approve = async (): Promise<unknown> =>
  goLive(store, (await newest())!, { by: 'admin', now, trafficShare: 1 })

const REFUSED = (): Promise<Response> => Promise.reject(new TypeError('fetch failed'))
const NO_MACHINE = async (): Promise<Response> => new Response('no machine', { status: 404 })

const commandOf = (run: EngineCommand): { command: EngineCommand; runs: number[] } => {
  const runs: number[] = []
  return {
    runs,
    command: (signal) => {
      runs.push(now)
      return run(signal)
    },
  }
}

const commands = (start: EngineCommand, changes: Partial<EngineCommands> = {}): EngineCommands => ({
  start,
  stop: null,
  startMs: 600_000,
  idleMs: 900_000,
  ...changes,
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'promptintern-power-'))
  store = await openSqliteStore({ dataDir: folder })
  await store.records.append(batchOf(ORDERS))
  now = 1_800_000_000_000
  messages = []
  workers = []
})

afterEach(async () => {
  for (const worker of workers) await worker.close()
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('an engine that is started and stopped by commands', () => {
  let pidFile: string
  let url: string

  beforeEach(async () => {
    pidFile = join(folder, 'engine.pid')
    url = `http://127.0.0.1:${await freePort()}/v1`
  })

  const pid = (): number => Number(readFileSync(pidFile, 'utf8'))

  const stopByHand = (): void => {
    if (!existsSync(pidFile)) return
    try {
      process.kill(pid(), 'SIGKILL')
    } catch {
      // it has ended
    }
  }

  afterEach(stopByHand)

  const commandsFor = (idleMinutes: string): EngineCommands => {
    const env = {
      ENGINE: 'http',
      ENGINE_URL: url,
      ENGINE_START_COMMAND: [
        `cd "${ROOT}"`,
        `export ENGINE_PORT="$(echo "$ENGINE_URL" | sed 's/.*:\\([0-9]*\\).*/\\1/')"`,
        // a parent that reaps it, and says when it is gone
        `(${process.execPath} --import tsx adapters/fake/process.ts & echo $! > "${pidFile}"`,
        `wait $!; [ "$(cat "${pidFile}")" = $! ] && rm "${pidFile}") > "${folder}/engine.log" 2>&1 &`,
      ].join('\n'),
      ENGINE_STOP_COMMAND: `kill "$(cat "${pidFile}")"; while [ -e "${pidFile}" ]; do sleep 0.02; done`,
      ENGINE_START_MINUTES: DAY_MINUTES,
      ENGINE_IDLE_MINUTES: idleMinutes,
    }
    return engineCommandsOf(parseConfig(env).engine, {
      ...process.env,
      ENGINE_TOKEN: TOKEN,
      ENGINE_DATA_DIR: join(folder, 'engine'),
    })!
  }

  const engine = (): Engine =>
    createEngine({ name: 'default', baseUrl: url, token: TOKEN, fetch, timeoutMs: 5_000 })

  it('comes when a job is due, stays while it works and goes when it is idle', async () => {
    const worker = await open(depsOf(engine(), commandsFor('30')))
    await runUntilState(worker, 'approval')
    expect(count('start command begins')).toBe(1)
    expect((await newest())!.verdict!.verdict).toBe('promote')
    expect(count('stop command')).toBe(0)
    await runUntil(worker, async () => count('stop command is done') === 1)
    expect(existsSync(pidFile)).toBe(false)
    await runFor(worker, HOUR_MS)
    expect(count('command begins')).toBe(2)
    // nothing but what was uploaded is left to delete
    expect(count('training files stay')).toBe(0)
  })

  it('comes again for a live route, and stays for it', async () => {
    const worker = await open(depsOf(engine(), commandsFor('5')))
    await runUntilState(worker, 'approval')
    await runUntil(worker, async () => count('stop command is done') === 1)
    await approve()
    await runUntil(worker, async () => count('the engine answers') === 2)
    await runFor(worker, HOUR_MS)
    expect(count('the engine stays: live routes need it')).toBe(1)
    expect(count('stop command begins')).toBe(1)
    // the machine is taken away, as spot machines are
    stopByHand()
    await runUntil(worker, async () => count('the engine answers') === 3)
    expect(count('start command begins')).toBe(3)
  })
})

describe('an engine that is away', () => {
  let host: EngineHost
  let engine: Engine
  let asked: number
  /** null: it answers */
  let away: (() => Promise<Response>) | null

  beforeEach(async () => {
    const dataDir = join(folder, 'engine')
    away = null
    asked = 0
    host = await openEngineHost({
      backend: await createFakeBackend({ dataDir }),
      dataDir,
      token: TOKEN,
      log: () => {},
    })
    engine = createEngine({
      name: 'default',
      baseUrl: 'http://engine/v1',
      token: TOKEN,
      fetch: async (input, init) => {
        asked++
        return away === null ? host.app.fetch(new Request(input, init)) : away()
      },
    })
  })

  afterEach(() => host.close())

  it.each([
    ['candidate', 'refuses connections', REFUSED],
    ['training', 'refuses connections', REFUSED],
    ['training', 'has a router that says 404', NO_MACHINE],
    ['evaluating', 'has a router that says 404', NO_MACHINE],
  ])('for hours in %s fails nothing, and %s', async (state, _, answer) => {
    if (state === 'candidate') away = answer
    const worker = await open(depsOf(engine, null))
    await runUntilState(worker, state)
    away = answer
    asked = 0
    messages = []
    await runFor(worker, 3 * HOUR_MS)
    expect(await stateName()).toBe(state)
    // about once a minute
    expect(asked).toBeGreaterThan(150)
    expect(asked).toBeLessThan(200)
    expect(messages.length).toBeLessThan(10)
    away = null
    await runUntilState(worker, 'approval')
    expect((await newest())!.verdict!.verdict).toBe('promote')
  })

  it('is started again and again, with growing pauses, while the start command fails', async () => {
    away = REFUSED
    const { command, runs } = commandOf(async () => ({
      ...DONE,
      exitCode: 7,
      lastLine: 'no GPU is free',
    }))
    const worker = await open(depsOf(engine, commands(command)))
    await runUntilState(worker, 'candidate')
    await runFor(worker, 3 * HOUR_MS, 10 * SECOND_MS)
    const pauses = runs.slice(1).map((at, index) => (at - runs[index]!) / SECOND_MS)
    expect(pauses.slice(0, 7)).toEqual([10, 20, 40, 80, 160, 320, 600])
    expect(Math.max(...pauses)).toBe(600)
    expect(runs.length).toBeGreaterThan(20)
    expect(messages.at(-1)).toBe('start command failed with 7, and is tried again: no GPU is free')
    expect(await stateName()).toBe('candidate')
    away = null
    await runUntilState(worker, 'approval')
  })

  it('is waited for when the start command hangs: it is killed, and named without secrets', async () => {
    away = REFUSED
    const env = {
      ENGINE: 'http',
      ENGINE_URL: 'http://engine/v1',
      ENGINE_START_COMMAND: 'echo "token=$CLOUD_TOKEN"; sleep 600 & sleep 600',
      ENGINE_START_MINUTES: '0.005',
    }
    const secret = 'correct-horse-battery'
    const real = engineCommandsOf(parseConfig(env).engine, { ...process.env, CLOUD_TOKEN: secret })!
    const worker = await open(depsOf(engine, real))
    await runUntil(worker, async () => count('start command took too long') > 0)
    expect(count('token=[CLOUD_TOKEN]')).toBeGreaterThan(0)
    expect(messages.join('\n')).not.toContain(secret)
    expect(await stateName()).toBe('candidate')
  })

  it('is not started twice at once, nor by the next worker when the first one was killed', async () => {
    away = REFUSED
    const hanging = commandOf(() => new Promise(() => {}))
    const killed = await createWorker(depsOf(engine, commands(hanging.command)))
    await runUntil(killed, async () => hanging.runs.length === 1)
    await runFor(killed, 300_000)
    expect(hanging.runs).toHaveLength(1)

    const stop = commandOf(async () => DONE)
    const start = commandOf(async () => DONE)
    const worker = await open(depsOf(engine, commands(start.command, { stop: stop.command })))
    await runFor(worker, 200_000)
    expect(start.runs).toHaveLength(0)
    // the engine comes: it is used, and stopped, since it is known who started it
    away = null
    await runUntilState(worker, 'approval')
    await runFor(worker, HOUR_MS)
    expect(start.runs).toHaveLength(0)
    expect(stop.runs).toHaveLength(1)
  })

  it('is started by the next worker when the first one’s start came to nothing', async () => {
    away = REFUSED
    const first = commandOf(() => new Promise(() => {}))
    const killed = await createWorker(depsOf(engine, commands(first.command)))
    await runUntil(killed, async () => first.runs.length === 1)
    const second = commandOf(async () => DONE)
    const worker = await open(depsOf(engine, commands(second.command)))
    await runUntil(worker, async () => second.runs.length === 1)
    expect(second.runs[0]! - first.runs[0]!).toBe(600_000)
  })

  it('may be started at once by the next worker when the first one was told to stop', async () => {
    away = REFUSED
    const first = commandOf(
      (signal) =>
        new Promise((resolve) => {
          const end = { exitCode: null, endedBy: 'caller', lastLine: null } as const
          signal.addEventListener('abort', () => resolve(end))
        })
    )
    const stopped = await createWorker(depsOf(engine, commands(first.command)))
    await runUntil(stopped, async () => first.runs.length === 1)
    await stopped.close()
    const second = commandOf(async () => DONE)
    const worker = await open(depsOf(engine, commands(second.command)))
    await round(worker)
    expect(second.runs).toHaveLength(1)
  })

  it('is never stopped when somebody else started it', async () => {
    const stop = commandOf(async () => DONE)
    const start = commandOf(async () => DONE)
    const worker = await open(depsOf(engine, commands(start.command, { stop: stop.command })))
    await runUntilState(worker, 'approval')
    await runFor(worker, HOUR_MS)
    expect([start.runs, stop.runs]).toEqual([[], []])
  })

  it('is not stopped while a job runs there, and asked to stop again when that fails', async () => {
    away = REFUSED
    let isBusy = false
    const shared: Engine = {
      ...engine,
      findJobs: async (metadata) => {
        const jobs = await engine.findJobs(metadata)
        return isBusy ? jobs.map((job) => ({ ...job, status: 'running' as const })) : jobs
      },
    }
    const start = commandOf(async () => {
      away = null
      return DONE
    })
    const stop = commandOf(async () => ({ ...DONE, exitCode: stop.runs.length < 3 ? 1 : 0 }))
    const changes = { stop: stop.command, idleMs: 300_000 }
    const worker = await open(depsOf(shared, commands(start.command, changes)))
    await runUntilState(worker, 'approval')
    expect(start.runs).toHaveLength(1)
    isBusy = true
    await runFor(worker, 600_000)
    expect(stop.runs).toHaveLength(0)
    isBusy = false
    expect((await engine.files()).length).toBeGreaterThan(0)
    await runFor(worker, 600_000)
    expect(stop.runs).toHaveLength(3)
    // before the hourly deletion: the rows went before the machine did
    expect(await engine.files()).toEqual([])
    expect(count('stop command failed with 1')).toBe(2)
  })
})
