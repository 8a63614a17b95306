/** Reads the bodies of records. Whole bodies that many differences refer to are read and inflated once. */
import { LRUCache } from 'lru-cache'
import { bytesOf, wholeIdsOf, type Wholes } from '../body-forms.ts'
import { ownBytes } from '../own-copy.ts'
import type { SegmentRecord } from '../segment-codec.ts'

/** of whole bodies */
const CACHE_BYTES = 32 * 2 ** 20
/** of the cache for each, about */
const ENTRY_BYTES = 256

/** Records whose bodies are in memory at the same time, each with at most two of the log's limit. */
export const RECORDS_AT_ONCE = 16

/** Null: the record has none, or has lost it. */
export interface Bodies {
  request: Buffer | null
  response: Buffer | null
}

export interface WithBodies<Of extends SegmentRecord> extends Bodies {
  record: Of
}

export class BodyReader {
  private readonly cache = new LRUCache<number, Buffer>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => length + ENTRY_BYTES,
  })

  /** @param readWholes reads whole bodies by id @returns the bodies of the records, in their order */
  async read<Of extends SegmentRecord>(
    records: Of[],
    readWholes: (ids: number[]) => Promise<Wholes>
  ): Promise<WithBodies<Of>[]> {
    const ids = wholeIdsOf(records.flatMap(({ request, response }) => [request, response]))
    const wholes: Wholes = new Map()
    const missing: number[] = []
    for (const id of ids) {
      const known = this.cache.get(id)
      if (known === undefined) missing.push(id)
      else wholes.set(id, known)
    }
    for (const [id, bytes] of await readWholes(missing)) {
      wholes.set(id, bytes)
      this.cache.set(id, ownBytes(bytes))
    }
    return records.map((record) => ({
      record,
      request: record.request && bytesOf(record.request, wholes),
      response: record.response && bytesOf(record.response, wholes),
    }))
  }
}
