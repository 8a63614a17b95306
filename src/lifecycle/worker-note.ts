/** What the worker notes of itself in the store: commands cannot ask its process, which may run elsewhere. */
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/** The worker as it started last. */
const WORKER = 'worker'

/** @param engine name of the worker's engine; null without one */
export const noteWorker = (store: Store, engine: string | null): Promise<void> =>
  saveJsonSnapshot(store, WORKER, { engine })

/** Whether the worker that started last has an engine. */
export const workerHasEngine = async (store: Store): Promise<boolean> => {
  const noted = await readJsonSnapshot<{ engine: string | null }>(store, WORKER)
  return noted !== null && noted.engine !== null
}
