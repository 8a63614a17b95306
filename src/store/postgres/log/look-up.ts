/** Look-up rows of records by id: the days are searched in groups, the newest first. */
import type { Database } from '../base/database.ts'
import type { records } from '../base/schema.ts'
import { inChunks } from '../../log/chunks.ts'
import { groupedByDays, inGroups, readDays, type Day } from './days.ts'

export type RecordRow = Pick<
  typeof records.$inferSelect,
  'day' | 'id' | 'sequence' | 'at' | 'answered' | 'outcome' | 'templateVersion'
>

const COLUMNS = 'day, id, sequence, at, answered, outcome, template_version as "templateVersion"'

interface LookUp {
  ids: string[]
  /** keeps the rows as they are until the transaction ends */
  lock?: 'for update' | 'for key share'
}

const findIn = async (
  { $client }: Pick<Database, '$client'>,
  groups: number[][],
  { ids, lock = undefined }: LookUp
): Promise<RecordRow[]> => {
  const found: RecordRow[] = []
  let left = ids
  for (const group of groups) {
    if (left.length === 0) break
    const { rows } = await $client.query<RecordRow>(
      `select ${COLUMNS} from promptintern.records
        where day = any($1::int[]) and id = any($2::text[]) ${lock ?? ''}`,
      [group, left]
    )
    found.push(...rows)
    const seen = new Set(rows.map(({ id }) => id))
    left = left.filter((id) => !seen.has(id))
  }
  return found
}

/** @param known days @returns the rows that exist, in any order */
export const findRows = async (
  db: Pick<Database, '$client'>,
  known: Day[],
  { ids, ...options }: LookUp
): Promise<RecordRow[]> => {
  const groups = inGroups(known)
  const found: RecordRow[] = []
  for (const chunk of inChunks([...new Set(ids)]))
    found.push(...(await findIn(db, groups, { ids: chunk, ...options })))
  return found
}

/** @returns the row of the record; null when it is not in the log */
export const findRow = async (
  db: Database,
  id: string,
  lock?: LookUp['lock']
): Promise<RecordRow | null> => {
  const rows = await findRows(db, await readDays(db), { ids: [id], ...(lock && { lock }) })
  return rows[0] ?? null
}

/** Template versions of records that have one, by id. @param placed the records and their days */
export const versionsOf = async (
  { $client }: Database,
  placed: { id: string | null; day: number }[]
): Promise<Map<string, string>> => {
  const wanted = placed.filter(({ id }) => id !== null)
  const found = new Map<string, string>()
  for (const { days, ids } of groupedByDays(wanted, wanted.length)) {
    const { rows } = await $client.query<{ id: string; version: string }>(
      `select id, template_version as version from promptintern.records
        where day = any($1::int[]) and id = any($2::text[]) and template_version is not null`,
      [days, ids]
    )
    for (const { id, version } of rows) found.set(id, version)
  }
  return found
}
