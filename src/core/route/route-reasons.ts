/** Why the upstream answered requests of a live route. Knows nothing of stores. */
import type { RouteOutcome } from '../log/record.ts'

export interface ReasonCount extends Pick<RouteOutcome, 'outcome' | 'reason'> {
  requests: number
}

/** Requests that matched the lora's route, by what became of them: the most frequent first. */
export const countReasons = (
  calls: readonly { route: RouteOutcome | null }[],
  lora: string
): ReasonCount[] => {
  const counts = new Map<string, ReasonCount>()
  for (const { route } of calls) {
    if (route?.lora !== lora) continue
    const { outcome, reason } = route
    const key = `${outcome} ${reason}`
    const count = counts.get(key) ?? { outcome, reason, requests: 0 }
    counts.set(key, { ...count, requests: count.requests + 1 })
  }
  return [...counts.values()].toSorted((a, b) => b.requests - a.requests)
}
