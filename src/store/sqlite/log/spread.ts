/** Ids of records of templates that are drawn evenly over the log. Reads look-up rows alone. */
import { BY_LORA, drawPlaces } from '../../log/search.ts'
import type { SpreadQuery, SpreadRecords } from '../../store.ts'
import type { Connection } from '../base/database.ts'
import type { SqlRunner } from '../base/statements.ts'
import { oneRow } from '../../common/rows.ts'

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

/** The fitting records of one version. */
interface Group {
  args: (string | number)[]
  fitting: number
}

const countGroups = ({ read }: Connection, query: SpreadQuery): Promise<Group[]> =>
  Promise.all(
    query.templateVersions.map(async (version) => {
      const args = [version, Math.ceil(query.from), Math.floor(query.until)]
      const { rows } = await read(({ $client }) => $client.execute({ sql: COUNT, args }))
      return { args, fitting: Number(oneRow(rows)['fitting']) }
    })
  )

/** @param places in the group, ascending */
const pick = async ({ read }: Connection, { args }: Group, places: number[]): Promise<Picked[]> => {
  const picked: Picked[] = []
  /** how many rows are between each and the one before it */
  const skipped = places.map((place, at) => place - (places[at - 1] ?? -1) - 1)
  const pickNext = async ($client: SqlRunner, behind: number): Promise<Picked | null> => {
    const after = [picked.at(-1)?.sequence ?? -1, behind]
    const { rows } = await $client.execute({ sql: PICK, args: [...args, ...after] })
    const [row] = rows
    return row === undefined ? null : { sequence: Number(row['sequence']), id: String(row['id']) }
  }
  const pickSome = async ($client: SqlRunner): Promise<boolean> => {
    for (const behind of skipped.slice(picked.length, picked.length + PICKED_AT_ONCE)) {
      const next = await pickNext($client, behind)
      if (next === null) return false
      picked.push(next)
    }
    return picked.length < places.length
  }
  while (await read(({ $client }) => pickSome($client)));
  return picked
}

/** Reads the look-up rows twice: they are counted, then one of every so many is taken. */
export const spread = async (
  connection: Connection,
  query: SpreadQuery
): Promise<SpreadRecords> => {
  const groups = await countGroups(connection, query)
  const { every, places } = drawPlaces(
    groups.reduce((sum, { fitting }) => sum + fitting, 0),
    query
  )
  const picked: Picked[] = []
  let start = 0
  for (const group of groups) {
    const before = start
    const end = before + group.fitting
    const own = places.filter((place) => place >= before && place < end)
    picked.push(
      ...(await pick(
        connection,
        group,
        own.map((place) => place - before)
      ))
    )
    start = end
  }
  const ids = picked.toSorted((a, b) => a.sequence - b.sequence).map(({ id }) => id)
  return { ids, every }
}
