/** Judges whose faults are known, as replies in both orders. Knows nothing of the gate or of admission. */
import { parseVerdict } from '../../src/core/judge/judge-prompt.ts'
import { verdictOf, type JudgeVerdict } from '../../src/core/judge/verdict.ts'

export interface SimulatedJudge {
  /** chance that it finds two answers different that are, and the same that are */
  sensitivity: number
  specificity: number
  /** chance that a reply follows the order alone, so that the verdict flips */
  orderBias: number
  /** chance that it accepts an answer because it is longer than the upstream's first one */
  lengthBias: number
  /** chance of a reply that is no verdict */
  silence: number
}

export const judgeWith = (
  sensitivity: number,
  specificity: number,
  faults: Partial<SimulatedJudge> = {}
): SimulatedJudge => ({
  sensitivity,
  specificity,
  orderBias: 0,
  lengthBias: 0,
  silence: 0,
  ...faults,
})

/** What is true of an answer beside the upstream's first one. */
export interface Truth {
  isDifferent: boolean
  isLonger: boolean
}

const GARBAGE = 'Both answers are fine, but I would rather not say.'
const replyOf = (isSame: boolean): string => `{"verdict":"${isSame ? 'same' : 'different'}"}`

const repliesOf = (
  judge: SimulatedJudge,
  { isDifferent, isLonger }: Truth,
  random: () => number
): [string, string] => {
  const [silence, order, length, honest] = [random(), random(), random(), random()]
  if (silence < judge.silence) return [replyOf(true), GARBAGE]
  if (order < judge.orderBias) return [replyOf(true), replyOf(false)]
  const isFooled = isLonger && length < judge.lengthBias
  const isSame =
    isFooled || (isDifferent ? honest >= judge.sensitivity : honest < judge.specificity)
  return [replyOf(isSame), replyOf(isSame)]
}

/** One answer beside the upstream's first one, in both orders. @param random uniform in [0, 1) */
export const askJudge = (
  judge: SimulatedJudge,
  truth: Truth,
  random: () => number
): JudgeVerdict => {
  const [one, other] = repliesOf(judge, truth, random)
  return verdictOf(parseVerdict(one), parseVerdict(other))
}

/** Chance of a rejection by an honest reply or by the order, given a readable reply, for one kind of answers. */
export const rejectionRate = (
  { sensitivity, specificity, orderBias, lengthBias }: SimulatedJudge,
  { different, longer }: { different: number; longer: number }
): number => {
  const honest = different * sensitivity + (1 - different) * (1 - specificity)
  return orderBias + (1 - orderBias) * (1 - lengthBias * longer) * honest
}

/**
 * Share of different answers at which the judge's rejections have a rate, given a readable reply.
 * @returns null where no share has it
 */
export const shareWithRate = (
  judge: SimulatedJudge,
  rate: number,
  longer: number
): number | null => {
  const none = rejectionRate(judge, { different: 0, longer })
  const all = rejectionRate(judge, { different: 1, longer })
  const share = (rate - none) / (all - none)
  return share >= 0 && share <= 1 ? share : null
}
