/** Follows an internalization from outside: by the admin API, and by the job files of its engine. */
import { reasonText } from '../../../src/core/reasons/say-reason.ts'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type {
  HistoryEntry,
  Internalization,
} from '../../../src/core/internalization/internalization.ts'
import type { JobObject } from '../../../src/openai/fine-tuning.ts'
import type { ProxyProcess } from './proxy-process.ts'

const FINISHED = new Set(['live', 'rejected', 'failed', 'approval'])
const POLL_MS = 2000

/** @returns null before the first one; @throws Error when the server has ended by itself */
export const newestInternalization = async (
  proxy: ProxyProcess
): Promise<Internalization | null> => {
  if (proxy.exited()) throw new Error('the server ended by itself')
  const { data } = await proxy.admin<{ data: Internalization[] }>('/internalizations')
  return data.at(-1) ?? null
}

/**
 * Waits until the newest internalization is in the state.
 * @throws Error when it is rejected or fails instead, or is not there after `timeoutMs`
 */
export const untilState = async (
  proxy: ProxyProcess,
  wanted: 'approval' | 'live',
  timeoutMs = 60_000
): Promise<Internalization> => {
  for (const deadline = Date.now() + timeoutMs; ; await delay(200)) {
    const newest = await newestInternalization(proxy)
    if (newest?.state.name === wanted) return newest
    const isOver = newest?.state.name === 'rejected' || newest?.state.name === 'failed'
    if (isOver || Date.now() > deadline)
      throw new Error(`not ${wanted}: ${JSON.stringify(newest?.state)}`)
  }
}

/** @param onState called with each look at the newest internalization */
export const waitForVerdict = async (
  proxy: ProxyProcess,
  onState: (state: Internalization['state']) => void
): Promise<Internalization> => {
  for (let before = ''; ;) {
    const newest = await newestInternalization(proxy)
    if (newest !== null) {
      const { state } = newest
      onState(state)
      // approval is passed on the way to live, unless something keeps it from there
      if (FINISHED.has(state.name) && (state.name !== 'approval' || before === 'approval'))
        return proxy.admin<Internalization>(`/internalizations/${newest.id}`)
      before = state.name
    }
    await delay(POLL_MS)
  }
}

/** From the beginning of the internalization to its verdict. */
export const minutesToVerdict = async (
  proxy: ProxyProcess,
  { id, createdAt }: Internalization
): Promise<number> => {
  const { history } = await proxy.admin<{ history: HistoryEntry[] }>(`/internalizations/${id}`)
  const judged = history.find(({ from }) => from?.name === 'evaluating')
  return ((judged?.at ?? Number.NaN) - createdAt) / 60_000
}

/** Of an engine, from its own job files. */
export const jobsOf = (engineDir: string): JobObject[] => {
  const folder = join(engineDir, 'jobs')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json') && !name.includes('checkpoint'))
    .map((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { job: JobObject }).job)
}

/** Stages with more than one job that succeeded. */
export const stagesTrainedTwice = (jobs: JobObject[]): number => {
  const done = new Map<string, number>()
  for (const { status, metadata } of jobs) {
    const key = metadata['idempotency_key']
    if (status === 'succeeded' && key !== undefined) done.set(key, (done.get(key) ?? 0) + 1)
  }
  return [...done.values()].filter((count) => count > 1).length
}

/** Why it has ended, or what its verdict says. */
export const endReason = ({ state, verdict }: Internalization): string => {
  const reason = 'reason' in state ? state.reason : verdict?.reason
  return reason === undefined ? 'no verdict' : reasonText(reason)
}

/** How the newest internalization has ended; null while it has not. */
export const endOf = async (proxy: ProxyProcess): Promise<string | null> => {
  const state = (await newestInternalization(proxy))?.state
  if (state?.name === 'live') return 'live'
  if (state?.name === 'failed' || state?.name === 'rejected')
    return `${state.name}: ${reasonText(state.reason)}`
  return null
}

export const waitForEnd = async (proxy: ProxyProcess, timeoutMs: number): Promise<string> => {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    const end = await endOf(proxy)
    if (end !== null) return end
    await delay(500)
  }
  return 'unfinished'
}
