/**
 * Copies the model day to another day: the same rows as if the store had written the same exchanges then, in a
 * tenth of the time. Ids, times, sequences and references are the new day's; all else is copied within the server.
 * `test/store/large-log.long.test.ts` compares with what the store writes.
 */
import { DAY_MS } from '../../../../src/core/days.ts'
import { SEARCH_OUTCOMES } from '../../../../src/core/log/record-filter.ts'
import type { CommonConnection, Sql } from '../../../../src/store/common/connection.ts'
import { addTotals, addTraffic } from '../../../../src/store/common/counters.ts'
import { addAudits } from '../../../../src/store/common/log/audits.ts'
import { oneRow } from '../../../../src/store/common/rows.ts'
import { totalsOf, totalsOfTags } from '../../../../src/store/log/counts.ts'
import { headedOf, LOG_COLUMNS, type Headed } from '../../../../src/store/log/read-page.ts'
import { TIME_CHARS } from './exchanges.ts'
import type { ModelDay } from './model-day.ts'

/** Neighbours that are copied together, so that turns of a conversation are. */
const GROUP = 24

/** Of the model day: $1, its first sequence: $2, one of so many groups: $3. */
const IS_COPIED = `model.day = $1 and (model.sequence - $2) / ${GROUP} % $3 = 0`

const COPY_DICTIONARIES = `insert into promptintern.dictionaries (id, day, data)
  overriding system value
  select id + $3, $2, data from promptintern.dictionaries where day = $1`

const SET_DICTIONARY_ID = `select setval(pg_get_serial_sequence('promptintern.dictionaries', 'id'),
  (select max(id) from promptintern.dictionaries))`

const HEX_TIME = `lpad(to_hex(model.at + $5::bigint), 12, '0')`

/** As `idAt` makes them. */
const NEW_ID = `left(${HEX_TIME}, 8) || '-' || right(${HEX_TIME}, 4) || '-' || substr(model.id, ${TIME_CHARS + 1})`

const COPY_RECORDS = `insert into promptintern.records
    (sequence, id, day, at, template_version, tenant_number, outcome, status_class, opening, head)
  select model.sequence + $4, ${NEW_ID}, model.day + ($5::bigint / ${DAY_MS})::int,
    model.at + $5::bigint,
    case when template_version = any($6::text[]) then null else template_version end,
    tenant_number, outcome, status_class, opening, head
  from promptintern.records as model where ${IS_COPIED}
  returning ${LOG_COLUMNS}`

const COPY_BODIES = `insert into promptintern.bodies
    (sequence, day, request_dictionary, request, response_dictionary, response)
  select model.sequence + $4, $5, request_dictionary + $6, request, response_dictionary + $6, response
  from promptintern.bodies as model where ${IS_COPIED}`

const NO_ROUTE = SEARCH_OUTCOMES.indexOf('none')

/** What the worker counts when it has tagged them. */
const tagTotals = async (sql: Sql, records: Headed[]): Promise<void> => {
  const byVersion = new Map<string, { at: number; was: null; outcome: number }[]>()
  for (const { at, route, templateVersion } of records) {
    if (route !== null || templateVersion === null) continue
    const others = byVersion.get(templateVersion) ?? []
    others.push({ at, was: null, outcome: NO_ROUTE })
    byVersion.set(templateVersion, others)
  }
  for (const [version, tagged] of byVersion) await addTotals(sql, totalsOfTags(tagged, version))
}

export interface CopyOptions {
  model: ModelDay
  day: number
  /** copies one of so many groups of records */
  step: number
  /** template versions that the new day does not have */
  ended: readonly string[]
}

/** @returns how many records were copied */
export const copyDay = (
  { writeSql }: CommonConnection,
  { model, day, step, ended }: CopyOptions
): Promise<number> =>
  writeSql(async (sql) => {
    const ends = await sql<{ sequence: number; dictionary: number }>(
      `select (select sequence from promptintern.log_end) as sequence,
        (select max(id) from promptintern.dictionaries) as dictionary`
    )
    const { sequence, dictionary } = oneRow(ends.rows)
    const offset = sequence + 1 - model.first
    const ids = dictionary + 1 - model.firstDictionary
    const chosen = [model.day, model.first, step] as const
    await sql(COPY_DICTIONARIES, [model.day, day, ids])
    await sql(SET_DICTIONARY_ID)
    const { rows } = await sql<Parameters<typeof headedOf>[0]>(COPY_RECORDS, [
      ...chosen,
      offset,
      (day - model.day) * DAY_MS,
      ended,
    ])
    await sql(COPY_BODIES, [...chosen, offset, day, ids])
    await sql(
      'update promptintern.log_end set sequence = (select max(sequence) from promptintern.records)'
    )
    // in the order of the log, as the store adds them
    const records = rows.map(headedOf).sort((one, other) => one.sequence - other.sequence)
    const counted = records.map(({ usage, ...head }) => ({ head, usage }))
    await addTotals(sql, totalsOf(records))
    await tagTotals(sql, records)
    await addTraffic(sql, counted)
    await addAudits(sql, records)
    return records.length
  })
