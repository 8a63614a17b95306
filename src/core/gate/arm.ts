/**
 * The choices that are made before a held-out row is read, so that they cost no alpha: the arm that
 * the gate favours, and the confidence statistic of each arm. Knows nothing of engines.
 */
import {
  confidenceOf,
  STATISTICS,
  type AnswerLogprobs,
  type ConfidenceStatistic,
} from '../route/confidence.ts'

/**
 * The arm with the lowest loss. The earlier arm wins a tie; the plan puts the cheaper one first.
 * @param losses of the last stage of each arm; null where the engine reported none
 * @returns index of the arm; null when a loss is missing or not finite
 */
export const armByValidationLoss = (losses: (number | null)[]): number | null => {
  const known = losses.filter((loss): loss is number => Number.isFinite(loss))
  if (known.length === 0 || known.length < losses.length) return null
  return losses.indexOf(Math.min(...known))
}

/**
 * The arm with the most agreeing answers, for arms whose losses cannot be compared: a lora's is one of each
 * token, a head's one of each answer. The earlier arm wins a tie.
 * @param agreeing answers of each arm to the same rows that are not held out
 * @returns index of the arm; null without an agreeing answer
 */
export const armByValidationAgreement = (agreeing: number[]): number | null => {
  const most = Math.max(0, ...agreeing)
  return most === 0 ? null : agreeing.indexOf(most)
}

/** An answer to a row that is not held out. */
export interface KnownAnswer extends AnswerLogprobs {
  /** with the logged answer */
  agrees: boolean
}

/**
 * Pairs of an agreeing and a disagreeing answer in which the agreeing one is more confident, less
 * the pairs in which it is less confident: the area under the ROC curve up to a constant factor
 * (Mann and Whitney 1947). At most 64 rows, so all pairs are compared.
 */
const concordance = (agreeing: number[], disagreeing: number[]): number =>
  agreeing
    .flatMap((confidence) => disagreeing.map((other) => Math.sign(confidence - other)))
    .reduce((sum, sign) => sum + sign, 0)

/**
 * The statistic that separates agreement from disagreement best, on rows that are not held out. Of those that
 * separate equally well, and when one kind of answer is missing, the first: `sum`.
 */
export const chooseStatistic = (answers: KnownAnswer[]): ConfidenceStatistic => {
  const isKnown = (statistic: ConfidenceStatistic) => (answer: KnownAnswer) =>
    Number.isFinite(confidenceOf(statistic, answer))
  const finite = answers.filter((answer) => isKnown('sum')(answer) && isKnown('min')(answer))
  const possible = STATISTICS.filter((statistic) => finite.every(isKnown(statistic)))
  const concordanceOf = (statistic: ConfidenceStatistic): number => {
    const confidences = (agrees: boolean): number[] =>
      finite
        .filter((answer) => answer.agrees === agrees)
        .map((answer) => confidenceOf(statistic, answer))
    return concordance(confidences(true), confidences(false))
  }
  const separations = possible.map(concordanceOf)
  return possible[separations.indexOf(Math.max(...separations))] ?? 'sum'
}
