/**
 * What is chosen before a held-out row is looked at, so that alpha is not spent on it: the arm that
 * the gate favours, and each arm's statistic of confidence. Knows nothing of engines.
 */
import { confidenceOf, type ConfidenceStatistic } from '../route/route.ts'

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

/** An answer to a row that is not held out. */
export interface KnownAnswer {
  /** 0 to 1, against the logged answer */
  similarity: number
  logprobSum: number
  logprobMin: number
}

/**
 * Area under the ROC curve: chance that an answer that agrees is more confident than one that does
 * not, a tie counting half (Mann and Whitney 1947, by ranks).
 */
const areaUnderCurve = (agreeing: number[], other: number[]): number => {
  const all = [
    ...agreeing.map((confidence) => ({ confidence, agrees: true })),
    ...other.map((confidence) => ({ confidence, agrees: false })),
  ].toSorted((a, b) => a.confidence - b.confidence)
  let rankSum = 0
  for (let start = 0; start < all.length;) {
    let end = start
    while (end < all.length && all[end]!.confidence === all[start]!.confidence) end++
    const rank = (start + 1 + end) / 2
    rankSum += rank * all.slice(start, end).filter(({ agrees }) => agrees).length
    start = end
  }
  const least = (agreeing.length * (agreeing.length + 1)) / 2
  return (rankSum - least) / (agreeing.length * other.length)
}

/**
 * The statistic that separates agreement from disagreement better on rows that are not held out.
 * The sum where both do alike, and where answers of one kind are missing.
 * @param cut similarity from which on two answers agree
 */
export const chooseStatistic = (answers: KnownAnswer[], cut: number): ConfidenceStatistic => {
  const finite = answers.filter(
    ({ logprobSum, logprobMin }) => Number.isFinite(logprobSum) && Number.isFinite(logprobMin)
  )
  const agreeing = finite.filter(({ similarity }) => similarity >= cut)
  const other = finite.filter(({ similarity }) => similarity < cut)
  if (agreeing.length === 0 || other.length === 0) return 'sum'
  const areaOf = (statistic: ConfidenceStatistic): number =>
    areaUnderCurve(
      agreeing.map((answer) => confidenceOf(statistic, answer)),
      other.map((answer) => confidenceOf(statistic, answer))
    )
  return areaOf('min') > areaOf('sum') ? 'min' : 'sum'
}
