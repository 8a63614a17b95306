/**
 * The worker and an engine that comes and goes: one on a machine that is a real process, started and
 * stopped by shell commands, and one that is away for hours by the test's clock.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { listen } from '../../adapters/host/host.ts'
import { freePort } from '../kit/process/free-port.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { EngineCommand, EngineCommands } from '../../src/worker/deps.ts'
import { engineCommandsOf } from '../../src/worker/engine/commands.ts'
import { createWorker, type Worker } from '../../src/worker/worker.ts'
import {
  engineAt,
  HOUR_MS,
  SECOND_MS,
  useWorkerHarness,
  type HarnessOptions,
  type WorkerHarness,
} from './harness.ts'

const MINUTE_MS = 60 * SECOND_MS
const DONE = { exitCode: 0, endedBy: 'itself', lastLine: null } as const

const openHarness = useWorkerHarness()

let harness: WorkerHarness

const count = (message: string): number => harness.said(message).length

interface Limits {
  startMs?: number
  idleMs?: number
}

const commandsOf = (
  url: string,
  settings: Record<string, string>,
  env: Record<string, string>,
  { startMs = 600_000, idleMs = 900_000 }: Limits = {}
) => {
  const { engine } = parseConfig({ ENGINE: 'http', ENGINE_URL: url, ...settings })
  const machine = engine.kind === 'http' ? engine.machine : null
  if (machine === null) throw new Error('the engine has no commands')
  return engineCommandsOf(
    { kind: 'http', url, token: null, machine: { ...machine, startMs, idleMs } },
    { ...process.env, ...env }
  )!
}

/** A process that leads connections on to the port of the engine. */
const machine = (enginePort: number): string => `
  const net = require('node:net')
  net.createServer((client) => {
    const engine = net.connect(${enginePort}, '127.0.0.1')
    for (const [from, to] of [[client, engine], [engine, client]])
      from.pipe(to).on('error', () => from.destroy())
  }).listen(process.env.MACHINE_PORT, '127.0.0.1')`

describe('an engine that is started and stopped by commands', () => {
  it('comes for a job, goes when it is idle, and comes again for a live route and stays', async () => {
    harness = await openHarness({ from: 'candidate' })
    const server = await listen(harness.host.app)
    onTestFinished(server.close)
    const pidFile = join(harness.folder, 'engine.pid')
    const takeAway = (): void => {
      if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
    }
    onTestFinished(takeAway)
    const url = `http://127.0.0.1:${await freePort()}/v1`
    const settings = {
      ENGINE_START_COMMAND: [
        `export MACHINE_PORT="$(echo "$ENGINE_URL" | sed 's/.*:\\([0-9]*\\).*/\\1/')"`,
        // a parent that reaps it, and says when it is gone
        `("$NODE" -e "$MACHINE" & echo $! > "${pidFile}"`,
        `wait $!; [ "$(cat "${pidFile}")" = $! ] && rm "${pidFile}") > /dev/null 2>&1 &`,
      ].join('\n'),
      ENGINE_STOP_COMMAND: `kill "$(cat "${pidFile}")"; while [ -e "${pidFile}" ]; do sleep 0.02; done`,
    }
    const limits = { startMs: 24 * 60 * MINUTE_MS, idleMs: 30 * MINUTE_MS }
    const env = { NODE: process.execPath, MACHINE: machine(server.port) }
    const engineCommands = commandsOf(url, settings, env, limits)
    const worker = await harness.worker(
      harness.deps({ engine: engineAt(fetch, url), engineCommands })
    )

    const { verdict } = await harness.runTo(worker, 'approval')
    expect(count('start command begins')).toBe(1)
    expect(verdict!.verdict).toBe('promote')
    expect(count('stop command')).toBe(0)
    await harness.runUntil(worker, () => count('stop command is done') === 1, MINUTE_MS)
    expect(existsSync(pidFile)).toBe(false)
    await harness.runFor(worker, HOUR_MS, MINUTE_MS)
    expect(count('command begins')).toBe(2)

    await harness.approve()
    await harness.runUntil(worker, () => count('the engine answers') === 2)
    await harness.runFor(worker, HOUR_MS, MINUTE_MS)
    expect(count('the engine stays on: live routes need it')).toBe(1)
    expect(count('stop command begins')).toBe(1)

    // as the provider does with spot machines
    takeAway()
    await harness.runUntil(worker, () => count('the engine answers') === 3)
    expect(count('start command begins')).toBe(3)
  })
})

const REFUSED = (): Promise<Response> => Promise.reject(new TypeError('fetch failed'))
const NO_MACHINE = async (): Promise<Response> => new Response('no machine', { status: 404 })

/** @param run its result; with it come the times at which it was run */
const commandOf = (run: EngineCommand): { command: EngineCommand; runs: number[] } => {
  const runs: number[] = []
  return {
    runs,
    command: (signal) => {
      runs.push(harness.now)
      return run(signal)
    },
  }
}

const commands = (start: EngineCommand, changes: Partial<EngineCommands> = {}) => ({
  start,
  stop: null,
  startMs: 10 * MINUTE_MS,
  idleMs: 15 * MINUTE_MS,
  ...changes,
})

const hanging = () => commandOf(() => new Promise(() => {}))
const working = () => commandOf(async () => DONE)

describe('an engine that is away', () => {
  let engine: Engine
  let asked: number
  /** null: it answers */
  let away: (() => Promise<Response>) | null

  const open = async (from: HarnessOptions['from']): Promise<void> => {
    harness = await openHarness({ from })
    engine = engineAt(async (input, init) => {
      asked++
      return away === null ? harness.host.app.fetch(new Request(input, init)) : away()
    })
  }

  const workerWith = (engineCommands: EngineCommands | null, on = engine): Promise<Worker> =>
    harness.worker(harness.deps({ engine: on, engineCommands }))

  /** A worker that is killed: it is never closed. */
  const killedWorker = (engineCommands: EngineCommands): Promise<Worker> =>
    createWorker(harness.deps({ engine, engineCommands }))

  beforeEach(() => {
    asked = 0
    away = REFUSED
  })

  it.each([
    ['candidate', 'refuses connections', REFUSED],
    ['training', 'refuses connections', REFUSED],
    ['training', 'has a router that says 404', NO_MACHINE],
    ['evaluating', 'has a router that says 404', NO_MACHINE],
  ] as const)('for half an hour in %s fails nothing, and %s', async (state, _, answer) => {
    await open(state === 'candidate' ? 'candidate' : 'training')
    away = state === 'candidate' ? answer : null
    const worker = await workerWith(null)
    // the worker has seen the engine where the state needs it
    await harness.round(worker)
    await harness.runTo(worker, state)
    away = answer
    asked = 0
    harness.events.length = 0
    await harness.runFor(worker, 30 * MINUTE_MS)
    expect(await harness.state()).toBe(state)
    // a batch of rows, growing pauses at first, then once a minute
    expect(asked).toBeGreaterThan(25)
    expect(asked).toBeLessThan(55)
    expect(harness.events.length).toBeLessThan(10)
    away = null
    await harness.runTo(worker, state === 'candidate' ? 'training' : 'approval')
  })

  it('is noticed when it does not answer within 15 seconds', async () => {
    await open('candidate')
    const hangs: Engine = { ...engine, models: () => new Promise(() => {}) }
    const limits: number[] = []
    const sleep = async (ms: number) => void limits.push(ms)
    const worker = await harness.worker(harness.deps({ engine: hangs, sleep }))
    await harness.round(worker)
    expect(harness.said('did not answer within 15000 ms')).toHaveLength(1)
    expect(limits).toEqual([15_000])
    expect(await harness.state()).toBe('candidate')
  })

  it('is started again and again, with growing pauses, while the start command fails', async () => {
    await open('candidate')
    const failure = { ...DONE, exitCode: 7, lastLine: 'no GPU is free' }
    const { command, runs } = commandOf(async () => failure)
    const worker = await workerWith(commands(command))
    await harness.runFor(worker, 45 * MINUTE_MS, 10 * SECOND_MS)
    const pauses = runs.slice(1).map((at, index) => (at - runs[index]!) / SECOND_MS)
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600])
    expect(harness.events.at(-1)!.message).toBe(
      'start command failed with 7, and is tried again: no GPU is free'
    )
    expect(await harness.state()).toBe('candidate')
    away = null
    await harness.runTo(worker, 'training')
  })

  it('is waited for when the start command hangs, which is killed and logged without secrets', async () => {
    await open('candidate')
    const settings = {
      ENGINE_START_COMMAND: 'echo "token=$CLOUD_TOKEN"; sleep 600 & sleep 600',
    }
    const secret = 'correct-horse-battery'
    const worker = await workerWith(
      commandsOf('http://engine/v1', settings, { CLOUD_TOKEN: secret }, { startMs: 300 })
    )
    await harness.runUntil(worker, () => count('start command took too long') > 0)
    expect(count('token=[CLOUD_TOKEN]')).toBeGreaterThan(0)
    expect(count(secret)).toBe(0)
    expect(await harness.state()).toBe('candidate')
  })

  it('is not started twice at once, nor by the next worker when the first one was killed', async () => {
    await open('candidate')
    const first = hanging()
    const killed = await killedWorker(commands(first.command))
    await harness.runUntil(killed, () => first.runs.length === 1)
    await harness.runFor(killed, 5 * MINUTE_MS)
    expect(first.runs).toHaveLength(1)

    const [start, stop] = [working(), working()]
    const worker = await workerWith(commands(start.command, { stop: stop.command }))
    await harness.runFor(worker, 200 * SECOND_MS)
    expect(start.runs).toHaveLength(0)
    // the engine comes: it is used, and stopped, since it is known who started it
    away = null
    await harness.runTo(worker, 'approval')
    await harness.runFor(worker, HOUR_MS, MINUTE_MS)
    expect(start.runs).toHaveLength(0)
    expect(stop.runs).toHaveLength(1)
  })

  it('is started by the next worker when the first one’s start came to nothing', async () => {
    await open('candidate')
    const first = hanging()
    const killed = await killedWorker(commands(first.command))
    await harness.runUntil(killed, () => first.runs.length === 1)
    const second = working()
    const worker = await workerWith(commands(second.command))
    await harness.runUntil(worker, () => second.runs.length === 1, 10 * SECOND_MS)
    expect(second.runs[0]! - first.runs[0]!).toBe(600_000)
  })

  it('may be started at once by the next worker when the first one was told to stop', async () => {
    await open('candidate')
    const first = commandOf(
      (signal) =>
        new Promise((resolve) => {
          const end = { exitCode: null, endedBy: 'caller', lastLine: null } as const
          signal.addEventListener('abort', () => resolve(end))
        })
    )
    const stopped = await killedWorker(commands(first.command))
    await harness.runUntil(stopped, () => first.runs.length === 1)
    await stopped.close()
    const second = working()
    await harness.round(await workerWith(commands(second.command)))
    expect(second.runs).toHaveLength(1)
  })

  it('is never stopped when another program started it', async () => {
    await open('evaluating')
    away = null
    const [start, stop] = [working(), working()]
    const worker = await workerWith(commands(start.command, { stop: stop.command }))
    await harness.runTo(worker, 'approval')
    await harness.runFor(worker, HOUR_MS, MINUTE_MS)
    expect([start.runs, stop.runs]).toEqual([[], []])
  })

  it('is not stopped while a job runs there, and asked to stop again when that fails', async () => {
    await open('training')
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
    const changes = { stop: stop.command, idleMs: 5 * MINUTE_MS }
    const worker = await workerWith(commands(start.command, changes), shared)
    await harness.runTo(worker, 'approval')
    expect(start.runs).toHaveLength(1)
    isBusy = true
    await harness.runFor(worker, 10 * MINUTE_MS)
    expect(stop.runs).toHaveLength(0)
    isBusy = false
    expect((await engine.files()).length).toBeGreaterThan(0)
    await harness.runFor(worker, 10 * MINUTE_MS)
    expect(stop.runs).toHaveLength(3)
    // before the hourly deletion: the rows went before the machine did
    expect(await engine.files()).toEqual([])
    expect(count('stop command failed with 1')).toBe(2)
  })
})
