/** The log as `log/take-out-bodies.ts` of both stores goes through it: one part, and one writer at a time. */
import { takeOutBodies as takeOut, type PartWriter } from '../../log/take-out-bodies.ts'
import type { Connection } from '../base/database.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'
import { readWholeIds, storeBodies } from './bodies.ts'
import { readSegments, readSegmentsAfter, replaceSegment } from './segments.ts'
import { oneRow } from '../../common/rows.ts'

const writer = (tx: SqlTransaction): PartWriter => ({
  readAfter: (after) => readSegmentsAfter(tx, after),
  readSegments: (ids) => readSegments(tx, ids),
  readWholes: (ids) => readWholeIds(tx, ids),
  storeBodies: (cache, bodies) => storeBodies(tx, cache, bodies),
  replaceSegment: (row) => replaceSegment(tx, row),
  deleteBodies: async (ids) => {
    await executeIn(tx, 'delete from bodies where id in', ids)
  },
})

export const takeOutBodies = ({ read, writeSql }: Connection): Promise<void> =>
  takeOut({
    readAfter: (after) => read(({ $client }) => readSegmentsAfter($client, after)),
    bodyIds: () =>
      read(async ({ $client }) => {
        const { rows } = await $client.execute(
          'select min(id) as lowest, max(id) as highest from bodies'
        )
        const { lowest, highest } = oneRow(rows)
        return lowest === null ? null : { lowest: lowest as number, highest: highest as number }
      }),
    bodyIdsAfter: (after, limit) =>
      read(async ({ $client }) => {
        const { rows } = await $client.execute({
          sql: 'select id from bodies where id > ? order by id limit ?',
          args: [after, limit],
        })
        return rows.map(({ id }) => id as number)
      }),
    write: (work) => writeSql((tx) => work(writer(tx))),
  })
