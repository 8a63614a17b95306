/** Kept responses. Exact, since conversations go on with them: what must not be stored must not be kept. */
import { and, eq } from 'drizzle-orm'
import type { KeptResponses } from '../../core/log/kept-response.ts'
import { createKeptRoom, KEPT_BYTES } from '../kept-room.ts'
import type { Connection } from './base/database.ts'
import { keptResponses } from './base/schema.ts'

const DROP_OLDEST = `delete from kept_responses where id in (
  select id from (
    select id, sum(bytes) over (order by at desc, id desc) as total
    from kept_responses where tenant = ?1
  ) where total > ?2
)`

/** @param keptBytes of one tenant, and a part more */
export const createKeptResponseStore = (
  connection: Connection,
  keptBytes = KEPT_BYTES
): KeptResponses => {
  const room = createKeptRoom(keptBytes)
  const { id: idOf, tenant: tenantOf } = keptResponses
  const isOf = (id: string, tenant: string) => and(eq(idOf, id), eq(tenantOf, tenant))
  return {
    put: ({ id, tenant, at, request, response }) =>
      connection.writeSql(async (tx) => {
        const bytes = Buffer.byteLength(request) + Buffer.byteLength(response)
        await tx.execute({
          sql: 'insert into kept_responses (id, tenant, at, bytes, request, response) values (?, ?, ?, ?, ?, ?)',
          args: [id, tenant, at, bytes, request, response],
        })
        if (room.isDue(tenant, bytes))
          await tx.execute({ sql: DROP_OLDEST, args: [tenant, keptBytes] })
      }),
    get: (id, tenant) =>
      connection.read(async (db) => {
        const [row] = await db.select().from(keptResponses).where(isOf(id, tenant))
        if (row === undefined) return null
        const { bytes: _bytes, ...kept } = row
        return kept
      }),
    remove: (id, tenant) =>
      connection.write(async (tx) => {
        const removed = await tx
          .delete(keptResponses)
          .where(isOf(id, tenant))
          .returning({ id: idOf })
        return removed.length > 0
      }),
  }
}
