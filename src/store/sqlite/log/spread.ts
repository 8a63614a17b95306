/** Ids of a template's records that are drawn evenly over the log. Reads look-up rows alone. */
import { BY_LORA, drawPlaces } from '../../log/search.ts'
import type { SpreadQuery, SpreadRecords } from '../../store.ts'
import type { Connection } from '../base/database.ts'
import type { SqlRunner } from '../base/statements.ts'

/** records of one read, so that appends run in between */
const PICKED_AT_ONCE = 100

const FITTING = `from records indexed by records_template
  where template_version = ? and at between ? and ?
    and coalesce(outcome, -1) <> ${BY_LORA} and coalesce(status_class, 2) = 2`

const COUNT = `select count(*) as fitting ${FITTING}`

/** Skips rows of the index, which is several times as fast as to number them. */
const PICK = `select sequence, id ${FITTING} and sequence > ? order by sequence limit 1 offset ?`

interface Picked {
  sequence: number
  id: string
}

/** Reads the look-up rows twice: they are counted, then one of every so many is taken. */
export const spread = async ({ read }: Connection, query: SpreadQuery): Promise<SpreadRecords> => {
  const { templateVersion, from, until } = query
  const args = [templateVersion, Math.ceil(from), Math.floor(until)]
  const counted = await read(({ $client }) => $client.execute({ sql: COUNT, args }))
  const { every, places } = drawPlaces(Number(counted.rows[0]!['fitting']), query)
  const picked: Picked[] = []
  const pickNext = async ($client: SqlRunner, last: Picked | undefined): Promise<Picked | null> => {
    const place = places[picked.length]! - (places[picked.length - 1] ?? -1) - 1
    const after = [last?.sequence ?? -1, place]
    const { rows } = await $client.execute({ sql: PICK, args: [...args, ...after] })
    const [row] = rows
    return row === undefined ? null : { sequence: Number(row['sequence']), id: String(row['id']) }
  }
  const pickSome = async ($client: SqlRunner): Promise<boolean> => {
    const most = Math.min(places.length, picked.length + PICKED_AT_ONCE)
    while (picked.length < most) {
      const next = await pickNext($client, picked.at(-1))
      if (next === null) return false
      picked.push(next)
    }
    return picked.length < places.length
  }
  while (await read(({ $client }) => pickSome($client)));
  return { ids: picked.map(({ id }) => id), every }
}
