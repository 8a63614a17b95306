/** The log as the admin API shows it, which must be whole after any number of kills. */
import type { RouteOutcome } from '../../src/core/log/record.ts'
import type { ProxyProcess } from '../../test/kit/process/proxy-process.ts'

const PAGE = 500

export interface LoggedRecord {
  id: string
  sequence: number
  /** milliseconds since the epoch, when the request arrived, and until its answer was whole */
  at: number
  durationMs: number
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
