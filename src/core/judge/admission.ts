/**
 * Whether a judge may vouch for a route: by planted faults, of which it must find 95 % at 95 % confidence in each class,
 * and by pairs of two upstream answers, of which it must not reject more than 10 %. Knows nothing of prompts or models.
 */
import { levelOfTry } from '../gate/gate.ts'
import { binomialLowerTail, proportionLowerBound } from '../gate/statistics.ts'
import { reasonOf, type Reason } from '../reason.ts'
import { FAULTS, type Fault } from './planted-faults.ts'
import type { JudgeVerdict } from './verdict.ts'

/** Which judge it is. With another value in one member it is another judge. */
export interface JudgeIdentity {
  /** name that is asked for */
  model: string
  /** `model` of its answers */
  version: string
  /** name of the rubric, and the digest of all that every comparison has in common (`rubricDigest`) */
  rubric: string
  rubricDigest: string
}

/** Share of the planted faults that a judge must find, and of sound answers that it may reject. */
export const LEAST_CAUGHT = 0.95
export const MOST_FALSE_ALARMS = 0.1

/** A class of faults, as the judge has answered. */
interface FaultCounts {
  fault: Fault
  planted: number
  caught: number
}

interface FaultFigures extends FaultCounts {
  /** one-sided lower bound of the share that is caught (Clopper and Pearson 1934) */
  bound: number
  isWatched: boolean
}

export interface Admission {
  judge: JudgeIdentity
  isAdmitted: boolean
  /** of each statement by itself */
  level: number
  /** every class, in the order of `FAULTS` */
  faults: FaultFigures[]
  falseAlarms: { pairs: number; alarms: number; upperBound: number }
  /**
   * Upper bound of the chance that at least one class is named as watched although fewer than 95 % of its faults are
   * caught: the sum over the classes that could have passed. The classes are independent statements, each at its level.
   */
  familyError: number
}

/** A flip is a rejection, as in the gate. Without a verdict a fault is not caught. */
export const isCaught = (verdict: JudgeVerdict): boolean =>
  verdict === 'different' || verdict === 'flipped'

/** Without a verdict a sound answer counts as rejected: a judge that says nothing is of no use. */
export const isFalseAlarm = (verdict: JudgeVerdict): boolean => verdict !== 'same'

/** Most faults of so many that may be missed; −1 where even none missed shows too little. */
export const allowedMisses = (planted: number, level: number): number => {
  let misses = -1
  while (misses + 1 < planted && binomialLowerTail(misses + 1, planted, 1 - LEAST_CAUGHT) <= level)
    misses++
  return misses
}

/** Chance that a class at just under 95 % is named as watched. */
const classError = (planted: number, level: number): number => {
  const misses = allowedMisses(planted, level)
  return misses < 0 ? 0 : binomialLowerTail(misses, planted, 1 - LEAST_CAUGHT)
}

const figuresOf = ({ fault, planted, caught }: FaultCounts, level: number): FaultFigures => ({
  fault,
  planted,
  caught,
  bound: planted === 0 ? 0 : proportionLowerBound(caught, planted, level),
  isWatched: planted > 0 && planted - caught <= allowedMisses(planted, level),
})

/** Why a class is not watched; null where it is. */
export const whyNotWatched = (
  { planted, caught, isWatched }: FaultFigures,
  level: number
): string | null => {
  if (isWatched) return null
  return allowedMisses(planted, level) < 0
    ? `only ${planted} answers have anything that it could change`
    : `${caught} of ${planted} caught`
}

/** Why a judge is admitted or not. */
export const admissionReason = ({
  faults,
  falseAlarms: { pairs, alarms, upperBound },
}: Pick<Admission, 'faults' | 'falseAlarms'>): Reason => {
  if (upperBound > MOST_FALSE_ALARMS)
    return reasonOf('judge-alarms', { pairs, alarms, upperBound, most: MOST_FALSE_ALARMS })
  const watched = faults.filter(({ isWatched }) => isWatched).map(({ fault }) => fault)
  return watched.length === 0
    ? reasonOf('judge-misses', { least: LEAST_CAUGHT })
    : reasonOf('judge-admitted', { pairs, alarms, least: LEAST_CAUGHT, faults: watched })
}

export interface AdmissionInput {
  judge: JudgeIdentity
  faults: readonly FaultCounts[]
  /** both answers are the upstream's, to requests of which at most one is of a conversation */
  fair: { pairs: number; alarms: number }
  /** of this judge on this template. They share the level, so that no judge is tried until it passes */
  earlierTries: number
}

/**
 * Each class is tested by itself, exactly, and so are false alarms, by their upper bound. With 200 faults four may be
 * missed, and with 200 pairs twelve rejected. Over all tries a class of which fewer than 95 % are caught is watched with
 * a chance of 5 % at most; `familyError` is about all classes together.
 */
export const admit = ({ judge, faults, fair, earlierTries }: AdmissionInput): Admission => {
  const level = levelOfTry(earlierTries)
  const figures = FAULTS.map((fault) =>
    figuresOf(
      faults.find((counts) => counts.fault === fault) ?? { fault, planted: 0, caught: 0 },
      level
    )
  )
  const { pairs, alarms } = fair
  const upperBound = pairs === 0 ? 1 : 1 - proportionLowerBound(pairs - alarms, pairs, level)
  const falseAlarms = { pairs, alarms, upperBound }
  return {
    judge,
    isAdmitted: upperBound <= MOST_FALSE_ALARMS && figures.some(({ isWatched }) => isWatched),
    level,
    faults: figures,
    falseAlarms,
    familyError: Math.min(
      1,
      figures.reduce((sum, { planted }) => sum + classError(planted, level), 0)
    ),
  }
}

export interface JudgeFacts {
  /** null: it was not asked to the end */
  admission: Admission | null
  /** why nothing may be promoted by it, whatever it said; null: nothing is in the way */
  hindrance: Reason | null
}

/** Why nothing may be promoted by this judge; null: it may. */
export const judgeObjection = ({ admission, hindrance }: JudgeFacts): Reason | null => {
  if (hindrance !== null) return hindrance
  if (admission === null) return reasonOf('judge-unfinished', {})
  return admission.isAdmitted ? null : admissionReason(admission)
}
