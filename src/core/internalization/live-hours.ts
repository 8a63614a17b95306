/** Hours with a live lora, from the histories of internalizations. */
import type { HistoryEntry } from './internalization.ts'

type Span = [from: number, to: number]

/** An internalization may be live several times: a rollback of its successor brings it back. */
const liveSpans = (history: readonly HistoryEntry[], now: number): Span[] => {
  const entries = history.toSorted((a, b) => a.at - b.at)
  return entries.flatMap((entry, index): Span[] =>
    entry.to.name === 'live' ? [[entry.at, entries[index + 1]?.at ?? now]] : []
  )
}

const HOUR_MS = 3_600_000

/**
 * Hours in which at least one lora was live, so the engine had to run.
 * @param histories one for each internalization
 * @param period milliseconds since the epoch
 */
export const liveHours = (
  histories: readonly (readonly HistoryEntry[])[],
  { from: start, to: end }: { from: number; to: number }
): number => {
  const spans = histories.flatMap((history) => liveSpans(history, end))
  let reached = start
  let total = 0
  for (const [from, to] of spans.toSorted((a, b) => a[0] - b[0])) {
    total += Math.max(0, to - Math.max(from, reached))
    reached = Math.max(reached, to)
  }
  return total / HOUR_MS
}
