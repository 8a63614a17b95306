/** Chooses the teacher's probabilities that a lora is trained on. Pure. */
import type { SoftTargets } from '../../text/rows.ts'

/** Share of the most probable token's probability below which the teacher would not write a token. */
const LEAST_SHARE = 0.9

/**
 * Targets of one row: the teacher's, up to the first token of the answer that the teacher would not have
 * written, and from there the answer itself. Text that the teacher wrote can be tokenized differently
 * when it is read again. Mixed targets would then begin with one tokenization and continue with the
 * other, and after the first differing token the teacher's own predictions are useless.
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
