/** Audited requests in the log: each waits for the lora's answer, until it is forgotten. */
import type { RecordHead } from '../../../core/log/record.ts'
import { auditsByLora, droppedName, MAX_WAITING_AUDITS } from '../../log/audits.ts'
import { addToRevision } from '../base/counters.ts'
import type { Transaction } from '../base/database.ts'

/** As many of the requests as there is room for. The others are counted. */
const INSERT = `insert into promptintern.pairs (record_id, lora, at, drawn)
  select id, $1, at, drawn
  from unnest($2::text[], $3::bigint[], $4::float8[]) with ordinality as added(id, at, drawn, place)
  order by place
  limit greatest(0, ${MAX_WAITING_AUDITS} -
    (select count(*) from promptintern.pairs where lora = $1 and outcome is null))
  on conflict (record_id) do nothing`

/** Adds the audited ones of new records. The caller holds the log's end, so places follow the log. */
export const addAudits = async (tx: Transaction, heads: readonly RecordHead[]): Promise<void> => {
  for (const [lora, audits] of auditsByLora(heads)) {
    const { rowCount } = await tx.$client.query(INSERT, [
      lora,
      audits.map(({ id }) => id),
      audits.map(({ at }) => Math.floor(at)),
      audits.map(({ drawn }) => drawn),
    ])
    const dropped = audits.length - rowCount!
    if (dropped > 0) await addToRevision(tx, droppedName(lora), dropped)
  }
}

/** Those of several turns; a request that is a conversation of its own has the id of its record as key. */
const CONVERSATIONS = `select distinct lora, conversation from promptintern.pairs
  where outcome is not null and conversation <> record_id and record_id = any($1::text[])`

/**
 * The key of a conversation is a digest of its first texts. All of its turns get the same other key, because
 * turns with keys of their own would count as several conversations.
 */
const RENAME = `with renamed as materialized (
    select pairs.lora, pairs.conversation, min(place) as first
    from promptintern.pairs
    join unnest($1::text[], $2::text[]) as forgotten(lora, conversation)
      on forgotten.lora = pairs.lora and forgotten.conversation = pairs.conversation
    group by pairs.lora, pairs.conversation
  )
  update promptintern.pairs set conversation = 'forgotten ' || renamed.first
  from renamed
  where renamed.lora = pairs.lora and renamed.conversation = pairs.conversation`

/** What a pair says of the loss stays, and its texts go. */
const FORGET_JUDGED = `update promptintern.pairs set record_id = null, answer = '', parts = '[]',
  conversation = case when conversation = record_id then 'forgotten ' || place else conversation end,
  upstream_answer = case when upstream_answer is null then null else '' end
  where outcome is not null and record_id = any($1::text[])`

export const forgetAudits = async (
  { $client }: Transaction,
  recordIds: string[]
): Promise<void> => {
  await $client.query(
    'delete from promptintern.pairs where outcome is null and record_id = any($1::text[])',
    [recordIds]
  )
  const { rows } = await $client.query<{ lora: string; conversation: string }>(CONVERSATIONS, [
    recordIds,
  ])
  // reads all pairs of their loras
  if (rows.length > 0)
    await $client.query(RENAME, [
      rows.map(({ lora }) => lora),
      rows.map(({ conversation }) => conversation),
    ])
  await $client.query(FORGET_JUDGED, [recordIds])
}

/** Deletes the answers of pairs whose record has lost its bodies; their figures stay. */
export const blankPairAnswers = async ({ $client }: Transaction, before: number): Promise<void> => {
  await $client.query(
    `update promptintern.pairs set answer = '',
      upstream_answer = case when upstream_answer is null then null else '' end
      where at < $1 and (answer <> '' or upstream_answer <> '')`,
    [before]
  )
}

const IS_NOT_LIVE = 'lora not in (select lora from promptintern.routes)'

/**
 * Deletes the pairs of loras that are not live any more, and requests that wait for such a lora and have
 * lost their bodies. Pairs of a live route are its evidence, however old.
 */
export const prunePairs = async (
  { $client }: Transaction,
  { bodies, records }: { bodies: number; records: number }
): Promise<void> => {
  await $client.query(
    `delete from promptintern.pairs
      where (at < $1 or (outcome is null and at < $2)) and ${IS_NOT_LIVE}`,
    [records, bodies]
  )
}
