import { spawn } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import { supervise, type SupervisedChild } from '../../src/process/supervise.ts'
import { eventually } from '../proxy/harness.ts'

let child: SupervisedChild
afterEach(() => child.close())

const wait = () => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])

describe('a supervised child', () => {
  it('is started again, and each end is told with its code or signal', async () => {
    const faults: { message: string; exitCode: number | null; signal: string | null }[] = []
    let starts = 0
    child = supervise({
      spawn: () => (++starts === 1 ? spawn(process.execPath, ['-e', 'process.exit(3)']) : wait()),
      onFault: ({ message }, { exitCode, signal }) => faults.push({ message, exitCode, signal }),
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

  it('that could not be started is told of and tried again', async () => {
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
})
