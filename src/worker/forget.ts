/**
 * The worker's part of forgetting: the detector begins anew, templates that nothing stands for any
 * more go, the database's files are cleaned, the engine deletes its copies. Each task is repeated
 * until all of it is done.
 */
import { lorasOf } from '../core/internalization.ts'
import { isInWork, transition } from '../core/transitions.ts'
import { toAppError } from '../errors.ts'
import {
  endTask,
  forgetTasks,
  readTask,
  saveTask,
  type ForgetTask,
  type LearnedCount,
} from '../store/forget-task.ts'
import type { WorkerDeps } from './deps.ts'
import { dropSketch } from './detect.ts'
import { deleteTrainingData } from './training-files.ts'

export type ForgetDeps = Pick<WorkerDeps, 'store' | 'engine' | 'now' | 'log'>

/** A template is what its records have in common: without them, and without a route, it goes. */
const removeTemplate = async ({ store, now }: ForgetDeps, version: string): Promise<void> => {
  const [left] = await store.records.list({ templateVersion: version, limit: 1, bodies: false })
  const rows = (await store.internalizations.list()).filter(
    ({ templateVersion }) => templateVersion === version
  )
  const isNeeded = rows.some(({ state }) => state.name === 'live' || isInWork(state))
  if (left !== undefined || isNeeded) return
  for (const row of rows) {
    if (!row.plan?.labels) continue
    // answers' words
    const plan = { ...row.plan, labels: null }
    await store.internalizations.save({ ...row, plan }, 'worker', now())
  }
  await store.templates.remove(version)
}

/** Ends what was planned while the records went: nobody could name it. */
const endPlanned = async ({ store, now }: ForgetDeps): Promise<LearnedCount[]> => {
  const ended: LearnedCount[] = []
  for (const row of await store.internalizations.list()) {
    if (row.plan === null || (row.state.name !== 'training' && row.state.name !== 'evaluating'))
      continue
    const ids = row.plan.trainRecordIds
    const trained = ids.length - (await store.records.byIds(ids)).length
    if (trained === 0) continue
    const cause = 'records that it trains on were forgotten'
    await store.internalizations.save(transition(row, { name: 'failed', cause }), 'worker', now())
    ended.push({ id: row.id, trained, heldOut: 0 })
  }
  return ended
}

/** @returns the task with what else the engine has to delete */
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

/** @returns false when there is no engine to ask */
const cleanEngine = async (
  { engine, store }: ForgetDeps,
  { learned, loras }: ForgetTask
): Promise<boolean> => {
  // held-out rows are never uploaded
  const trained = learned.filter(({ trained: rows }) => rows > 0).map(({ id }) => id)
  if (trained.length === 0) return true
  if (engine === null) return false
  const noted = new Set((await store.internalizations.list()).flatMap(lorasOf))
  await deleteTrainingData(engine, trained, { named: loras, noted })
  return true
}

const settle = async (deps: ForgetDeps, name: string, task: ForgetTask): Promise<void> => {
  try {
    const cleaned = task.isScrubbed ? task : await cleanStore(deps, name, task)
    if (!(await cleanEngine(deps, cleaned))) return
    await endTask(deps.store, name)
    deps.log({ level: 'info', message: 'forgotten', data: { task: name } })
  } catch (thrown) {
    const error = toAppError(thrown)
    const data = { task: name, code: error.code }
    deps.log({ level: 'warn', message: `forgetting is tried again: ${error.message}`, data })
  }
}

/** @returns whether what the detector knows is of no use any more */
export const settleForgotten = async (deps: ForgetDeps): Promise<boolean> => {
  let isDetectorStale = false
  for (const name of await forgetTasks(deps.store)) {
    const task = await readTask(deps.store, name)
    // its records are being deleted yet
    if (task === null || !task.isForgotten) continue
    if (!task.isScrubbed) isDetectorStale = true
    await settle(deps, name, task)
  }
  return isDetectorStale
}
