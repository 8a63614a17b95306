/**
 * Forgetting, for admin API and CLI: lists the internalizations that used the selected records, takes
 * them back on request, deletes the records, and leaves the rest to the worker as a task
 * (`forget-task.ts`). The task is written first, so the next call can finish an interrupted one.
 */
import {
  lorasOf,
  type Internalization,
  type InternalizationState,
} from '../core/internalization/internalization.ts'
import { isEmptySelection, type Selection } from '../core/log/selection.ts'
import { boughtId } from '../core/template/version.ts'
import { transition } from './transitions.ts'
import { reasonOf } from '../core/reason.ts'
import { AppError } from '../errors.ts'
import {
  endTask,
  forgetTasks,
  mergeTasks,
  newTaskName,
  readTask,
  saveTask,
  type ForgetTask,
  type LearnedCount,
} from './forget-task.ts'
import { rollBack, type PromotionContext } from './promote.ts'
import type { Store } from '../store/store.ts'

export interface ForgetRequest {
  selection: Selection
  /** take back the internalizations that were trained on the records, and delete their loras */
  retire: boolean
  /** only count and list */
  dryRun: boolean
}

export interface ForgetContext extends PromotionContext {
  newId: () => string
}

/** An internalization that used some of the records. */
export interface Learned extends LearnedCount {
  templateVersion: string
  /** after the call */
  state: InternalizationState['name']
  loras: string[]
}

export interface ForgetReport {
  dryRun: boolean
  records: number
  /** null in a dry run */
  bodies: number | null
  learned: Learned[]
  /** name of the worker's task; null when there is none */
  task: string | null
}

/** The extent of a selection before it is forgotten. */
interface Survey {
  records: number
  /** template versions of the records */
  templates: string[]
  learned: LearnedCount[]
}

/** With the answers that moves have bought for the same requests. */
const withBought = async (store: Store, selection: Selection): Promise<Selection> => {
  const { recordIds } = selection
  if (recordIds === undefined) return selection
  const moved = (await store.templates.list()).filter(({ movedFrom }) => movedFrom !== undefined)
  const models = [...new Set(moved.map(({ model }) => model))]
  const bought = recordIds.flatMap((id) => models.map((model) => boughtId(id, model)))
  return { ...selection, recordIds: [...recordIds, ...bought] }
}

/** @returns all templates of a tenant that is forgotten as a whole, also those without a record */
const templatesOf = async (
  store: Store,
  { tenant, user, recordIds }: Selection
): Promise<string[]> => {
  if (tenant === undefined || user !== undefined || recordIds !== undefined) return []
  const templates = await store.templates.list()
  return templates.filter((template) => template.tenant === tenant).map(({ version }) => version)
}

const survey = async (store: Store, selection: Selection): Promise<Survey> => {
  /** record id → raises a count of each internalization that used the record */
  const counters = new Map<string, (() => void)[]>()
  const count = (recordIds: readonly string[], raise: () => void): void => {
    for (const id of recordIds) counters.set(id, [...(counters.get(id) ?? []), raise])
  }
  const learned = (await store.internalizations.list()).map(({ id, plan }) => {
    const counts = { id, trained: 0, heldOut: 0 }
    count(plan?.trainRecordIds ?? [], () => (counts.trained += 1))
    count(plan?.holdoutRecordIds ?? [], () => (counts.heldOut += 1))
    return counts
  })
  const templates = new Set(await templatesOf(store, selection))
  let records = 0
  for (let after: number | null = 0; after !== null;) {
    const page = await store.records.select(selection, after)
    records += page.ids.length
    for (const id of page.ids) for (const raise of counters.get(id) ?? []) raise()
    for (const version of page.templateVersions) templates.add(version)
    after = page.next
  }
  return {
    records,
    templates: [...templates],
    learned: learned.filter(({ trained, heldOut }) => trained + heldOut > 0),
  }
}

const FORGOTTEN = reasonOf('forgotten', {})

const endedState = ({ state }: Internalization, retire: boolean): InternalizationState | null => {
  switch (state.name) {
    case 'training':
    case 'evaluating':
      return { name: 'failed', reason: FORGOTTEN }
    case 'approval':
      return retire ? { name: 'rejected', reason: FORGOTTEN } : null
    case 'retired':
      // the reason changes, or a rollback of its successor would bring it back
      return retire ? { ...state, reason: FORGOTTEN } : null
    default:
      return null
  }
}

/** Ends unfinished internalizations, and with `retire` also those that are finished. */
const takeBack = async (
  store: Store,
  rows: Internalization[],
  retire: boolean,
  context: ForgetContext
): Promise<void> => {
  for (const row of rows) {
    const ended = endedState(row, retire)
    if (ended !== null)
      await store.internalizations.save(transition(row, ended), context.by, context.now)
  }
  if (!retire) return
  for (const { state, templateVersion } of rows)
    if (state.name === 'live') await rollBack(store, templateVersion, FORGOTTEN, context)
}

/** @returns tasks whose records are not all deleted; the current call finishes their work */
const interruptedTasks = async (store: Store): Promise<Map<string, ForgetTask>> => {
  const tasks = new Map<string, ForgetTask>()
  for (const name of await forgetTasks(store)) {
    const task = await readTask(store, name)
    if (task !== null && !task.isForgotten) tasks.set(name, task)
  }
  return tasks
}

const learnedOf = async (store: Store, counts: LearnedCount[]): Promise<Learned[]> => {
  const rows = await store.internalizations.list()
  return rows.flatMap((row) => {
    const count = counts.find(({ id }) => id === row.id)
    const { templateVersion, state } = row
    return count ? { ...count, templateVersion, state: state.name, loras: lorasOf(row) } : []
  })
}

/**
 * Running totals stay, because they have no text. @throws AppError `invalid-request` for an empty
 * selection; `conflict` when another forgetting begins meanwhile or the worker has changed an
 * internalization: repeat the call
 */
export const forget = async (
  store: Store,
  { selection: wanted, retire, dryRun }: ForgetRequest,
  context: ForgetContext
): Promise<ForgetReport> => {
  if (isEmptySelection(wanted))
    throw new AppError(
      'invalid-request',
      'the selection is empty: give record ids, a tenant or a user'
    )
  const selection = await withBought(store, wanted)
  const found = await survey(store, selection)
  const interrupted = dryRun ? new Map<string, ForgetTask>() : await interruptedTasks(store)
  const task = mergeTasks([...interrupted.values(), { ...found, loras: [] }])
  const trainedIds = task.learned.filter(({ trained }) => trained > 0).map(({ id }) => id)
  // listed again: the survey may take minutes, and a stale revision cannot be saved
  const rows = await store.internalizations.list()
  const trained = rows.filter(({ id }) => trainedIds.includes(id))
  if (retire) task.loras.push(...trained.flatMap(lorasOf))
  const report = { dryRun, records: found.records, bodies: null, task: null }
  if (dryRun) return { ...report, learned: await learnedOf(store, task.learned) }
  if (found.records === 0 && found.templates.length === 0 && interrupted.size === 0) {
    // a kept response may have no record
    await store.records.forget(selection)
    return { ...report, bodies: 0, learned: [] }
  }
  const name = newTaskName(context.newId())
  await saveTask(store, name, task)
  for (const taken of interrupted.keys()) await endTask(store, taken)
  await takeBack(store, trained, retire, context)
  const counts = await store.records.forget(selection)
  await saveTask(store, name, { ...task, isForgotten: true })
  return { dryRun, ...counts, learned: await learnedOf(store, task.learned), task: name }
}
