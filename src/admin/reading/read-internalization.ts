/** An internalization with what the worker keeps beside it, for the JSON API and the page. */
import {
  progressSnapshot,
  type Internalization,
} from '../../core/internalization/internalization.ts'
import { AppError } from '../../errors.ts'
import { findInternalization } from '../../lifecycle/find.ts'
import { readJsonSnapshot } from '../../store/json-snapshot.ts'
import type { JudgeProgress, StageProgress } from '../../core/internalization/stage-progress.ts'
import { readJudge, type JudgeReading } from '../../lifecycle/read-judge.ts'
import { judgeUsd } from '../../savings/model-proof.ts'
import type { Store } from '../../store/store.ts'

/** @param id or the start of it. @throws AppError `not-found`, `conflict` */
export const readInternalization = async (
  store: Pick<Store, 'internalizations'>,
  id: string
): Promise<Internalization> => {
  const found = await findInternalization(store, id)
  if (found === null) throw new AppError('not-found', `there is no internalization ${id}`)
  return found
}

/** Number of held-out answers of the plan's own arms. */
export const readEvaluatedRows = async (
  { internalizations }: Pick<Store, 'internalizations'>,
  { id, plan }: Internalization
): Promise<number> => {
  const counts = await internalizations.evaluationCounts(id)
  return (plan?.arms ?? []).reduce((sum, _arm, at) => sum + (counts.get(at) ?? 0), 0)
}

/** Of the stage in training, or of the judge. @returns null in other states, and before the first figures */
export const readProgress = async (
  store: Pick<Store, 'snapshots'>,
  { id, state }: Internalization
): Promise<StageProgress | JudgeProgress | null> => {
  if (state.name !== 'training' && state.name !== 'evaluating') return null
  const progress = await readJsonSnapshot<StageProgress | JudgeProgress>(
    store,
    progressSnapshot(id)
  )
  // of a training that is over
  return progress !== null && 'compares' in progress === (state.name === 'evaluating')
    ? progress
    : null
}

export interface Judged extends JudgeReading {
  /** US dollars of the proof so far, without audits */
  spentUsd: number
}

/** @returns null where equality decides */
export const readJudged = async (store: Store, row: Internalization): Promise<Judged | null> => {
  const reading = await readJudge(store, row)
  return reading && { ...reading, spentUsd: await judgeUsd.read(store, row.id) }
}
