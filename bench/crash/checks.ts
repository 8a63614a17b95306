/** Conditions that must hold after any number of kills. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { RouteOutcome } from '../../src/core/log/record.ts'
import type { JobObject } from '../../src/openai/fine-tuning.ts'
import { newestInternalization, type ProxyProcess } from '../harness/proxy-process.ts'

const PAGE = 500

export interface LoggedRecord {
  id: string
  sequence: number
  model: string
  route: RouteOutcome | null
  /** only where bodies are asked for */
  request?: string
}

/** All records that the admin API shows, oldest first. */
export const allRecords = async (
  proxy: ProxyProcess,
  { bodies = false }: { bodies?: boolean } = {}
): Promise<LoggedRecord[]> => {
  const records: LoggedRecord[] = []
  for (;;) {
    const after = records.at(-1)?.sequence ?? 0
    const { data } = await proxy.admin<{ data: LoggedRecord[] }>(
      `/records?limit=${PAGE}&order=asc&after=${after}&bodies=${bodies}`
    )
    records.push(...data)
    if (data.length < PAGE) return records
  }
}

/** Adds the ids of all records that the store shows: from then on they count as acknowledged. */
export const noteRecords = async (proxy: ProxyProcess, seen: Set<string>): Promise<Set<string>> => {
  const stored = new Set((await allRecords(proxy)).map(({ id }) => id))
  for (const id of stored) seen.add(id)
  return stored
}

/** Acknowledged records that the store does not show any more. */
export const lostRecords = async (proxy: ProxyProcess, seen: Set<string>): Promise<number> => {
  const before = new Set(seen)
  const stored = await noteRecords(proxy, seen)
  return [...before].filter((id) => !stored.has(id)).length
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

/** How the newest internalization has ended; null while it has not. */
export const endOf = async (proxy: ProxyProcess): Promise<string | null> => {
  const state = (await newestInternalization(proxy))?.state
  if (state?.name === 'live') return 'live'
  if (state?.name === 'failed') return `failed: ${state.cause}`
  if (state?.name === 'rejected') return `rejected: ${state.reason}`
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
