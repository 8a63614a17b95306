/**
 * Requests that a page of another site sends through a person's browser. A page may send simple requests to any
 * address that the browser reaches, this machine's included, and under a name that it has rebound to such an address
 * (DNS rebinding) it also reads the answers. Knows headers only.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { AppError } from '../../errors.ts'

const LOOPBACK = /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|::1)$/

/** Whether a name or an address is of the machine itself. */
const isLoopback = (host: string): boolean => LOOPBACK.test(host)

/** The name or address in a `host` header, in lower case, without port and final dot; '' for none. */
const hostNameOf = (host: string): string => {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? []
  return (bracketed ?? plain).toLowerCase().replace(/\.$/, '')
}

export interface HostRule {
  /** address that the server listens on */
  listensOn: string
  /** further names of the server, in lower case (`ALLOWED_HOSTS`) */
  allowed: readonly string[]
}

/**
 * Refuses names that are not the server's, where those are known: on a loopback address, and where names are
 * configured. An address in place of a name cannot be rebound. A client without a `host` header is not a browser.
 * @returns why a request is refused; null where it may go on
 */
export const createHostCheck = ({ listensOn, allowed }: HostRule) => {
  const own = new Set(allowed)
  const isChecked = isLoopback(listensOn) || own.size > 0
  return (host: string | undefined): AppError | null => {
    if (!isChecked || host === undefined) return null
    const name = hostNameOf(host)
    if (isIP(name) !== 0 || isLoopback(name) || own.has(name)) return null
    return new AppError(
      'forbidden',
      'the host of the request is not a name of this server: use its address, or add the name to ALLOWED_HOSTS'
    )
  }
}

/** What a form may send without asking the server first (Fetch Standard, CORS-safelisted request-header). */
const FORM_TYPES = /^\s*(?:text\/plain|application\/x-www-form-urlencoded|multipart\/form-data)\b/i

/** Of the browser: nothing but a page of the server, or a person who typed its address. */
const OWN_SITES = new Set([undefined, 'same-origin', 'none'])

const hostOf = (origin: string): string | null =>
  URL.canParse(origin) ? new URL(origin).host : null

/**
 * Refuses a completion that costs the operator money because a page of another site asked for it. Clients that
 * are not browsers send neither `origin` nor `sec-fetch-site`.
 * @param allowed names whose pages may ask, in lower case (`ALLOWED_HOSTS`)
 * @returns why a request is refused; null where it may go on
 */
export const createPageCheck = (allowed: readonly string[]) => {
  const own = new Set(allowed)
  return (headers: IncomingHttpHeaders): AppError | null => {
    const { origin, host, 'content-type': type = '', 'sec-fetch-site': site } = headers
    if (FORM_TYPES.test(type))
      return new AppError('invalid-request', 'the content-type must be application/json')
    const asks = origin === undefined ? null : hostOf(origin)
    if (asks !== null && own.has(hostNameOf(asks))) return null
    const isOwnOrigin = origin === undefined || (asks !== null && asks === host?.toLowerCase())
    if (isOwnOrigin && OWN_SITES.has(site as string | undefined)) return null
    return new AppError(
      'forbidden',
      'a page of another site may not use the API key of this server: add its host to ALLOWED_HOSTS'
    )
  }
}
