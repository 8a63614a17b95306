/** CPU time of a piece of work, with everything that a server does behind its answers. */
import { setTimeout as delay } from 'node:timers/promises'
import { cpuTime, type CpuTime, type Target } from './processes.ts'

const IDLE_MS = 1000
/** Two ticks a second is a process that waits. */
const IDLE_MICROS = 20_000
const MAX_WAITS = 60

/** CPU until the server is idle again: log writes after the answers count too. */
const cpuWhenIdle = async (target: Target): Promise<CpuTime> => {
  for (let i = 0; i < MAX_WAITS; i++) {
    const before = cpuTime(target)
    await delay(IDLE_MS)
    if (cpuTime(target).all - before.all <= IDLE_MICROS) return before
  }
  throw new Error(`a server was still busy after ${MAX_WAITS} s`)
}

/** CPU microseconds of the target for the work, and the work's result. */
export const withCpu = async <Result>(
  target: Target,
  work: () => Promise<Result>
): Promise<{ result: Result; cpuMicros: number; firstThreadMicros: number }> => {
  const before = await cpuWhenIdle(target)
  const result = await work()
  const after = await cpuWhenIdle(target)
  return {
    result,
    cpuMicros: after.all - before.all,
    firstThreadMicros: after.firstThread - before.firstThread,
  }
}
