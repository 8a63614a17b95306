/** Kept responses. Exact, since conversations go on with them: what must not be stored must not be kept. */
import { LRUCache } from 'lru-cache'
import type { KeptResponses } from '../../core/log/kept-response.ts'
import type { CommonConnection } from './connection.ts'

/** of one tenant, with both bodies: some 10,000 answers to long prompts */
const KEPT_BYTES = 64 * 2 ** 20

/** Part of the room that a tenant may be over it. */
const PART = 64
/** A forgotten one is looked at once more. */
const MAX_TENANTS = 10_000

/**
 * Whether the oldest must be looked for, which takes as long as a tenant has responses: at the first of a process, and
 * whenever a part of the room has been written since.
 */
const createKeptRoom = (keptBytes: number) => {
  const written = new LRUCache<string, number>({ max: MAX_TENANTS })
  return {
    /** @param bytes of the response that is written */
    isDue: (tenant: string, bytes: number): boolean => {
      const before = written.get(tenant)
      const since = (before ?? 0) + bytes
      const isDue = before === undefined || since > keptBytes / PART
      written.set(tenant, isDue ? 0 : since)
      return isDue
    },
  }
}

const DROP_OLDEST = `delete from promptintern.kept_responses where id in (
  select id from (
    select id, sum(bytes) over (order by at desc, id desc) as total
    from promptintern.kept_responses where tenant = $1
  ) as kept where total > $2
)`

/** @param keptBytes of one tenant, and a part more */
export const createKeptResponseStore = (
  { readSql, writeSql }: Pick<CommonConnection, 'readSql' | 'writeSql'>,
  keptBytes = KEPT_BYTES
): KeptResponses => {
  const room = createKeptRoom(keptBytes)
  return {
    put: ({ id, tenant, at, request, response }) =>
      writeSql(async (sql) => {
        const bodies = [Buffer.from(request), Buffer.from(response)] as const
        const bytes = bodies[0].length + bodies[1].length
        await sql(
          `insert into promptintern.kept_responses (id, tenant, at, bytes, request, response)
            values ($1, $2, $3, $4, $5, $6)`,
          [id, tenant, Math.floor(at), bytes, ...bodies]
        )
        if (room.isDue(tenant, bytes)) await sql(DROP_OLDEST, [tenant, keptBytes])
      }),
    get: (id, tenant) =>
      readSql(async (sql) => {
        const { rows } = await sql<{ at: number; request: Buffer; response: Buffer }>(
          `select at, request, response from promptintern.kept_responses
            where id = $1 and tenant = $2`,
          [id, tenant]
        )
        const [row] = rows
        if (row === undefined) return null
        const { at, request, response } = row
        return { id, tenant, at, request: request.toString(), response: response.toString() }
      }),
    remove: (id, tenant) =>
      writeSql(async (sql) => {
        const { changed } = await sql(
          'delete from promptintern.kept_responses where id = $1 and tenant = $2',
          [id, tenant]
        )
        return changed > 0
      }),
  }
}
