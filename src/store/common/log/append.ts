/**
 * Writes records to the log: a row each, and one of its bodies. This runs for every request, so it uses few statements
 * and not the query builder. What needs no order comes first; from the log's end on, other proxies wait.
 */
import { dayOf } from '../../../core/days.ts'
import { lookUpNumbers } from '../../../core/log/record-filter.ts'
import { totalsOf } from '../../log/counts.ts'
import type { Dictionaries, Dictionary, Form } from '../../log/dictionaries.ts'
import { headText } from '../../log/read-page.ts'
import type { RecordBytes } from '../../log/record-bytes.ts'
import type { CommonConnection, Sql, SqlValue } from '../connection.ts'
import { addTotals, addTraffic } from '../counters.ts'
import { insertRows, oneRow } from '../rows.ts'
import { addAudits } from './audits.ts'

/** How the bodies of a record are stored; null: it has none. */
export interface Forms {
  request: Form | null
  response: Form | null
}

interface Scope {
  tenant: string
  day: number
}

/** A body is a difference to bodies of its own day only, so that retention can delete the day. */
export const formsOf = (
  dictionaries: Dictionaries,
  { tenant, day }: Scope,
  { request, response }: { request: Buffer | null; response: Buffer | null }
): Forms => ({
  request: request && dictionaries.encode(`${day} ${tenant} request`, request),
  response: response && dictionaries.encode(`${day} ${tenant} response`, response),
})

interface Added extends Forms {
  record: RecordBytes
  day: number
}

const encoded = (dictionaries: Dictionaries, records: readonly RecordBytes[]): Added[] =>
  records.map((record) => {
    const { tenant, at } = record.head
    const day = dayOf(at)
    return { record, day, ...formsOf(dictionaries, { tenant, day }, record) }
  })

/** @returns each with the day of its bodies */
const dictionariesIn = (forms: readonly (Forms & { day: number })[]): Map<Dictionary, number> => {
  const days = new Map<Dictionary, number>()
  for (const { request, response, day } of forms)
    for (const dictionary of [request?.dictionary, response?.dictionary])
      if (dictionary) days.set(dictionary, day)
  return days
}

/** A forgetting waits until the transaction ends, so no body refers to what it deletes. */
const areKnown = async (sql: Sql, added: readonly Added[]): Promise<boolean> => {
  const ids = [...dictionariesIn(added).keys()].flatMap(({ id }) => id ?? [])
  if (ids.length === 0) return true
  const { rows } = await sql<{ known: number }>(
    `select count(*) as known from (select id from promptintern.dictionaries
      where id = any($1::bigint[]) and not is_retired order by id for share) as kept`,
    [ids]
  )
  return oneRow(rows).known === ids.length
}

const INSERT_DICTIONARY = `insert into promptintern.dictionaries (day, data) values ($1, $2) returning id`

const insertDictionaries = async (sql: Sql, forms: readonly (Forms & { day: number })[]) => {
  for (const [dictionary, day] of dictionariesIn(forms)) {
    if (dictionary.id !== null) continue
    const { rows } = await sql<{ id: number }>(INSERT_DICTIONARY, [day, dictionary.data])
    dictionary.id = oneRow(rows).id
    dictionary.data = null
  }
}

const INSERT_BODIES = `insert into promptintern.bodies
  (sequence, day, request_dictionary, request, response_dictionary, response)`

/** @param placed with the sequences of their records; none has only bodies that are null */
export const insertBodies = async (
  sql: Sql,
  placed: readonly (Forms & { sequence: number; day: number })[]
): Promise<void> => {
  await insertDictionaries(sql, placed)
  await insertRows(
    sql,
    INSERT_BODIES,
    placed.map(({ sequence, day, request, response }) => [
      sequence,
      day,
      request?.dictionary?.id ?? null,
      request?.data ?? null,
      response?.dictionary?.id ?? null,
      response?.data ?? null,
    ])
  )
}

const NEXT = `insert into promptintern.log_end as known (id, sequence) values (1, $1)
  on conflict (id) do update set sequence = known.sequence + excluded.sequence returning sequence`

/** Takes the log's end until the transaction is over. @returns the first of so many sequences */
const takeSequences = async (sql: Sql, count: number): Promise<number> => {
  const { rows } = await sql<{ sequence: number }>(NEXT, [count])
  return oneRow(rows).sequence - count + 1
}

const INSERT_RECORDS = `insert into promptintern.records
  (sequence, id, day, at, template_version, tenant_number, outcome, status_class, opening, head)`

const rowOf = ({ record: { head, usage, request }, day }: Added, sequence: number): SqlValue[] => {
  const { tenantNumber, outcome, statusClass, opening } = lookUpNumbers(head, request)
  const version = head.route?.templateVersion ?? null
  const numbers = [tenantNumber, outcome, statusClass, opening]
  const text = headText(head, usage)
  return [sequence, head.id, day, Math.floor(head.at), version, ...numbers, text]
}

/** @returns places of the records whose id was neither in the log nor earlier in the list */
const insertRecords = async (
  sql: Sql,
  first: number,
  added: readonly Added[]
): Promise<Set<number>> => {
  const rows = added.map((each, place) => rowOf(each, first + place))
  const inserted = await insertRows(sql, INSERT_RECORDS, rows, 'on conflict (id) do nothing')
  if (inserted === added.length) return new Set(added.keys())
  const known = await sql<{ sequence: number }>(
    'select sequence from promptintern.records where sequence >= $1',
    [first]
  )
  return new Set(known.rows.map(({ sequence }) => sequence - first))
}

const append = async (
  sql: Sql,
  dictionaries: Dictionaries,
  records: RecordBytes[]
): Promise<RecordBytes[]> => {
  let added = encoded(dictionaries, records)
  if (!(await areKnown(sql, added))) {
    // rolled back, pruned or forgotten since: a deleted body must not come back from memory
    dictionaries.clear()
    added = encoded(dictionaries, records)
  }
  const first = await takeSequences(sql, added.length)
  const inserted = await insertRecords(sql, first, added)
  let placed = added.map((each, place) => ({ ...each, sequence: first + place }))
  if (inserted.size < added.length) {
    // of a record that was there before, no dictionary may be made
    dictionaries.clear()
    const left = placed.filter((_each, place) => inserted.has(place))
    const anew = encoded(
      dictionaries,
      left.map(({ record }) => record)
    )
    placed = anew.map((each, place) => ({ ...each, sequence: left[place]!.sequence }))
  }
  await insertBodies(sql, placed)
  const written = placed.map(({ record }) => record)
  const heads = written.map(({ head }) => head)
  await addTotals(sql, totalsOf(heads))
  await addTraffic(sql, written)
  await addAudits(sql, heads)
  return written
}

/** @returns writes records in one transaction, and returns those that were not in the log */
export const recordWriter =
  ({ writeSql }: Pick<CommonConnection, 'writeSql'>, dictionaries: Dictionaries) =>
  async (records: RecordBytes[]): Promise<RecordBytes[]> => {
    try {
      return await writeSql((sql) => append(sql, dictionaries, records))
    } catch (error) {
      // those that it made are in no row
      dictionaries.clear()
      throw error
    }
  }
