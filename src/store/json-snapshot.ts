/** Snapshots of the store that hold JSON. */
import type { Store } from './store.ts'

/** @returns null where the store has none of the name */
export const readJsonSnapshot = async <T>(
  { snapshots }: Pick<Store, 'snapshots'>,
  name: string
): Promise<T | null> => {
  const bytes = await snapshots.get(name)
  return bytes === null ? null : (JSON.parse(new TextDecoder().decode(bytes)) as T)
}

/** All whose names begin with the prefix, with the rest of their names, sorted. */
export const readJsonSnapshots = async <T>(
  { snapshots }: Pick<Store, 'snapshots'>,
  prefix: string
): Promise<[rest: string, value: T][]> =>
  [...(await snapshots.all(prefix))].map(([name, bytes]) => [
    name.slice(prefix.length),
    JSON.parse(new TextDecoder().decode(bytes)) as T,
  ])

export const saveJsonSnapshot = (
  { snapshots }: Pick<Store, 'snapshots'>,
  name: string,
  value: unknown
): Promise<void> => snapshots.put(name, new TextEncoder().encode(JSON.stringify(value)))

/** Values of ids, each in the snapshot whose name is the prefix and the id. */
export const jsonSnapshotsOf = <Value>(prefix: string) => ({
  /** @returns null where the store has none of the id */
  read: (store: Pick<Store, 'snapshots'>, id: string): Promise<Value | null> =>
    readJsonSnapshot(store, prefix + id),
  /** Of all ids, sorted. */
  readAll: (store: Pick<Store, 'snapshots'>): Promise<[id: string, value: Value][]> =>
    readJsonSnapshots(store, prefix),
  save: (store: Pick<Store, 'snapshots'>, id: string, value: Value): Promise<void> =>
    saveJsonSnapshot(store, prefix + id, value),
})
