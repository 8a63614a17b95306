/** Who may do what: the holder of the full token decides, the holder of the other one looks. */
import { createHash, timingSafeEqual } from 'node:crypto'

/** `full` reads everything and decides; `read` sees figures and templates, and no text of a request. */
export type AdminRole = 'full' | 'read'

/** All that the role `read` reaches, and no other role needs to be named: `full` reaches everything. */
const READ_ROUTES: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/metrics'],
  ['GET', '/admin/api/status'],
  ['GET', '/admin/api/savings'],
  ['GET', '/admin/api/templates'],
  ['GET', '/admin'],
  ['GET', '/admin/templates'],
  ['GET', '/admin/live'],
  ['POST', '/admin/sign-out'],
]

export const NO_RIGHT =
  'ADMIN_READ_TOKEN reads /metrics and the figures of overview, savings and templates: use ADMIN_TOKEN'

/** @param path of the request; the table has no route with a parameter */
export const mayUse = (role: AdminRole, method: string, path: string): boolean =>
  role === 'full' ||
  READ_ROUTES.some(
    (route) => route[0] === (method === 'HEAD' ? 'GET' : method) && route[1] === path
  )

/** A method that changes nothing. Any other one is a decision: it does not wait, and on the page it is a form of the session. */
export const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD'

export interface AdminTokens {
  full: string
  /** null: there is none */
  read: string | null
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/**
 * Digests are compared in constant time, so that timing reveals neither content nor length of a token.
 * @returns the role that a token gives; null for any other text
 */
export const roleCheck = ({ full, read }: AdminTokens): ((token: string) => AdminRole | null) => {
  const known = [
    ['full', digest(full)] as const,
    ...(read === null ? [] : [['read', digest(read)] as const]),
  ]
  return (token) => {
    const given = digest(token)
    const matches = known.filter(([, expected]) => timingSafeEqual(given, expected))
    return matches[0]?.[0] ?? null
  }
}

const BEARER = /^Bearer (.+)$/

/** @returns the token of an `authorization` header; null without one */
export const bearerToken = (authorization: string | undefined): string | null =>
  BEARER.exec(authorization ?? '')?.[1] ?? null
