/** Kept responses. Exact, since conversations go on with them: what must not be stored must not be kept. */
import { and, eq } from 'drizzle-orm'
import type { KeptResponses } from '../../core/log/kept-response.ts'
import { createKeptRoom, KEPT_BYTES } from '../kept-room.ts'
import type { Connection } from './base/database.ts'
import { keptResponses } from './base/schema.ts'

const DROP_OLDEST = `delete from promptintern.kept_responses where id in (
  select id from (
    select id, sum(bytes) over (order by at desc, id desc) as total
    from promptintern.kept_responses where tenant = $1
  ) as kept where total > $2
)`

/** @param keptBytes of one tenant, and a part more */
export const createKeptResponseStore = (
  { read, write }: Connection,
  keptBytes = KEPT_BYTES
): KeptResponses => {
  const room = createKeptRoom(keptBytes)
  const { id: idOf, tenant: tenantOf } = keptResponses
  const isOf = (id: string, tenant: string) => and(eq(idOf, id), eq(tenantOf, tenant))
  return {
    put: ({ id, tenant, at, request, response }) =>
      write(async (tx) => {
        const bodies = { request: Buffer.from(request), response: Buffer.from(response) }
        const bytes = bodies.request.length + bodies.response.length
        await tx.insert(keptResponses).values({ id, tenant, at: Math.floor(at), bytes, ...bodies })
        if (room.isDue(tenant, bytes)) await tx.$client.query(DROP_OLDEST, [tenant, keptBytes])
      }),
    get: (id, tenant) =>
      read(async (db) => {
        const [row] = await db.select().from(keptResponses).where(isOf(id, tenant))
        if (row === undefined) return null
        const { bytes: _bytes, request, response, ...kept } = row
        return { ...kept, request: request.toString(), response: response.toString() }
      }),
    remove: (id, tenant) =>
      write(async (tx) => {
        const removed = await tx
          .delete(keptResponses)
          .where(isOf(id, tenant))
          .returning({ id: idOf })
        return removed.length > 0
      }),
  }
}
