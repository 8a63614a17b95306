/**
 * What is left to do after records were forgotten, kept in the store until it is done: the detector
 * and the engine belong to the worker, which may be another process or not running now. Ids and
 * names alone, no text.
 */
import type { Store } from '../store/store.ts'

/** How many of an internalization's rows go. */
export interface LearnedCount {
  id: string
  trained: number
  heldOut: number
}

export interface ForgetTask {
  /** what the engine deletes the training files of */
  learned: LearnedCount[]
  /** that go */
  loras: string[]
  /** versions that go unless a record is left that has them */
  templates: string[]
  /** false while records are being deleted, or when that was interrupted */
  isForgotten: boolean
  /** whether the database's files were cleaned since */
  isScrubbed: boolean
}

const PREFIX = 'forget:'

export const newTaskName = (id: string): string => `${PREFIX}${id}`

/** @returns names */
export const forgetTasks = (store: Store): Promise<string[]> => store.snapshots.names(PREFIX)

/** @returns null when it is done */
export const readTask = async (store: Store, name: string): Promise<ForgetTask | null> => {
  const bytes = await store.snapshots.get(name)
  return bytes === null ? null : (JSON.parse(new TextDecoder().decode(bytes)) as ForgetTask)
}

export const saveTask = (store: Store, name: string, task: ForgetTask): Promise<void> =>
  store.snapshots.put(name, new TextEncoder().encode(JSON.stringify(task)))

export const endTask = (store: Store, name: string): Promise<void> => store.snapshots.remove(name)

/** A repeated selection counts what is left of it only, so the larger count is the whole. */
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

/** One task that is not begun, of what all of them name. */
export const mergeTasks = (
  tasks: Pick<ForgetTask, 'learned' | 'loras' | 'templates'>[]
): ForgetTask => ({
  learned: mergeCounts(tasks.flatMap(({ learned }) => learned)),
  loras: [...new Set(tasks.flatMap(({ loras }) => loras))],
  templates: [...new Set(tasks.flatMap(({ templates }) => templates))],
  isForgotten: false,
  isScrubbed: false,
})
