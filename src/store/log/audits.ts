/** Audited requests and refusals among new records, and the names of what counts them and their ratings. Pure. */
import type { RecordHead } from '../../core/log/record.ts'
import { AUDIT, REFUSED_AFTER_OURS } from '../../core/rollout/pair.ts'

/** Changes with every rating. */
export const PAIRS_REVISION = 'pairs'

/** Changes when feedback on one lora's route is replaced or deleted. */
export const feedbackRevision = (lora: string): string => `feedback:${lora}`

/** Of one lora; a row takes some 200 bytes. */
export const MAX_WAITING_AUDITS = 10_000

/** Counter of the audits that were dropped because too many waited. */
export const droppedName = (lora: string): string => `audits-dropped:${lora}`

interface Audit {
  id: string
  at: number
  /** see `StoredPair.drawn` */
  drawn: number
}

/** @returns the audited ones of the records, and refusals after a lora's answer, by lora */
export const auditsByLora = (heads: readonly RecordHead[]): Map<string, Audit[]> => {
  const byLora = new Map<string, Audit[]>()
  for (const { id, at, route } of heads) {
    if (route === null || !(route.reason === AUDIT || route.reason === REFUSED_AFTER_OURS)) continue
    const audits = byLora.get(route.lora) ?? []
    audits.push({ id, at, drawn: route.auditPart ?? 1 })
    byLora.set(route.lora, audits)
  }
  return byLora
}
