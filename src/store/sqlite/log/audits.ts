/** Audited requests in the log: each waits for the lora's answer, until it is forgotten. */
import type { RecordHead } from '../../../core/log/record.ts'
import { auditsByLora, droppedName, MAX_WAITING_AUDITS } from '../../log/audits.ts'
import { addToRevision } from '../base/counters.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'

/** As many of the requests as there is room for. The others are counted. */
const INSERT = `insert or ignore into pairs (record_id, lora, at, drawn)
  select json_extract(value, '$[0]'), ?1, json_extract(value, '$[1]'), json_extract(value, '$[2]')
  from json_each(?2)
  limit max(0, ${MAX_WAITING_AUDITS} -
    (select count(*) from pairs where lora = ?1 and outcome is null))`

/** Adds the audited ones of new records. */
export const addAudits = async (
  tx: SqlTransaction,
  heads: readonly RecordHead[]
): Promise<void> => {
  for (const [lora, audits] of auditsByLora(heads)) {
    const rows = JSON.stringify(audits.map(({ id, at, drawn }) => [id, at, drawn]))
    const { rowsAffected } = await tx.execute({ sql: INSERT, args: [lora, rows] })
    const dropped = audits.length - rowsAffected
    if (dropped > 0) await addToRevision(tx, droppedName(lora), dropped)
  }
}

/** Those of several turns; a request that is a conversation of its own has the id of its record as key. */
const CONVERSATIONS = `select distinct lora, conversation from pairs
  where outcome is not null and conversation <> record_id and record_id in`

/**
 * The key of a conversation is a digest of its first texts. All of its turns get the same other key, because
 * turns with keys of their own would count as several conversations.
 */
const RENAME = `with forgotten as materialized (
    select json_extract(value, '$[0]') as lora, json_extract(value, '$[1]') as conversation
    from json_each(?1)
  ), renamed as materialized (
    select lora, conversation, min(place) as first from pairs
    where (lora, conversation) in (select lora, conversation from forgotten)
    group by lora, conversation
  )
  update pairs set conversation = (
    select 'forgotten ' || first from renamed
    where renamed.lora = pairs.lora and renamed.conversation = pairs.conversation
  )
  where (lora, conversation) in (select lora, conversation from renamed)`

/** What a pair says of the loss stays, and its texts go. */
const FORGET_JUDGED = `update pairs set record_id = null, answer = '', parts = '[]',
  conversation = iif(conversation = record_id, 'forgotten ' || place, conversation),
  upstream_answer = iif(upstream_answer is null, null, '')
  where outcome is not null and record_id in`

export const forgetAudits = async (tx: SqlTransaction, recordIds: string[]): Promise<void> => {
  await executeIn(tx, 'delete from pairs where outcome is null and record_id in', recordIds)
  const rows = await executeIn(tx, CONVERSATIONS, recordIds)
  // reads all pairs of their loras
  if (rows.length > 0) {
    const keys = rows.map(({ lora, conversation }) => [lora, conversation])
    await tx.execute({ sql: RENAME, args: [JSON.stringify(keys)] })
  }
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

const IS_NOT_LIVE = `lora not in (select json_extract(route, '$.lora') from routes)`

/**
 * Deletes the pairs of loras that are not live any more, and requests that wait for such a lora and have
 * lost their bodies. Pairs of a live route are its evidence, however old.
 */
export const prunePairs = async (
  tx: SqlTransaction,
  { bodies, records }: { bodies: number; records: number }
): Promise<void> => {
  await tx.execute({
    sql: `delete from pairs where (at < ? or (outcome is null and at < ?)) and ${IS_NOT_LIVE}`,
    args: [records, bodies],
  })
}
