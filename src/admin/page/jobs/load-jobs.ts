/** Reads what the worker works on, what waits for it, and what has ended lately. */
import { templateNames } from '../../../lifecycle/find.ts'
import {
  evaluationRows,
  progressSnapshot,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import type { StageProgress } from '../../../core/internalization/stage-progress.ts'
import { readTasks, type ForgetTask } from '../../../lifecycle/forget-task.ts'
import { readJsonSnapshots } from '../../../store/json-snapshot.ts'
import type { Store } from '../../../store/store.ts'
import type { Names } from '../links.tsx'

const WEEK_MS = 7 * 86_400_000
const MAX_ENDED = 20
/** whose held-out answers are counted; the worker judges one after another */
const MAX_COUNTED = 10

/** Held-out requests that were answered, of all that will be. */
export interface Evaluated {
  done: number
  of: number
}

export interface Job {
  row: Internalization
  /** null: not in training, or nothing was reported of this stage yet */
  progress: StageProgress | null
  /** null: not being judged */
  evaluated: Evaluated | null
}

export interface LoadedJobs {
  /** oldest first */
  working: Job[]
  forgetting: ForgetTask[]
  /** newest first */
  ended: Internalization[]
  names: Names
}

const isWorking = ({ state }: Internalization): boolean =>
  state.name === 'candidate' || state.name === 'training' || state.name === 'evaluating'

const progressOf = (
  { state }: Internalization,
  progress: StageProgress | undefined
): StageProgress | null =>
  state.name === 'training' && progress?.arm === state.arm && progress.stage === state.stage
    ? progress
    : null

const evaluatedOf = async ({ internalizations }: Store, id: string): Promise<Evaluated | null> => {
  const plan = (await internalizations.get(id))?.plan
  if (plan === null || plan === undefined) return null
  const counts = await internalizations.evaluationCounts(id)
  const done = plan.arms.reduce((sum, _arm, at) => sum + (counts.get(at) ?? 0), 0)
  return { done, of: evaluationRows(plan) }
}

/** @param now milliseconds since the epoch */
export const loadJobs = async (store: Store, now: number): Promise<LoadedJobs> => {
  const rows = await store.internalizations.list({ recordIds: false })
  const progress = new Map(await readJsonSnapshots<StageProgress>(store, progressSnapshot('')))
  const judged = rows.filter(({ state }) => state.name === 'evaluating').slice(0, MAX_COUNTED)
  const evaluated = new Map<string, Evaluated | null>()
  for (const { id } of judged) evaluated.set(id, await evaluatedOf(store, id))
  return {
    working: rows.filter(isWorking).map((row) => ({
      row,
      progress: progressOf(row, progress.get(row.id)),
      evaluated: evaluated.get(row.id) ?? null,
    })),
    forgetting: (await readTasks(store)).map(([, task]) => task),
    ended: rows
      .filter((row) => !isWorking(row) && now - row.updatedAt < WEEK_MS)
      .sort((a, b) => b.updatedAt - a.updatedAt)
      .slice(0, MAX_ENDED),
    names: await templateNames(store),
  }
}
