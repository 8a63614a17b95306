/**
 * The work that is left after records were forgotten, kept in the store until it is done: detector and
 * engine belong to the worker, which may be another process or not running. A task has ids and names
 * only, no text.
 */
import { readJsonSnapshot, readJsonSnapshots, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/** How many of the forgotten records an internalization had. */
export interface LearnedCount {
  id: string
  trained: number
  heldOut: number
}

export interface ForgetTask {
  /** internalizations whose training files the engine deletes */
  learned: LearnedCount[]
  /** loras to delete */
  loras: string[]
  /** template versions to delete unless a record of them is left */
  templates: string[]
  /** false until all records are deleted */
  isForgotten: boolean
  /** whether the database's files were scrubbed since */
  isScrubbed: boolean
}

const PREFIX = 'forget:'

export const newTaskName = (id: string): string => `${PREFIX}${id}`

/** @returns names */
export const forgetTasks = async (store: Store): Promise<string[]> => [
  ...(await store.snapshots.all(PREFIX)).keys(),
]

/** All tasks that are not done, with their ids. */
export const readTasks = (
  store: Pick<Store, 'snapshots'>
): Promise<[id: string, task: ForgetTask][]> => readJsonSnapshots(store, PREFIX)

/** @returns null when the task is done */
export const readTask = (store: Store, name: string): Promise<ForgetTask | null> =>
  readJsonSnapshot(store, name)

export const saveTask = (store: Store, name: string, task: ForgetTask): Promise<void> =>
  saveJsonSnapshot(store, name, task)

export const endTask = (store: Store, name: string): Promise<void> => store.snapshots.remove(name)

/** A repeated selection finds only the records that are left, so the larger count is the true one. */
const mergeCounts = (counts: LearnedCount[]): LearnedCount[] => {
  const byId = new Map<string, LearnedCount>()
  for (const { id, trained, heldOut } of counts) {
    const known = byId.get(id)
    byId.set(id, {
      id,
      trained: Math.max(trained, known?.trained ?? 0),
      heldOut: Math.max(heldOut, known?.heldOut ?? 0),
    })
  }
  return [...byId.values()]
}

/** @returns a new task with the work of all given ones */
export const mergeTasks = (
  tasks: Pick<ForgetTask, 'learned' | 'loras' | 'templates'>[]
): ForgetTask => ({
  learned: mergeCounts(tasks.flatMap(({ learned }) => learned)),
  loras: [...new Set(tasks.flatMap(({ loras }) => loras))],
  templates: [...new Set(tasks.flatMap(({ templates }) => templates))],
  isForgotten: false,
  isScrubbed: false,
})
