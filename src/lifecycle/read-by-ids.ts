/** Reads records by their ids, however large they are: one read of the store ends early where bodies are large. */
import type { StoredRecord } from '../core/log/record.ts'
import type { RecordStore } from '../store/store.ts'

/** In the order of the ids, without ids that are not in the log. @param ids each once */
export async function* readByIds(
  { byIds }: Pick<RecordStore, 'byIds'>,
  ids: readonly string[]
): AsyncGenerator<StoredRecord> {
  for (let left = [...ids]; left.length > 0;) {
    const found = await byIds(left)
    yield* found
    const last = found.at(-1)
    left = last === undefined ? [] : left.slice(left.indexOf(last.id) + 1)
  }
}
