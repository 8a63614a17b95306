/**
 * Which logged exchanges a person means. Pure; knows nothing of where they are kept.
 */
import type { RecordHead } from './record.ts'

/** An exchange is meant when it fits all that is given; at least one part must be. */
export interface Selection {
  recordIds?: string[]
  /** the keyed hash */
  tenant?: string
  /** `user`, `safety_identifier` or `metadata.user_id` of the request as it was logged */
  user?: string
}

export const isEmptySelection = ({ recordIds, tenant, user }: Selection): boolean =>
  recordIds === undefined && tenant === undefined && user === undefined

interface Named {
  user?: unknown
  safety_identifier?: unknown
  metadata?: { user_id?: unknown } | null
}

/** @param request a request's body */
const namesUser = (request: string, user: string): boolean => {
  // most requests need no parsing: plain characters are written as they are, or as \u escapes
  const isPlain = /^[\w@.+-]+$/.test(user)
  if (isPlain && !request.includes(user) && !request.includes('\\u')) return false
  try {
    const body = JSON.parse(request) as Named | null
    const names = [body?.user, body?.safety_identifier, body?.metadata?.user_id]
    return names.includes(user)
  } catch {
    return false
  }
}

export interface CompiledSelection {
  /** whether the exchange can be meant; `readsBody` says whether that decides it */
  fitsHead: (head: Pick<RecordHead, 'id' | 'tenant'>) => boolean
  readsBody: boolean
  /** null when the log has the body no more */
  fitsBody: (request: string | null) => boolean
}

export const compileSelection = ({ recordIds, tenant, user }: Selection): CompiledSelection => {
  const ids = recordIds === undefined ? null : new Set(recordIds)
  return {
    fitsHead: (head) =>
      (ids === null || ids.has(head.id)) && (tenant === undefined || head.tenant === tenant),
    readsBody: user !== undefined,
    fitsBody: (request) => user === undefined || (request !== null && namesUser(request, user)),
  }
}
