/**
 * Forgetting: deletes records with all that was written of them, in many short transactions so that appends run in
 * between. A dictionary that was the body of a deleted record is retired with it: no append uses it any more. The bodies
 * that are differences to it are then stored anew, and it is deleted. A call that was interrupted between is finished
 * by the next one.
 */
import { nonEmpty } from '../../../core/lists.ts'
import { wantedNumbers } from '../../../core/log/record-filter.ts'
import {
  compileSelection,
  type CompiledSelection,
  type Selection,
} from '../../../core/log/selection.ts'
import { AppError } from '../../../errors.ts'
import { feedbackRevision } from '../../log/audits.ts'
import { inChunks } from '../../log/chunks.ts'
import { Dictionaries } from '../../log/dictionaries.ts'
import {
  headedOf,
  LOG_COLUMNS,
  RECORDS_AT_ONCE,
  type Headed,
  type LogRow,
} from '../../log/read-page.ts'
import type { RecordStore, SelectedRecords } from '../../store.ts'
import type { CommonConnection, Sql } from '../connection.ts'
import { addToRevision, FEEDBACK_LOCK } from '../counters.ts'
import { oneRow } from '../rows.ts'
import { formsOf, insertBodies } from './append.ts'
import { forgetAudits } from './audits.ts'
import { BODY_COLUMNS, bodyDecoder, bodyReader, type BodyRow } from './bodies.ts'

const RECORDS_PER_PAGE = 500
/** Bodies of one transaction that are stored anew. */
const BODIES_PER_PAGE = 200
const KEPT_PER_PAGE = 500

/** @returns the next records that may be selected, in the order of the log */
const nextRows = async (
  sql: Sql,
  { recordIds, tenant }: Selection,
  after: number
): Promise<LogRow[]> => {
  const head = `select ${LOG_COLUMNS} from promptintern.records where sequence > $1`
  const tail = `order by sequence limit ${RECORDS_PER_PAGE}`
  if (recordIds !== undefined) {
    const found: LogRow[] = []
    for (const ids of inChunks(recordIds))
      found.push(
        ...(await sql<LogRow>(`${head} and id = any($2::text[]) ${tail}`, [after, ids])).rows
      )
    return found.sort((one, other) => one.sequence - other.sequence).slice(0, RECORDS_PER_PAGE)
  }
  if (tenant === undefined) return (await sql<LogRow>(`${head} ${tail}`, [after])).rows
  const [[, number]] = nonEmpty(wantedNumbers({ tenant }))
  return (await sql<LogRow>(`${head} and tenant_number = $2 ${tail}`, [after, number])).rows
}

const selectedOf = async (
  sql: Sql,
  rows: LogRow[],
  { fitsHead, readsBody, fitsBody }: CompiledSelection
): Promise<Headed[]> => {
  const candidates = rows.map(headedOf).filter(fitsHead)
  if (!readsBody) return candidates
  const readBodies = bodyReader(sql)
  const selected: Headed[] = []
  for (const some of inChunks(candidates, RECORDS_AT_ONCE)) {
    const bodies = await readBodies(some.map(({ sequence }) => sequence))
    const requestOf = ({ sequence }: Headed): string | null =>
      bodies.get(sequence)?.request?.toString('utf8') ?? null
    selected.push(...some.filter((record) => fitsBody(requestOf(record))))
  }
  return selected
}

export const select = (
  { readSql }: CommonConnection,
  selection: Selection,
  after: number
): Promise<SelectedRecords> =>
  readSql(async (sql) => {
    const rows = await nextRows(sql, selection, after)
    const selected = await selectedOf(sql, rows, compileSelection(selection))
    return {
      ids: selected.map(({ id }) => id),
      templateVersions: [
        ...new Set(selected.flatMap(({ templateVersion }) => templateVersion ?? [])),
      ],
      next: rows.at(-1)?.sequence ?? null,
    }
  })

/** Deletes feedback, and tells those who have counted it. @param condition of the rows */
export const deleteFeedback = async (
  sql: Sql,
  condition: string,
  value: number | string[]
): Promise<void> => {
  const { rows } = await sql<{ lora: string | null }>(
    `delete from promptintern.feedback where ${condition} returning lora`,
    [value]
  )
  // in one order, so that two transactions do not wait for each other
  for (const lora of [...new Set(rows.map((row) => row.lora))].toSorted())
    if (lora !== null) await addToRevision(sql, feedbackRevision(lora), 1)
}

/** A body that is its dictionary's. */
const OWN = `select request_dictionary as id from promptintern.bodies
    where sequence = any($1::bigint[]) and length(request) = 0
  union select response_dictionary from promptintern.bodies
    where sequence = any($1::bigint[]) and length(response) = 0`

/** @returns how many bodies were deleted */
const removeRecords = async (sql: Sql, records: Headed[]): Promise<number> => {
  const sequences = records.map(({ sequence }) => sequence)
  const ids = records.map(({ id }) => id)
  // feedback that is given now is deleted, or finds no record
  await addToRevision(sql, FEEDBACK_LOCK, 0)
  const { rows } = await sql<{ bodies: number }>(
    `select count(request) + count(response) as bodies from promptintern.bodies
      where sequence = any($1::bigint[])`,
    [sequences]
  )
  await sql(`update promptintern.dictionaries set is_retired = true where id in (${OWN})`, [
    sequences,
  ])
  await sql('delete from promptintern.bodies where sequence = any($1::bigint[])', [sequences])
  await sql('delete from promptintern.records where sequence = any($1::bigint[])', [sequences])
  await sql('delete from promptintern.evaluations where record_id = any($1::text[])', [ids])
  await deleteFeedback(sql, 'record_id = any($1::text[])', ids)
  await forgetAudits(sql, ids)
  return oneRow(rows).bodies
}

/** Forgets those that are selected, also without a record: the log drops records when it is overloaded. */
const forgetKeptResponses = async (
  sql: Sql,
  { fitsHead, fitsBody }: CompiledSelection
): Promise<void> => {
  for (let after = ''; ;) {
    const { rows } = await sql<{ id: string; tenant: string; request: Buffer }>(
      `select id, tenant, request from promptintern.kept_responses
        where id > $1 order by id limit ${KEPT_PER_PAGE}`,
      [after]
    )
    const selected = rows.filter(
      ({ id, tenant, request }) => fitsHead({ id, tenant }) && fitsBody(request.toString('utf8'))
    )
    await sql('delete from promptintern.kept_responses where id = any($1::text[])', [
      selected.map(({ id }) => id),
    ])
    const last = rows[KEPT_PER_PAGE - 1]
    if (last === undefined) return
    after = last.id
  }
}

type Write = CommonConnection['writeSql']

/**
 * Makes this the only forgetting: one of two could delete a body that the other has just given to a record.
 * @returns `writeSql` that throws `conflict` as soon as another forgetting has begun
 */
const claimForgetting = async ({ writeSql }: CommonConnection): Promise<Write> => {
  const claim = await writeSql((sql) => addToRevision(sql, 'forget', 1))
  return (work) =>
    writeSql(async (sql) => {
      const { rows } = await sql<{ value: number }>(
        `select value from promptintern.revisions where name = 'forget' for update`
      )
      if (oneRow(rows).value !== claim)
        throw new AppError('conflict', 'a newer forget request has started and continues this work')
      return work(sql)
    })
}

interface Retired {
  id: number
  day: number
}

const DEPENDANTS = `select ${BODY_COLUMNS} from promptintern.bodies
  where day = $1 and sequence > $2
    and (request_dictionary = any($3::bigint[]) or response_dictionary = any($3::bigint[]))
  order by sequence limit ${BODIES_PER_PAGE}`

/** Stores bodies of a day anew. @returns the last of them; null when none is left */
const storeAnew = async (
  sql: Sql,
  { day, ids, after }: { day: number; ids: number[]; after: number },
  dictionaries: Dictionaries
): Promise<number | null> => {
  const { rows } = await sql<BodyRow>(DEPENDANTS, [day, after, ids])
  const decode = bodyDecoder()
  for (const some of inChunks(rows, RECORDS_AT_ONCE)) {
    const sequences = some.map(({ sequence }) => sequence)
    const heads = await sql<LogRow>(
      `select ${LOG_COLUMNS} from promptintern.records where sequence = any($1::bigint[])`,
      [sequences]
    )
    const tenants = new Map(heads.rows.map((row) => [row.sequence, headedOf(row).tenant] as const))
    const bodies = await decode(sql, some)
    const placed = some.map(({ sequence }, place) => ({
      sequence,
      day,
      ...formsOf(dictionaries, { tenant: tenants.get(sequence) ?? '', day }, bodies[place]!),
    }))
    await sql('delete from promptintern.bodies where sequence = any($1::bigint[])', [sequences])
    await insertBodies(sql, placed)
  }
  return rows.at(-1)?.sequence ?? null
}

/** Deletes the retired dictionaries, day by day. */
const sweep = async ({ readSql }: CommonConnection, write: Write): Promise<void> => {
  const { rows } = await readSql((sql) =>
    sql<Retired>('select id, day from promptintern.dictionaries where is_retired')
  )
  for (const day of new Set(rows.map((row) => row.day))) {
    const ids = rows.filter((row) => row.day === day).map(({ id }) => id)
    // of the new forms; those of this process may be in use by an append
    const dictionaries = new Dictionaries()
    const storeBehind = (after: number): Promise<number | null> =>
      write((sql) => storeAnew(sql, { day, ids, after }, dictionaries))
    for (let last: number | null = -1; last !== null;) last = await storeBehind(last)
    for (const some of inChunks(ids))
      await write((sql) =>
        sql('delete from promptintern.dictionaries where id = any($1::bigint[])', [some])
      )
  }
}

/** @param dictionaries of this process, which has copies of bodies */
export const forget = async (
  connection: CommonConnection,
  dictionaries: Dictionaries,
  selection: Selection
): ReturnType<RecordStore['forget']> => {
  const write = await claimForgetting(connection)
  const compiled = compileSelection(selection)
  const sum = { records: 0, bodies: 0 }
  dictionaries.clear()
  for (let after = -1; ;) {
    const { records, bodies, last } = await write(async (sql) => {
      const rows = await nextRows(sql, selection, after)
      const selected = await selectedOf(sql, rows, compiled)
      return {
        records: selected.length,
        bodies: selected.length === 0 ? 0 : await removeRecords(sql, selected),
        last: rows.at(-1)?.sequence,
      }
    })
    sum.records += records
    sum.bodies += bodies
    if (last === undefined) break
    after = last
  }
  await write((sql) => forgetKeptResponses(sql, compiled))
  await sweep(connection, write)
  return sum
}
