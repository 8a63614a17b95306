/**
 * A day of a large log, written by the store's own writer: several proxies, each with few records a write, as a
 * log of one or two requests a second has them.
 */
import type { CommonConnection } from '../../../../src/store/common/connection.ts'
import { recordWriter } from '../../../../src/store/common/log/append.ts'
import { Dictionaries } from '../../../../src/store/log/dictionaries.ts'
import type { RecordBytes } from '../../../../src/store/log/record-bytes.ts'
import type { RecordStore } from '../../../../src/store/store.ts'
import { inLanes } from '../../traffic/lanes.ts'
import { exchangesOf, type DayRecord } from './exchanges.ts'

const PROXIES = 4
/** records of one write, in turn */
const WRITES = [1, 2, 3, 4, 6, 8]
const BATCHES_AT_ONCE = 2_000
const TAGGED_AT_ONCE = 500

const bytesOf = ({
  request,
  response,
  usage,
  tagged: _tagged,
  ...head
}: DayRecord): RecordBytes => ({
  head,
  usage,
  request: Buffer.from(request),
  response: response === null ? null : Buffer.from(response),
})

/** Several groups of writes, so that the texts of the whole day are never in memory. */
function* groupsOf(records: Iterable<DayRecord>): Generator<DayRecord[][]> {
  let group: DayRecord[][] = [[]]
  for (const record of records) {
    const wanted = WRITES[(group.length - 1) % WRITES.length]!
    if (group.at(-1)!.length === wanted) {
      if (group.length === BATCHES_AT_ONCE) {
        yield group
        group = []
      }
      group.push([])
    }
    group.at(-1)!.push(record)
  }
  yield group
}

/** The templates that the worker finds later. */
const tag = async (
  records: Pick<RecordStore, 'tagTemplate'>,
  tags: Map<string, string>
): Promise<void> => {
  const byVersion = new Map<string, string[]>()
  for (const [id, version] of tags) {
    const ids = byVersion.get(version)
    if (ids === undefined) byVersion.set(version, [id])
    else ids.push(id)
  }
  for (const [version, ids] of byVersion)
    for (let at = 0; at < ids.length; at += TAGGED_AT_ONCE)
      await records.tagTemplate(ids.slice(at, at + TAGGED_AT_ONCE), version)
}

/** @param count records of the day @param ended template versions that it does not have any more */
export const writeDay = async (
  connection: CommonConnection,
  records: RecordStore,
  { day, count, ended }: { day: number; count: number; ended: readonly string[] }
): Promise<void> => {
  const writers = Array.from({ length: PROXIES }, () =>
    recordWriter(connection, new Dictionaries())
  )
  const tags = new Map<string, string>()
  for (const group of groupsOf(exchangesOf(day, count))) {
    for (const { id, tagged } of group.flat())
      if (tagged !== null && !ended.includes(tagged)) tags.set(id, tagged)
    await inLanes(PROXIES, group, async (batch, index) => {
      await writers[index % PROXIES]!(batch.map(bytesOf))
    })
  }
  await tag(records, tags)
}
