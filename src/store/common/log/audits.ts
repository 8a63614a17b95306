/** Audited requests in the log: each waits for the lora's answer, until it is forgotten. */
import type { RecordHead } from '../../../core/log/record.ts'
import { auditsByLora, droppedName, MAX_WAITING_AUDITS } from '../../log/audits.ts'
import type { Sql } from '../connection.ts'
import { addToRevision } from '../counters.ts'
import { insertRows, oneRow } from '../rows.ts'

/**
 * Adds the audited ones of new records, as many as there is room for. The others are counted. The caller holds the
 * log's end, so places follow the log.
 */
export const addAudits = async (sql: Sql, heads: readonly RecordHead[]): Promise<void> => {
  for (const [lora, audits] of auditsByLora(heads)) {
    const { rows } = await sql<{ waiting: number }>(
      'select count(*) as waiting from promptintern.pairs where lora = $1 and outcome is null',
      [lora]
    )
    const room = Math.max(0, MAX_WAITING_AUDITS - oneRow(rows).waiting)
    const added = await insertRows(
      sql,
      'insert into promptintern.pairs (record_id, lora, at, drawn)',
      audits.slice(0, room).map(({ id, at, drawn }) => [id, lora, Math.floor(at), drawn]),
      'on conflict (record_id) do nothing'
    )
    const dropped = audits.length - added
    if (dropped > 0) await addToRevision(sql, droppedName(lora), dropped)
  }
}

/** Those of several turns; a request that is a conversation of its own has the id of its record as key. */
const CONVERSATIONS = `select lora, conversation from promptintern.pairs
  where outcome is not null and conversation <> record_id and record_id = any($1::text[])`

/**
 * The key of a conversation is a digest of its first texts. All of its turns get the same other key, because
 * turns with keys of their own would count as several conversations.
 */
const RENAME = `with renamed as materialized (
    select lora, conversation, min(place) as first from promptintern.pairs
    where (lora, conversation) in (${CONVERSATIONS})
    group by lora, conversation
  )
  update promptintern.pairs set conversation = 'forgotten ' || renamed.first
  from renamed
  where renamed.lora = pairs.lora and renamed.conversation = pairs.conversation`

/** What a pair says of the loss stays, and its texts go. */
const FORGET_JUDGED = `update promptintern.pairs set record_id = null, answer = '', parts = '[]',
  conversation = case when conversation = record_id then 'forgotten ' || place else conversation end,
  upstream_answer = case when upstream_answer is null then null else '' end
  where outcome is not null and record_id = any($1::text[])`

export const forgetAudits = async (sql: Sql, recordIds: string[]): Promise<void> => {
  await sql(
    'delete from promptintern.pairs where outcome is null and record_id = any($1::text[])',
    [recordIds]
  )
  const { rows } = await sql(`${CONVERSATIONS} limit 1`, [recordIds])
  // reads all pairs of their loras
  if (rows.length > 0) await sql(RENAME, [recordIds])
  await sql(FORGET_JUDGED, [recordIds])
}

/**
 * Deletes the pairs of loras that are not live any more, and requests that wait for such a lora and have
 * lost their bodies. Pairs of a live route are its evidence, however old.
 * @param before milliseconds since the epoch
 */
export const prunePairs = async (
  sql: Sql,
  { bodies, records }: { bodies: number; records: number }
): Promise<void> => {
  await sql(
    `delete from promptintern.pairs where (at < $1 or (outcome is null and at < $2))
      and lora not in (select lora from promptintern.routes)`,
    [records, bodies]
  )
}
