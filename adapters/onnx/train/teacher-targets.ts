/** What of a teacher's probabilities a lora is to learn. Pure. */
import type { SoftTargets } from './rows.ts'

/** Of its most probable token's probability: below, the teacher would have gone on otherwise. */
const LEAST_SHARE = 0.9

/**
 * Targets of one row, up to the token where the answer leaves what its teacher would have said; from
 * there on the answer itself. A teacher's text, read again, may have other tokens than those it was
 * made of. A lora that learned to begin with the teacher's tokens and to go on behind the logged ones
 * would do neither; and behind the first of those the teacher itself is lost.
 * @param targets of every completion token, `width` tokens each
 * @param completionIds the answer's tokens
 */
export const trustedTargets = (targets: SoftTargets, completionIds: number[]): SoftTargets => {
  const { width } = targets
  const ids = Array.from(targets.ids)
  const probabilities = Array.from(targets.probabilities)
  let isTrusted = true
  completionIds.forEach((id, position) => {
    const start = position * width
    const found = ids.slice(start, start + width).indexOf(id)
    // the most probable token comes first
    isTrusted &&= found >= 0 && probabilities[start + found]! >= LEAST_SHARE * probabilities[start]!
    if (isTrusted) return
    probabilities.fill(0, start, start + width)
    const place = start + (found >= 0 ? found : width - 1)
    ids[place] = id
    probabilities[place] = 1
  })
  return { width, ids, probabilities }
}
