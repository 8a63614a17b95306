/**
 * The worker's part of forgetting: it drops the detector's sketch, removes templates without records,
 * cleans the database's files and has the engine delete its copies. A task is repeated until all of
 * it is done.
 */
import { reasonOf } from '../core/reason.ts'
import {
  lorasOf,
  type Internalization,
  type InternalizationPlan,
} from '../core/internalization/internalization.ts'
import { isInWork, transition } from '../lifecycle/transitions.ts'
import { toAppError } from '../errors.ts'
import {
  endTask,
  forgetTasks,
  readTask,
  saveTask,
  type ForgetTask,
  type LearnedCount,
} from '../lifecycle/forget-task.ts'
import type { Store } from '../store/store.ts'
import type { WorkerDeps } from './deps.ts'
import { dropSketch } from './detect.ts'
import { isEngineLost } from './engine/watch.ts'
import { deleteTrainingData } from './internalize/training-files.ts'

export interface ForgetDeps extends Pick<WorkerDeps, 'store' | 'engine' | 'now' | 'log' | 'fault'> {
  /** Makes sure that no worker goes on with the internalizations. @returns false while another one does */
  claim: (internalizations: readonly string[]) => Promise<boolean>
}

/** Without labels, the form and slot values in plan and verdict, which are text of the log. */
const withoutText = (
  row: Internalization,
  { form: _fields, answers: { form: _form, ...answers }, ...plan }: InternalizationPlan
): Internalization => ({
  ...row,
  plan: {
    ...plan,
    answers: { ...answers, labels: null },
    kinds: { ...plan.kinds, values: [] },
    parts: [],
  },
  verdict: row.verdict && {
    ...row.verdict,
    arms: row.verdict.arms.map((arm) => ({ ...arm, slices: [] })),
  },
})

/** Removes a template that has no records, no live route and no internalization in work. */
const removeTemplate = async ({ store, now }: ForgetDeps, version: string): Promise<void> => {
  const [left] = await store.records.list({ templateVersion: version, limit: 1, bodies: false })
  const rows = (await store.internalizations.list()).filter(
    ({ templateVersion }) => templateVersion === version
  )
  const isNeeded = rows.some(({ state }) => state.name === 'live' || isInWork(state))
  if (left !== undefined || isNeeded) return
  for (const row of rows) {
    if (row.plan === null) continue
    await store.internalizations.save(withoutText(row, row.plan), 'worker', now())
  }
  await store.templates.remove(version)
}

/**
 * Ends internalizations that were planned while the records were deleted: `forget` had listed those
 * to end before.
 */
const endPlanned = async ({ store, now }: ForgetDeps): Promise<LearnedCount[]> => {
  const ended: LearnedCount[] = []
  for (const row of await store.internalizations.list()) {
    if (row.plan === null || (row.state.name !== 'training' && row.state.name !== 'evaluating'))
      continue
    const ids = row.plan.trainRecordIds
    const trained = ids.length - (await store.records.knownIds(ids)).length
    if (trained === 0) continue
    const failed = { name: 'failed', reason: reasonOf('forgotten', {}) } as const
    await store.internalizations.save(transition(row, failed), 'worker', now())
    ended.push({ id: row.id, trained, heldOut: 0 })
  }
  return ended
}

/** @returns the task, with the internalizations that were ended here */
const cleanStore = async (
  deps: ForgetDeps,
  name: string,
  task: ForgetTask
): Promise<ForgetTask> => {
  const cleaned = {
    ...task,
    learned: [...task.learned, ...(await endPlanned(deps))],
    isScrubbed: true,
  }
  await dropSketch(deps.store)
  for (const version of task.templates) await removeTemplate(deps, version)
  await deps.store.records.scrub()
  await saveTask(deps.store, name, cleaned)
  return cleaned
}

/** @returns false when the engine has something to delete and is away, or a worker is still at it */
const cleanEngine = async (
  { engine, store, claim }: ForgetDeps,
  { learned, loras }: ForgetTask
): Promise<boolean> => {
  // held-out rows are never uploaded
  const trained = learned.filter(({ trained: rows }) => rows > 0).map(({ id }) => id)
  if (trained.length === 0) return true
  if (engine === null || !(await claim(trained))) return false
  const noted = new Set((await store.internalizations.list()).flatMap(lorasOf))
  await deleteTrainingData(engine, trained, { named: loras, noted })
  return true
}

/** @returns whether a call failed because the engine is away */
const settle = async (deps: ForgetDeps, name: string, task: ForgetTask): Promise<boolean> => {
  try {
    const cleaned = task.isScrubbed ? task : await cleanStore(deps, name, task)
    if (!(await cleanEngine(deps, cleaned))) return false
    await endTask(deps.store, name)
    deps.log({ level: 'info', message: 'forgotten', data: { task: name } })
    return false
  } catch (thrown) {
    const error = toAppError(thrown)
    deps.fault('forgetting', thrown, { task: name })
    return isEngineLost(error)
  }
}

/** Whether a task has something for the engine to delete. */
export const needsEngine = async (store: Store): Promise<boolean> => {
  for (const name of await forgetTasks(store)) {
    const task = await readTask(store, name)
    if (task?.isForgotten && task.learned.some(({ trained }) => trained > 0)) return true
  }
  return false
}

export interface SettleOutcome {
  /** the detector's sketch was dropped, so the detector must start again */
  isDetectorStale: boolean
  /** a call failed because the engine is away */
  isEngineLost: boolean
}

export const settleForgotten = async (deps: ForgetDeps): Promise<SettleOutcome> => {
  const outcome: SettleOutcome = { isDetectorStale: false, isEngineLost: false }
  for (const name of await forgetTasks(deps.store)) {
    const task = await readTask(deps.store, name)
    // its records are still being deleted
    if (task === null || !task.isForgotten) continue
    if (!task.isScrubbed) outcome.isDetectorStale = true
    if (await settle(deps, name, task)) outcome.isEngineLost = true
  }
  return outcome
}
