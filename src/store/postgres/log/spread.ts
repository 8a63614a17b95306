/** Ids of a template's records that are drawn evenly over the log. Reads look-up rows alone. */
import { dayOf } from '../../../core/days.ts'
import { BY_LORA, drawPlaces } from '../../log/search.ts'
import type { SpreadQuery, SpreadRecords } from '../../store.ts'
import type { Connection, Database } from '../base/database.ts'
import { inGroups, readDays } from './days.ts'
import { oneRow } from '../../common/rows.ts'

const FITTING = `from promptintern.records
  where day = any($1::int[]) and template_version = any($2::text[]) and at between $3 and $4
    and coalesce(outcome, -1) <> ${BY_LORA} and coalesce(status_class, 2) = 2`

const COUNT = `select count(*)::int as fitting ${FITTING}`

const PICK = `select id from (
    select id, row_number() over (order by sequence) - 1 as place ${FITTING}
  ) as placed where place = any($5::bigint[]) order by place`

interface Group {
  values: unknown[]
  fitting: number
}

/** Days with records that may fit, oldest group first. */
const countGroups = async (db: Database, query: SpreadQuery): Promise<Group[]> => {
  const { templateVersions, from, until } = query
  const known = (await readDays(db)).filter(
    ({ day, hasBodies }) => hasBodies && day >= dayOf(from) && day <= dayOf(until)
  )
  const groups: Group[] = []
  for (const days of inGroups(known).toReversed()) {
    const values = [days, templateVersions, Math.ceil(from), Math.floor(until)]
    const { rows } = await db.$client.query<{ fitting: number }>(COUNT, values)
    groups.push({ values, fitting: oneRow(rows).fitting })
  }
  return groups
}

/** Reads the look-up rows twice: they are counted, then one of every so many is taken. */
export const spread = ({ readTogether }: Connection, query: SpreadQuery): Promise<SpreadRecords> =>
  readTogether(async (db) => {
    const groups = await countGroups(db, query)
    const { every, places } = drawPlaces(
      groups.reduce((sum, { fitting }) => sum + fitting, 0),
      query
    )
    const ids: string[] = []
    let before = 0
    for (const { values, fitting } of groups) {
      const start = before
      const picked = places
        .map((place) => place - start)
        .filter((place) => place >= 0 && place < fitting)
      const { rows } = await db.$client.query<{ id: string }>(PICK, [...values, picked])
      ids.push(...rows.map(({ id }) => id))
      before += fitting
    }
    return { ids, every }
  })
