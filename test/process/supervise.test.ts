import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { supervise, type SupervisedChild } from '../../src/process/supervise.ts'
import { eventually } from '../kit/proxy/harness.ts'

let child: SupervisedChild
afterEach(() => child.close())

const wait = () => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])

describe('a supervised child', () => {
  it('is restarted, and each end is reported with its code or signal', async () => {
    const faults: { message: string; exitCode: number | null; signal: string | null }[] = []
    let starts = 0
    child = supervise({
      spawn: () => (++starts === 1 ? spawn(process.execPath, ['-e', 'process.exit(3)']) : wait()),
      onFault: ({ message }, { exitCode, signal }) => {
        faults.push({ message, exitCode, signal })
        expect(child.isRunning()).toBe(false)
      },
    })
    await eventually(() => starts === 2 && child.isRunning())
    process.kill(child.pid()!, 'SIGKILL')
    await eventually(() => starts === 3)
    expect(faults).toEqual([
      {
        message: 'the process ended with exit code 3 and is restarted',
        exitCode: 3,
        signal: null,
      },
      {
        message: 'the process ended by SIGKILL and is restarted',
        exitCode: null,
        signal: 'SIGKILL',
      },
    ])
  })

  it('that could not be started is reported and started again', async () => {
    const codes: unknown[] = []
    let starts = 0
    child = supervise({
      spawn: () => (++starts === 1 ? spawn('/nothing/of/this/name') : wait()),
      onFault: (error) => codes.push((error as { code?: string }).code),
    })
    expect(child.isRunning()).toBe(false)
    await eventually(() => starts === 2 && child.isRunning())
    expect(codes).toEqual(['ENOENT'])
  })

  it('is restarted after pauses that double up to a limit, until it is closed', async () => {
    vi.useFakeTimers()
    const starts: number[] = []
    let current = new EventEmitter()
    child = supervise({
      spawn: () => {
        starts.push(performance.now())
        current = Object.assign(new EventEmitter(), { kill: () => true })
        return current as ChildProcess
      },
      onFault: () => {},
    })
    /** @returns the pause before the next start, milliseconds */
    const pauseAfter = async (runMs: number): Promise<number> => {
      await vi.advanceTimersByTimeAsync(runMs)
      const endedAt = performance.now()
      current.emit('exit', 1)
      await vi.advanceTimersToNextTimerAsync()
      return Math.round(starts.at(-1)! - endedAt)
    }
    for (const pauseMs of [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
      expect(await pauseAfter(1)).toBe(pauseMs)
    expect(await pauseAfter(60_000)).toBe(30_000)
    expect(await pauseAfter(60_001)).toBe(200)
    await child.close()
    const { length } = starts
    current.emit('exit', 0)
    await vi.runAllTimersAsync()
    expect(starts).toHaveLength(length)
    vi.useRealTimers()
  })
})
