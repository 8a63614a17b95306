/** Rules that select exchanges: for the log to keep, or of the log for a person to delete. */
import type { RecordHead } from './record.ts'
import { parseJson } from '../../openai/fields.ts'

/** Selects the exchanges that fit all given fields. */
export interface Selection {
  recordIds?: string[]
  tenant?: string
  /** `user`, `safety_identifier` or `metadata.user_id` of the logged request */
  user?: string
}

export const isEmptySelection = ({ recordIds, tenant, user }: Selection): boolean =>
  recordIds === undefined && tenant === undefined && user === undefined

interface Named {
  user?: unknown
  safety_identifier?: unknown
  metadata?: { user_id?: unknown } | null
}

const namesUser = (request: string, user: string): boolean => {
  // saves parsing most requests: JSON writes plain characters literally or as \u escapes
  const isPlain = /^[\w@.+-]+$/.test(user)
  if (isPlain && !request.includes(user) && !request.includes('\\u')) return false
  const body = parseJson(request) as Named | null
  return [body?.user, body?.safety_identifier, body?.metadata?.user_id].includes(user)
}

export interface CompiledSelection {
  /** decides alone unless `readsBody` */
  fitsHead: (head: Pick<RecordHead, 'id' | 'tenant'>) => boolean
  readsBody: boolean
  /** null: the log no longer has the body */
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

export interface CaptureRule {
  /** tenants that are logged; empty for all */
  tenants: string[]
  /** tenants that are never logged */
  except: string[]
  /** share of the remaining exchanges, 0 to 1 */
  share: number
}

/** @param random uniform in [0, 1) */
export const compileCaptureRule = (
  { tenants, except, share }: CaptureRule,
  random: () => number
): ((tenant: string) => boolean) => {
  const listed = new Set(tenants)
  const excepted = new Set(except)
  return (tenant) =>
    (listed.size === 0 || listed.has(tenant)) && !excepted.has(tenant) && random() < share
}
