import { spawn, type ChildProcess } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import {
  isDue,
  startRestingWorker,
  type LastRun,
  type RestingOptions,
  type Waiting,
  type WorkerProcess,
} from '../../src/server/resting-worker.ts'
import { eventually } from '../kit/proxy/harness.ts'

const REFUSED = 4
const ends = (code: number): ChildProcess =>
  spawn(process.execPath, ['-e', `process.exit(${code})`])
const stays = (): ChildProcess => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])

let opened: WorkerProcess | null = null
afterEach(() => opened?.close())

/** Looks each ten milliseconds, by a clock that a test sets. */
const start = (options: Partial<RestingOptions> & Pick<RestingOptions, 'spawn'>) => {
  const at = { clock: 0, written: 0, asked: [] as string[] }
  const faults: (number | null)[] = []
  const worker = startRestingWorker({
    onFault: (_error, { exitCode }) => faults.push(exitCode),
    refusedCode: REFUSED,
    look: async () => ({ written: at.written, asked: at.asked }),
    now: () => at.clock,
    lookMs: 10,
    ...options,
  })
  opened = worker
  return { at, faults, worker }
}

describe('the worker of a server without an engine', () => {
  it('runs when records wait, and rests when it has read them', async () => {
    let starts = 0
    const { at, faults, worker } = start({ spawn: () => (starts++, ends(0)) })
    expect(worker.state()).toBe('resting')
    at.written = 3
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(starts).toBe(0)
    at.clock = 6_000
    await eventually(() => starts === 1 && worker.state() === 'resting')
    at.clock = 30_000
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([starts, faults]).toEqual([1, []])
  })

  it('reports a worker that fails, and not one that finds another at work', async () => {
    let code = 1
    let starts = 0
    const { at, faults, worker } = start({ spawn: () => (starts++, ends(code)) })
    at.asked = ['one']
    await eventually(() => faults.length === 1)
    code = REFUSED
    at.clock = 70_000
    await eventually(() => starts === 2 && worker.state() === 'resting')
    expect(faults).toEqual([1])
  })

  it('looks again where the store is away', async () => {
    let looks = 0
    const { worker } = start({
      look: async () => {
        if (++looks < 3) throw new Error('away')
        return { written: 0, asked: ['one'] }
      },
      spawn: stays,
    })
    await eventually(() => worker.state() === 'running')
  })

  it('ends a worker that runs when it closes', async () => {
    let child: ChildProcess | null = null
    const { at, faults, worker } = start({ spawn: () => (child = stays()) })
    at.asked = ['one']
    await eventually(() => child !== null)
    await worker.close()
    expect([child!.signalCode, faults]).toEqual(['SIGTERM', []])
  })
})

const SECOND = 1_000
const MINUTE = 60 * SECOND

/** A worker that ended at 0 with nothing left, as it looks after ten seconds. */
const LAST: LastRun = { endedAt: 0, hasFailed: false, written: 10, asked: [] }
const NOTHING: Waiting = { at: 10 * SECOND, written: 10, writtenAt: 0, asked: [] }

describe('a resting worker', () => {
  it.each<[string, Partial<Waiting>, Partial<LastRun>, boolean]>([
    ['rests while nothing waits', {}, {}, false],
    ['reads records after a pause', { written: 11, writtenAt: 5 * SECOND }, {}, true],
    ['waits while requests come', { written: 11, writtenAt: 6 * SECOND }, {}, false],
    ['reads once a minute under traffic', { at: MINUTE, written: 11, writtenAt: MINUTE }, {}, true],
    ['does at once what is asked of it', { asked: ['a'] }, {}, true],
    ['tries again what stayed, a minute later', { asked: ['a'] }, { asked: ['a'] }, false],
    ['and then does', { at: MINUTE, asked: ['a'] }, { asked: ['a'] }, true],
    ['does not fail again at once', { written: 11, asked: ['b'] }, { hasFailed: true }, false],
    ['but a minute later', { at: MINUTE, written: 11 }, { hasFailed: true }, true],
    ['looks at what is too old once an hour', { at: 60 * MINUTE }, {}, true],
  ])('%s', (_name, waiting, last, due) => {
    expect(isDue({ ...NOTHING, ...waiting }, { ...LAST, ...last })).toBe(due)
  })
})
