/**
 * Requests that must never reach an upstream: those that carry a secret of the proxy itself, such as
 * the admin token, and those for the proxy's own paths, in every spelling.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { parametersOf, percentDecoded, type Carrier, type Credentials } from './credentials.ts'
import { eachHeader, PROTOCOL_HEADER, secretsIn } from '../headers.ts'
import { segmentsOf } from '../target.ts'
import { remembered } from './remembered.ts'

/** The cache of checked values: its entries, and the longest value that it takes. */
const MAX_REMEMBERED = 1000
const MAX_REMEMBERED_CHARS = 512
/** Values checked in one header or query: the check is for mistakes, not against attackers. */
const MAX_PARTS = 100

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** User and password of `Basic …` (RFC 7617). */
const basicParts = (scheme: string, value: string): string[] =>
  scheme.toLowerCase() === 'basic'
    ? Buffer.from(value, 'base64').toString().split(':', MAX_PARTS)
    : []

/** The values in a header: the whole of it, the part after a scheme, and the values of cookies and protocols. */
const valuesOf = (name: string, value: string): string[] => {
  if (name === 'cookie')
    return value
      .split(';', MAX_PARTS)
      .map((cookie) => percentDecoded(cookie.slice(cookie.indexOf('=') + 1).trim()))
  if (name === PROTOCOL_HEADER) return secretsIn(value).slice(0, MAX_PARTS)
  const at = value.search(/\s/)
  if (at < 0) return [value]
  const behind = value.slice(at).trim()
  return [value, behind, ...basicParts(value.slice(0, at), behind)]
}

export type CarriesOwnSecret = (carrier: Carrier) => boolean

/**
 * Checks every place of credentials, `proxy-authorization` included, and all query parameters. Compares
 * digests, so that the time of a comparison reveals nothing about a secret.
 * @param secrets without any, the check costs nothing
 */
export const createOwnSecretCheck = (
  secrets: readonly string[],
  credentials: Pick<Credentials, 'isOne'>
): CarriesOwnSecret => {
  if (secrets.length === 0) return () => false
  const digests = secrets.map(digest)
  const check = (value: string): boolean => {
    const found = digest(value)
    return digests.filter((own) => timingSafeEqual(own, found)).length > 0
  }
  const isOwn = remembered(check, { max: MAX_REMEMBERED, maxChars: MAX_REMEMBERED_CHARS })
  return ({ rawHeaders, url = '' }) => {
    let isCarried = parametersOf(url)
      .slice(0, MAX_PARTS)
      .some(({ value }) => isOwn(value) || isOwn(percentDecoded(value)))
    eachHeader(rawHeaders, (header, value) => {
      const name = header.toLowerCase()
      isCarried ||= credentials.isOne(name) && valuesOf(name, value).some(isOwn)
    })
    return isCarried
  }
}

/** The proxy's access to its engine. */
export interface EngineAccess {
  baseUrl: string
  token: string | null
}

const originOf = ({ baseUrl }: { baseUrl: string }): string => new URL(baseUrl).origin

/**
 * The engine's token, unless the engine has the host of an upstream: then it may be the same key that
 * clients have for that upstream.
 */
export const engineSecrets = (
  engine: EngineAccess | null,
  upstreams: readonly { baseUrl: string }[]
): string[] => {
  if (engine === null || engine.token === null) return []
  return upstreams.map(originOf).includes(originOf(engine)) ? [] : [engine.token]
}

const OWN_PATHS = new Set(['admin', 'metrics', 'healthz', 'readyz'])
/** Below `/v1`, where clients have their base URL. */
const OWN_API = 'promptintern'

/** The usual paths, for which the parsing below is not needed. */
const PLAIN_PATH = /^\/v1(?!\/promptintern)(?:\/[\w-]+)*(?:\?|$)/i
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/?#\\]*/i

/**
 * Whether a request target is for the proxy itself: `/v1/promptintern/…`, and `/admin` also as `//admin/x`, `/Admin`, `/%61dmin`,
 * `/v1/../admin`, `/admin;x`, `http://host/admin`.
 */
export const isOwnPath = (target: string): boolean => {
  if (PLAIN_PATH.test(target)) return false
  const segments: string[] = []
  for (const segment of segmentsOf(target.replace(ORIGIN, ''))) {
    if (segment === '..') segments.pop()
    else segments.push(segment)
  }
  const [first = '', second = ''] = segments.map((segment) => segment.toLowerCase())
  return OWN_PATHS.has(first) || (first === 'v1' && second === OWN_API)
}
