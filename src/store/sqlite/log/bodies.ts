/** The bodies table's way out: ids in, whole texts out, and what no record needs any more deleted. */
import { decodeDifference, decodeWhole } from './body-codec.ts'
import type { StoredText } from './segment-codec.ts'
import { executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'

/** @returns body id → text */
export const readWholes = async (
  runner: SqlRunner,
  ids: number[]
): Promise<Map<number, Buffer>> => {
  const rows = await executeIn(runner, 'select id, data from bodies where id in', [...new Set(ids)])
  return new Map(
    rows.map(({ id, data }) => [id as number, decodeWhole(Buffer.from(data as ArrayBuffer))])
  )
}

/** @param wholes at least those that the text refers to @returns null when its whole text is gone */
export const bytesOf = (text: StoredText, wholes: Map<number, Buffer>): Buffer | null => {
  const whole = wholes.get(text.body)
  if (whole === undefined) return null
  return text.difference === null ? whole : decodeDifference(text.difference, whole)
}

/** As above, of a text that a record may have lost. */
export const textOf = (text: StoredText | null, wholes: Map<number, Buffer>): string | null =>
  (text && bytesOf(text, wholes))?.toString('utf8') ?? null

/** @param before time of the oldest record that still has bodies @returns how many, at most `limit` */
export const deleteUnneeded = async (
  tx: SqlTransaction,
  before: number,
  limit: number
): Promise<number> => {
  const { rowsAffected } = await tx.execute({
    sql: 'delete from bodies where id in (select id from bodies where newest_at < ? limit ?)',
    args: [before, limit],
  })
  return rowsAffected
}
