/**
 * Searching the log: which records fit, page by page, and how they are presented. Knows nothing of the
 * database; a store passes its reads.
 */
import type { StoredRecord } from '../../core/log/record.ts'
import { compileFilter, SEARCH_OUTCOMES } from '../../core/log/record-filter.ts'
import { AppError } from '../../errors.ts'
import { drawOfEach, seededRandom } from '../../random.ts'
import type { FoundRecords, RecordQuery, SpreadQuery } from '../store.ts'
import type { Estimator } from './estimates.ts'
import { MAX_PAGE_BYTES, type NeedsBodies, type PageOptions, type PageRead } from './read-page.ts'

/** records that one search reads at most */
const MAX_SCANNED = 5_000
/** of these, by one read, so that appends run in between; the first read is for as many as are wanted */
const SCANNED_AT_ONCE = 1_000

const withoutBodies = (record: StoredRecord): StoredRecord => ({
  ...record,
  request: '',
  response: null,
})

/** Bodies that a query needs, also where it shows none: an estimate is made from them. Null: of no record. */
export const neededBodies = ({
  bodies = true,
  estimates = false,
}: RecordQuery): NeedsBodies | null => {
  if (bodies) return () => true
  return estimates ? ({ usage }) => usage === null : null
}

/** Adds estimates, and takes bodies away that were read only for them. */
export const finished = async (
  found: StoredRecord[],
  { bodies = true, estimates = false }: RecordQuery,
  estimate: Estimator
): Promise<StoredRecord[]> => {
  const estimated = estimates ? await estimate(found) : found
  return bodies ? estimated : estimated.map(withoutBodies)
}

/** In the order of the ids. @param found in any order */
export const inOrderOf = <Found extends { id: string }>(ids: string[], found: Found[]): Found[] => {
  const byId = new Map(found.map((record) => [record.id, record]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

export interface ScannedPage extends PageRead {
  /** as many rows as the page was for */
  isFull: boolean
}

export interface SearchReads {
  byIds: (ids: string[]) => Promise<StoredRecord[]>
  /**
   * Need not read records that the filter's `narrowing` excludes.
   * @param query with order and limit of the page
   */
  page: (query: RecordQuery, options: Required<PageOptions>) => Promise<ScannedPage>
  estimate: Estimator
}

const turnOf = async ({ byIds }: SearchReads, id: string): Promise<StoredRecord> => {
  const [turn] = await byIds([id])
  if (turn === undefined) throw new AppError('not-found', `there is no record ${id}`)
  return turn
}

/** @throws AppError `not-found` for an unknown `conversation` */
export const search = async (query: RecordQuery, reads: SearchReads): Promise<FoundRecords> => {
  const { order = 'desc', limit, conversation } = query
  const turn = conversation === undefined ? null : await turnOf(reads, conversation)
  const filter = compileFilter(query, turn)
  const data: StoredRecord[] = []
  let { after } = query
  let pageRows = limit
  let maxBytes = MAX_PAGE_BYTES
  let searched = 0
  for (let rowsRead = 0; ;) {
    const page = { ...query, order, limit: pageRows, ...(after !== undefined && { after }) }
    const room = limit - data.length
    const options = { needsBodies: neededBodies(query), filter, room, maxBytes }
    const { last, found, isCut, isFull, bytes, read } = await reads.page(page, options)
    data.push(...(await finished(found, query, reads.estimate)))
    searched += read
    const furthest = data[limit - 1]
    if (furthest !== undefined) return { data, next: furthest.sequence, isPartial: false, searched }
    if (last === null || (!isFull && !isCut))
      return { data, next: null, isPartial: false, searched }
    after = last
    rowsRead += pageRows
    maxBytes -= bytes
    if (isCut || rowsRead >= MAX_SCANNED || maxBytes <= 0)
      return { data, next: after, isPartial: true, searched }
    // the narrowed rows mostly fit; where they do not, a text decides
    pageRows = Math.min(2 * pageRows, SCANNED_AT_ONCE, MAX_SCANNED - rowsRead)
  }
}

/** Number in the store of records that a lora answered. */
export const BY_LORA = SEARCH_OUTCOMES.indexOf('answered')

export interface DrawnPlaces {
  every: number
  /** ascending, from 0 */
  places: number[]
}

/**
 * One random place of each `every` neighbours. Not the same one of each: in traffic that repeats itself every so
 * many requests, as a job with a list of questions does, all would be of one kind.
 * @param count records that fit the query
 */
export const drawPlaces = (
  count: number,
  { limit, seed }: Pick<SpreadQuery, 'limit' | 'seed'>
): DrawnPlaces => {
  const every = Math.max(1, Math.ceil(count / limit))
  return { every, places: drawOfEach(count, every, seededRandom(seed)) }
}
