/** Makes routes of a client's own traffic: traffic, detection, training with the fake engine, the proof, promotion. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'

/** Every template that recurs is trained at once, with rows enough for a proof of each turn. */
export const LOOP_ENV = loopSettings({
  promotes: true,
  trainRows: 200,
  holdoutRows: 400,
  // a slow machine is not what is compared
  constants: { shedDelayMs: 0 },
})

const SETTLED = new Set(['live', 'rejected', 'failed', 'retired'])
const STEP_MS = 500
/** Nothing new has begun for so long; on a busy machine a training begins 15 s after its last request. */
const QUIET_STEPS = 60
const WAIT_MS = 300_000

const statesOf = async (proxy: ProxyProcess): Promise<Internalization['state'][]> => {
  const { data } = await proxy.admin<{ data: Internalization[] }>('/internalizations')
  return data.map(({ state }) => state)
}

/** Waits until nothing is trained any more. @returns how many routes are live @throws Error after five minutes */
export const untilSettled = async (proxy: ProxyProcess): Promise<number> => {
  let quiet = 0
  let before = ''
  for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline;) {
    const states = await statesOf(proxy)
    const text = JSON.stringify(states)
    const isSettled = states.length > 0 && states.every(({ name }) => SETTLED.has(name))
    quiet = isSettled && text === before ? quiet + 1 : 0
    before = text
    if (quiet >= QUIET_STEPS) return states.filter(({ name }) => name === 'live').length
    await delay(STEP_MS)
  }
  throw new Error(`the routes are not ready after ${WAIT_MS} ms: ${before}`)
}
