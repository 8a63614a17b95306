/** Audited requests in the log: each waits for the lora's answer, until it is forgotten. */
import type { RecordHead } from '../../../core/log/record.ts'
import { AUDIT } from '../../../core/rollout/pair.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'

/** Changes with every rating. */
export const PAIRS_REVISION = 'pairs'

/** Of one lora; a row takes some 200 bytes. */
const MAX_WAITING_AUDITS = 10_000

/** Counter of the audits that were dropped because too many waited. */
export const droppedName = (lora: string): string => `audits-dropped:${lora}`

/** As many of the requests as there is room for. The others are counted. */
const INSERT = `insert or ignore into pairs (record_id, lora, at)
  select json_extract(value, '$[0]'), ?1, json_extract(value, '$[1]') from json_each(?2)
  limit max(0, ${MAX_WAITING_AUDITS} -
    (select count(*) from pairs where lora = ?1 and outcome is null))`

const COUNT_DROPPED = `insert into revisions (name, value) values (?, ?)
  on conflict (name) do update set value = value + excluded.value`

/** Adds the audited ones of new records. */
export const addAudits = async (
  tx: SqlTransaction,
  heads: readonly RecordHead[]
): Promise<void> => {
  const byLora = new Map<string, [id: string, at: number][]>()
  for (const { id, at, route } of heads) {
    if (route?.reason !== AUDIT) continue
    const audits = byLora.get(route.lora) ?? []
    audits.push([id, at])
    byLora.set(route.lora, audits)
  }
  for (const [lora, audits] of byLora) {
    const { rowsAffected } = await tx.execute({ sql: INSERT, args: [lora, JSON.stringify(audits)] })
    const dropped = audits.length - rowsAffected
    if (dropped > 0) await tx.execute({ sql: COUNT_DROPPED, args: [droppedName(lora), dropped] })
  }
}

/** What a pair says of the loss stays; the texts, and the digest of texts, go. */
const FORGET_JUDGED = `update pairs set record_id = null, conversation = 'forgotten ' || place, answer = '',
  upstream_answer = iif(upstream_answer is null, null, '')
  where outcome is not null and record_id in`

export const forgetAudits = async (tx: SqlTransaction, recordIds: string[]): Promise<void> => {
  await executeIn(tx, 'delete from pairs where outcome is null and record_id in', recordIds)
  await executeIn(tx, FORGET_JUDGED, recordIds)
}

/** Deletes the answers of pairs whose record has lost its bodies; their figures stay. */
export const blankPairAnswers = async (tx: SqlTransaction, before: number): Promise<void> => {
  await tx.execute({
    sql: `update pairs set answer = '', upstream_answer = iif(upstream_answer is null, null, '')
      where (answer <> '' or upstream_answer <> '') and not exists
        (select 1 from records where records.id = pairs.record_id and records.at >= ?)`,
    args: [before],
  })
}
