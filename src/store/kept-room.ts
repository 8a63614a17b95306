/** How much of kept responses a tenant has room for, and when it is looked at. */
import { LRUCache } from 'lru-cache'

/** of one tenant, with both bodies: some 10,000 answers to long prompts */
export const KEPT_BYTES = 64 * 2 ** 20

/** Part of the room that a tenant may be over it. */
const PART = 64
/** A forgotten one is looked at once more. */
const MAX_TENANTS = 10_000

/**
 * Whether the oldest must be looked for, which takes as long as a tenant has responses: at the first of a process, and
 * whenever a part of the room has been written since.
 */
export const createKeptRoom = (keptBytes: number) => {
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
