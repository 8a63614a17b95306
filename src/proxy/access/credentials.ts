/**
 * The places of credentials in requests: one list for tenants, for upstreams with a key of their own,
 * for stored paths and for the check of the proxy's secrets. Knows only names, not whether a
 * credential is valid.
 *
 * | provider | where |
 * | --- | --- |
 * | OpenAI | `authorization`, a protocol of a WebSocket; `openai-organization`, `openai-project` choose the account |
 * | Mistral, Cohere, Together, OpenRouter, Groq, DeepSeek, Fireworks | `authorization` |
 * | Anthropic | `x-api-key`, `authorization` |
 * | Google | `x-goog-api-key`, `authorization`, `?key`, `?access_token`; `x-goog-user-project` |
 * | Azure | `api-key`, `authorization`, `ocp-apim-subscription-key`, `?subscription-key`, `?code`, `?sig` |
 * | AWS Bedrock | `authorization`, `x-amz-security-token`, `?X-Amz-Credential`, `?X-Amz-Signature` |
 * | gateways | `x-portkey-api-key`, `helicone-auth`, `cf-aig-authorization`, `cf-access-client-id`, cookies |
 */
import { isSecretName } from '../../core/credential-names.ts'
import { createRedactor } from '../../core/log/redact.ts'
import { declaredHopByHop, eachHeader, HOP_BY_HOP, PROTOCOL_HEADER, valuesOf } from '../headers.ts'
import { remembered } from './remembered.ts'

/** The parts of a request that can hold credentials; an `IncomingMessage` has them. */
export interface Carrier {
  /** flat list, as on the wire: Node's `headers` drop and join duplicates, but the upstream gets all */
  rawHeaders: readonly string[]
  url?: string | undefined
}

export interface Credential {
  /** in lower case; `?` before the name of a query parameter, which no header name can contain */
  name: string
  value: string
}

/** Names of credentials that `isSecretName` does not know. */
const NAMES = new Set(['cookie', 'code', 'cf-access-client-id', PROTOCOL_HEADER])

/** Names that select an account or a person and prove nothing by themselves. */
const SELECTORS = new Set([
  'openai-organization',
  'openai-project',
  'x-goog-user-project',
  'x-portkey-config',
  'x-forwarded-user',
  'x-forwarded-email',
  'x-remote-user',
  'remote-user',
])

/** Cookies of load balancers, bot detection and analytics: they change often, and no API accepts them. */
const HARMLESS_COOKIE =
  /^(?:__cf_bm|_cfuvid|__cflb|cf_clearance|AWSALB\w*|AWSELB\w*|ARRAffinity\w*|GCLB|INGRESSCOOKIE|BIGipServer.*|_ga.*|_gid|_gat.*|__utm.*|_fbp|_gcl_\w+|ajs_.*|_hj.*)$/

/** A scheme without a value, which a client without a configured key sends. */
const BARE_SCHEME = /^(?:bearer|basic|token|digest|negotiate|apikey|key)?$/i

/** The cache of names that were looked up: its entries, and the longest name that it takes. */
const MAX_REMEMBERED = 500
const MAX_REMEMBERED_CHARS = 64

const SEPARATOR = /[?#&;]/
const MARK = '[CREDENTIAL]'
const USERINFO = /^([a-z][a-z\d+.-]*:\/\/)[^/?#]*@/i

const redactKeys = createRedactor({ detectors: ['key'], patterns: {} })

/** Percent-encoding removed, or the text itself where that is not valid. */
export const percentDecoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The name of a parameter, which is form-encoded, in lower case. */
const parameterName = (text: string): string =>
  percentDecoded(text.replaceAll('+', ' ')).trim().toLowerCase()

/** The parameters of a request target, with values as they were sent. */
export const parametersOf = (target: string): Credential[] => {
  const at = target.search(/[?#]/)
  if (at < 0) return []
  return target
    .slice(at + 1)
    .split(SEPARATOR)
    .map((parameter) => {
      const equals = parameter.indexOf('=')
      const [name, value] =
        equals < 0 ? [parameter, ''] : [parameter.slice(0, equals), parameter.slice(equals + 1)]
      return { name: parameterName(name), value }
    })
}

/** The name of a cookie or a parameter. */
const nameOf = (pair: string): string => {
  const equals = pair.indexOf('=')
  return equals < 0 ? pair : pair.slice(0, equals)
}

const significantCookies = (cookies: string): string =>
  cookies
    .split(';')
    .map((cookie) => cookie.trim())
    .filter((cookie) => cookie !== '' && !HARMLESS_COOKIE.test(nameOf(cookie)))
    .join('; ')

const byName = (left: Credential, right: Credential): number =>
  left.name < right.name ? -1 : left.name > right.name ? 1 : 0

export type Credentials = ReturnType<typeof createCredentials>

/** Whether one of them proves something: not empty, not a bare scheme, not the choice of an account. */
export const areProof = (credentials: readonly Credential[]): boolean =>
  credentials.some(({ name, value }) => !SELECTORS.has(name) && !BARE_SCHEME.test(value.trim()))

/** It is called for each header of each request. */
const createNameCheck = (further: readonly string[]): ((name: string) => boolean) => {
  const configured = new Set(further)
  const check = (name: string): boolean =>
    NAMES.has(name) || SELECTORS.has(name) || configured.has(name) || isSecretName(name)
  return remembered(check, { max: MAX_REMEMBERED, maxChars: MAX_REMEMBERED_CHARS })
}

/** @param further names of headers and query parameters, in lower case (`CREDENTIAL_NAMES`) */
export const createCredentials = (further: readonly string[] = []) => {
  const isOne = createNameCheck(further)
  const headersOf = (rawHeaders: readonly string[]): Credential[] => {
    const declared = declaredHopByHop(valuesOf(rawHeaders, 'connection').join(',') || undefined)
    const found: Credential[] = []
    eachHeader(rawHeaders, (header, text) => {
      const name = header.toLowerCase()
      if (!isOne(name) || HOP_BY_HOP.has(name) || declared.has(name)) return
      // of WebSockets, which no tenant's lora answers; elsewhere it proves nothing
      if (name === PROTOCOL_HEADER) return
      const value = name === 'cookie' ? significantCookies(text) : text
      if (name !== 'cookie' || value !== '') found.push({ name, value })
    })
    return found
  }

  const parametersIn = (target: string): Credential[] =>
    parametersOf(target)
      .filter(({ name }) => isOne(name))
      .map(({ name, value }) => ({ name: `?${name}`, value }))

  const isParameter = (parameter: string): boolean => isOne(parameterName(nameOf(parameter)))

  return {
    /** Whether a header or a query parameter of this name is a credential. @param name in lower case */
    isOne,
    /**
     * All credentials that the upstream receives, ordered by name; those of one name in the order in
     * which they were sent. Cookies of load balancers and analytics do not count.
     */
    of: ({ rawHeaders, url = '' }: Carrier): Credential[] => {
      const found = headersOf(rawHeaders).concat(parametersIn(url))
      return found.length < 2 ? found : found.sort(byName)
    },
    /** A request target without the query parameters that are credentials. */
    withoutParameters: (target: string): string => {
      const at = target.indexOf('?')
      if (at < 0) return target
      const kept = target
        .slice(at + 1)
        .split('&')
        .filter((parameter) => !parameter.split(SEPARATOR).some(isParameter))
      return target.slice(0, at) + (kept.length === 0 ? '' : `?${kept.join('&')}`)
    },
    /** A request target for the log: values of credentials, and texts that look like keys, are replaced. */
    masked: (target: string): string => {
      const at = target.search(/[?#]/)
      if (at < 0 && target.startsWith('/')) return target
      const path = (at < 0 ? target : target.slice(0, at)).replace(USERINFO, `$1${MARK}@`)
      const query = at < 0 ? '' : target.slice(at)
      const marked = query.replaceAll(/[^?#&;]+/g, (parameter) =>
        isParameter(parameter) ? `${nameOf(parameter)}=${MARK}` : parameter
      )
      return redactKeys()(path + marked)
    },
  }
}
