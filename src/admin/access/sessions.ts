/**
 * Sessions of the page. A session is a signed cookie, so it outlives a restart and any process with the same
 * tokens accepts it. It ends with its time, with its token, or with a sign-out, which only the process that
 * it was sent to remembers.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { AdminRole, AdminTokens } from './roles.ts'
import { parseJson } from '../../openai/fields.ts'

export interface Session {
  id: string
  role: AdminRole
  /** name that a person gave; null: none */
  name: string | null
  /** milliseconds since the epoch */
  until: number
}

const SESSION_MS = 12 * 3_600_000
const MAX_SIGNED_OUT = 10_000
/** So that a cookie's signature is never a form's. */
const PURPOSES = { cookie: 'admin session', form: 'admin form' } as const

const sign = (token: string, purpose: keyof typeof PURPOSES, text: string): string =>
  createHmac('sha256', token).update(`${PURPOSES[purpose]}\n${text}`).digest('base64url')

const areEqual = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))

const parsePayload = (payload: string): Session | null =>
  parseJson(Buffer.from(payload, 'base64url').toString()) as Session | null

export interface Sessions {
  /** @returns the session and the value of its cookie */
  begin(role: AdminRole, name: string | null): { session: Session; cookie: string }
  /** @returns null for a cookie that is forged, too old, or signed out */
  read(cookie: string): Session | null
  /** False when its time is over or it was signed out. */
  isOpen(session: Session): boolean
  end(session: Session): void
  /** A text that every form of the session carries, and that another site cannot know. */
  formToken(session: Session): string
  isFormToken(session: Session, given: string): boolean
}

export interface SessionDeps {
  tokens: AdminTokens
  /** milliseconds since the epoch */
  now: () => number
  newId: () => string
}

export const createSessions = ({ tokens, now, newId }: SessionDeps): Sessions => {
  const signedOut = new LRUCache<string, true>({ max: MAX_SIGNED_OUT })
  const isOpen = ({ id, until }: Session): boolean => until > now() && !signedOut.has(id)
  const tokenOf = (role: AdminRole): string => {
    const token = tokens[role]
    if (token === null) throw new RangeError(`there is no token for the role ${role}`)
    return token
  }
  const formToken = ({ id, role }: Session): string => sign(tokenOf(role), 'form', id)
  return {
    begin(role, name) {
      const session = { id: newId(), role, name, until: now() + SESSION_MS }
      const payload = Buffer.from(JSON.stringify(session)).toString('base64url')
      return { session, cookie: `${payload}.${sign(tokenOf(role), 'cookie', payload)}` }
    },
    read(cookie) {
      const [payload = '', signature = ''] = cookie.split('.')
      const session = parsePayload(payload)
      if (session === null || (session.role !== 'full' && session.role !== 'read')) return null
      const token = tokens[session.role]
      if (token === null) return null
      if (!areEqual(signature, sign(token, 'cookie', payload))) return null
      return isOpen(session) ? session : null
    },
    isOpen,
    end({ id }) {
      signedOut.set(id, true)
    },
    formToken,
    isFormToken: (session, given) => areEqual(given, formToken(session)),
  }
}
