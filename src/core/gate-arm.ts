/**
 * Which arm the gate favours. Looks at validation losses alone, never at a held-out row, so that
 * alpha may be split by it. Knows nothing of how an engine measures its loss.
 */

/**
 * The arm with the lowest loss; the earlier one wins a tie, and the plan puts the cheaper one first.
 * @param losses by arm, of its last stage; null where the engine gave none
 * @returns index of the arm; null when a loss is missing or is no number, so that nothing is known
 */
export const armByValidationLoss = (losses: (number | null)[]): number | null => {
  const known = losses.filter((loss): loss is number => Number.isFinite(loss))
  if (known.length === 0 || known.length < losses.length) return null
  return losses.indexOf(Math.min(...known))
}
