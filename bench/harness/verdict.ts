/** Follows an internalization from outside, by the admin API. */
import { setTimeout as delay } from 'node:timers/promises'
import type { HistoryEntry, Internalization } from '../../src/core/lifecycle/internalization.ts'
import { newestInternalization, type ProxyProcess } from './proxy-process.ts'

const FINISHED = new Set(['live', 'rejected', 'failed', 'approval'])
const POLL_MS = 2000

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
