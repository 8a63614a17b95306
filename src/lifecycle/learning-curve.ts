/**
 * The learning curve of an internalization: the trainings behind it, and what it says. The worker fills it
 * after the verdict; all others show it.
 */
import { percent } from '../core/gate/figures.ts'
import type { CurveTarget, LearningCurve } from '../core/gate/learning-curve.ts'
import type { Internalization, StageResult } from '../core/internalization/internalization.ts'
import { jsonSnapshotsOf } from '../store/json-snapshot.ts'
import { lastOf, nonEmpty } from '../core/lists.ts'

/** One training on a part of the rows. */
export interface Fit {
  rows: number
  /** one entry for each finished stage */
  results: StageResult[]
  /** its answers are stored, and its loras deleted */
  isJudged: boolean
}

export interface CurveWork {
  /** those that have begun, smallest first */
  fits: Fit[]
  /** of how many */
  planned: number
  /** null until all are judged */
  curve: LearningCurve | null
  /** why there will be no curve; null: nothing has failed */
  failure: string | null
}

/** By internalization; there is none before the worker has begun with it. */
export const {
  read: readCurve,
  readAll: readCurves,
  save: saveCurve,
} = jsonSnapshotsOf<CurveWork>('learning-curve:')

const count = (rows: number): string => rows.toLocaleString('en-US')

/** Two digits: more would say more than is known. */
const rounded = (rows: number): string => count(Number(rows.toPrecision(2)))

const MOST = 'more than eight times the rows'

const needText = (
  { coverage, rows, interval: [lower, upper] }: CurveTarget,
  trained: number
): string => {
  const goal = `for ${percent(coverage)} coverage`
  if (rows === null)
    return lower === null
      ? `${goal} more exchanges alone are probably not enough`
      : `${goal} ${MOST} are needed (at least ${rounded(lower - trained)} more)`
  if (rows <= trained) return `${goal} the ${count(trained)} questions to learn from are enough`
  const most = upper === null ? MOST : rounded(upper - trained)
  return (
    `about ${rounded(rows - trained)} more exchanges with new questions are needed ${goal} ` +
    `(${rounded((lower ?? rows) - trained)} to ${most})`
  )
}

/** Targets that a person wants to read of: the least coverage where there is no route, and the next ones. */
const shownTargets = (
  { targets }: LearningCurve,
  { verdict }: Pick<Internalization, 'verdict'>
): CurveTarget[] => {
  const winner = verdict?.arms[verdict.arm]
  if (verdict?.verdict === 'promote' && winner !== undefined)
    return targets.filter(({ coverage }) => coverage > winner.coverage).slice(0, 2)
  return targets.filter(({ coverage }, place) => place === 0 || Math.abs(coverage - 0.5) < 0.01)
}

/** What the curve says, in sentences. */
export const curveText = (
  { fits, planned, curve, failure }: CurveWork,
  internalization: Pick<Internalization, 'verdict'>
): string[] => {
  if (failure !== null) return [`no learning curve: ${failure}`]
  if (curve === null) {
    const judged = fits.filter(({ isJudged }) => isJudged).length
    return [`the learning curve is being made: ${judged} of ${planned} trainings are judged`]
  }
  const trained = lastOf(nonEmpty(curve.points)).rows
  const shown = shownTargets(curve, internalization)
  return shown.length === 0
    ? ['the learning curve shows no gain in coverage from more exchanges']
    : shown.map((target) => needText(target, trained))
}
