/** Who may do what: the holder of the full token decides, the holder of the other one looks. */
import { createHash, timingSafeEqual } from 'node:crypto'

/** `full` reads everything and decides; `read` sees figures and templates, and no text of a request. */
export type AdminRole = 'full' | 'read'

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
