/**
 * The headers that cross the proxy. Header lists are flat (`[name, value, name, value, …]`), as they
 * are on the wire: order, case and duplicates are kept.
 *
 * The protocols that a WebSocket client offers. A page cannot set headers, so it sends its key as one of them:
 * `realtime, openai-insecure-api-key.sk-…, openai-project.proj_…`.
 */
import type { IncomingMessage } from 'node:http'
import type { RouteOutcome } from '../core/log/record.ts'
import { isSecret } from '../core/keys/issued-key.ts'
import { isSecretName } from '../core/credential-names.ts'

/** Names in lower case. */
export const PROTOCOL_HEADER = 'sec-websocket-protocol'

const KEY_PREFIX = 'openai-insecure-api-key.'
/** Choose the account. */
const SELECTORS = new Set(['openai-organization', 'openai-project'])

const offeredIn = (value: string): string[] =>
  value
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '')

/** The part behind the first dot; the whole text without one. */
const behindDot = (protocol: string): string => protocol.slice(protocol.indexOf('.') + 1)

/** Keys that a page sends as OpenAI's API reads them. */
export const keysIn = (value: string): string[] =>
  offeredIn(value)
    .filter((protocol) => protocol.toLowerCase().startsWith(KEY_PREFIX))
    .map(behindDot)

/** No name of a protocol has more. */
const MAX_DOTS = 32

/** A protocol, and what stands behind each of its dots: a name may have dots, and a key has none. */
const endsOf = (protocol: string): string[] => {
  const parts = protocol.split('.', MAX_DOTS)
  let from = 0
  return parts.map((part) => {
    const end = protocol.slice(from)
    from += part.length + 1
    return end
  })
}

/** Every text that may be a secret: each protocol, and each without its name. */
export const secretsIn = (value: string): string[] => offeredIn(value).flatMap(endsOf)

const isCredential = (protocol: string): boolean => {
  const [name = ''] = protocol.toLowerCase().split('.', 1)
  return SELECTORS.has(name) || isSecretName(name) || endsOf(protocol).some(isSecret)
}

/** The protocols that choose no account and prove nothing; '' for none. */
const withoutCredentials = (value: string): string =>
  offeredIn(value)
    .filter((protocol) => !isCredential(protocol))
    .join(', ')

/** The headers of a flat list, one after the other. A list of pairs would cost an array for each of them. */
export const eachHeader = (
  raw: readonly string[],
  visit: (name: string, value: string) => void
): void => {
  for (let i = 0; i + 1 < raw.length; i += 2) visit(raw[i]!, raw[i + 1]!)
}

/** Headers that are meant for one connection and never cross the proxy (RFC 9110 §7.6.1). */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a request has a body, by its head. */
export const hasBody = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0

const NONE: ReadonlySet<string> = new Set()

/** Names that a `connection` header declares as hop-by-hop. */
export const declaredHopByHop = (connection: string | undefined): ReadonlySet<string> => {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return NONE
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
}

/** `true` sends a request straight to the upstream, unread and unlogged. */
export const BYPASS_HEADER = 'x-promptintern-bypass'

/** `false` keeps an exchange out of the log. */
export const CAPTURE_HEADER = 'x-promptintern-capture'

/** The name of the upstream that answered; only with an upstreams file. */
export const UPSTREAM_HEADER = 'x-promptintern-upstream'

/** The id of the record of a chat completion; only where it is logged. */
export const RECORD_HEADER = 'x-promptintern-record'

/** Of an upstream's headers, such as those of another proxy, none must be taken for ours. */
const OWN_PREFIX = 'x-promptintern-'

/** Written anew by undici, answered by our own server (`expect`), or meant for the proxy. */
const NOT_FORWARDED = new Set([...HOP_BY_HOP, 'host', 'expect', BYPASS_HEADER, CAPTURE_HEADER])

const namesOf = (text: string): string[] => text.split(' ')

/** They describe the body, the client, a cache or a trace, and change no answer. */
export const HARMLESS: readonly string[] = namesOf(
  'accept accept-charset accept-encoding accept-language cache-control content-disposition content-language ' +
    'content-length content-range date http-referer idempotency-key if-match if-modified-since if-none-match ' +
    'if-range if-unmodified-since pragma range user-agent x-title x-client-request-id x-correlation-id ' +
    'x-request-id traceparent tracestate x-ms-client-request-id x-ms-useragent'
)

/**
 * Of a request that travels with a key of the operator. Others may route it: gateways take models, hosts, fallbacks
 * and configurations from headers (`x-portkey-config`, `helicone-target-url`, `x-litellm-tags`).
 */
const FORWARDED_WITH_KEY = new Set([
  ...HARMLESS,
  ...namesOf(
    'content-encoding content-type openai-beta openai-version anthropic-beta anthropic-version'
  ),
])
/** What SDKs made from OpenAPI tell of themselves. */
const SDK_PREFIX = 'x-stainless-'

/** @param name in lower case */
export const isForwarded = (name: string): boolean => !NOT_FORWARDED.has(name)

/** @param name in lower case */
export const isForwardedWithKey = (name: string): boolean =>
  FORWARDED_WITH_KEY.has(name) || name.startsWith(SDK_PREFIX)

export interface UpstreamHeaderOptions {
  /** false where the body is sent as one buffer, whose length undici writes */
  keepLength: boolean
  /** of the operator, sent in place of all credentials of the client; null forwards those */
  apiKey: string | null
}

/** The client's headers as the upstream gets them. @param connection the client's header of that name */
export const headersForUpstream = (
  raw: readonly string[],
  connection: string | undefined,
  { keepLength, apiKey }: UpstreamHeaderOptions
): string[] => {
  const declared = declaredHopByHop(connection)
  const kept: string[] = []
  eachHeader(raw, (name, value) => {
    const key = name.toLowerCase()
    if (NOT_FORWARDED.has(key) || declared.has(key)) return
    if (!keepLength && key === 'content-length') return
    if (apiKey === null || isForwardedWithKey(key)) kept.push(name, value)
  })
  if (apiKey !== null) kept.push('authorization', `Bearer ${apiKey}`)
  return kept
}

/** Of a WebSocket's handshake; none of them chooses a model, a host or an account. */
const HANDSHAKE_HEADERS = new Set([
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
])

/**
 * The headers of a WebSocket's handshake as the upstream gets them, without the upgrade itself, which undici writes.
 * With a key of the operator the client's protocols go without its credentials.
 */
export const headersForHandshake = (
  raw: readonly string[],
  connection: string | undefined,
  apiKey: string | null
): string[] => {
  const kept = headersForUpstream(raw, connection, { keepLength: false, apiKey })
  if (apiKey === null) return kept
  eachHeader(raw, (name, text) => {
    const key = name.toLowerCase()
    const value = key === PROTOCOL_HEADER ? withoutCredentials(text) : text
    if (value !== '' && (key === PROTOCOL_HEADER || HANDSHAKE_HEADERS.has(key)))
      kept.push(name, value)
  })
  return kept
}

export interface ClientHeaders {
  /** flat list for `writeHead` */
  raw: string[]
  /** in lower case */
  contentEncoding: string
  contentType: string
  hasLength: boolean
}

/** The values of a header in a flat list. @param name in lower case */
export const valuesOf = (raw: readonly string[], name: string): string[] => {
  const values: string[] = []
  eachHeader(raw, (each, value) => {
    if (each.length === name.length && each.toLowerCase() === name) values.push(value)
  })
  return values
}

/** The headers of a flat list without those that are refused. @param isRefused gets a name in lower case */
export const withoutHeaders = (
  raw: readonly string[],
  isRefused: (name: string) => boolean
): string[] => {
  const kept: string[] = []
  eachHeader(raw, (name, value) => {
    if (!isRefused(name.toLowerCase())) kept.push(name, value)
  })
  return kept
}

/** The upstream's headers as the client gets them, with those that describe the body. */
export const headersForClient = (
  raw: readonly string[],
  added: readonly string[]
): ClientHeaders => {
  const result: ClientHeaders = { raw: [], contentEncoding: '', contentType: '', hasLength: false }
  eachHeader(raw, (name, value) => {
    const key = name.toLowerCase()
    if (HOP_BY_HOP.has(key) || key.startsWith(OWN_PREFIX)) return
    result.raw.push(name, value)
    if (key === 'content-length') result.hasLength = true
    else if (key === 'content-type') result.contentType = value
    else if (key === 'content-encoding') result.contentEncoding = value.toLowerCase()
  })
  result.raw.push(...added)
  return result
}

/** What an answer without a body must not have (RFC 9110 §8.6). */
const OF_BODY = new Set(['content-length', 'content-type', 'content-encoding'])

/** The headers with which the client is told that the upstream has accepted its WebSocket. */
export const headersForSwitch = (raw: readonly string[], added: readonly string[]): string[] => {
  const kept = withoutHeaders(headersForClient(raw, added).raw, (name) => OF_BODY.has(name))
  return ['connection', 'Upgrade', 'upgrade', 'websocket', ...kept]
}

export interface RouteHeaders {
  route: RouteOutcome['outcome']
  template: string
  lora: string
  overheadMs: number
  confidence: number | null
  promptTokensSaved?: number
  reason?: string
}

/** Of the proxy's own streams. */
export const EVENT_STREAM: readonly string[] = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache',
]

/** The headers that explain a decision; only requests that matched a live template get them. */
export const routeHeaders = (decision: RouteHeaders): string[] => {
  const { confidence, promptTokensSaved, reason } = decision
  const headers = [
    'x-promptintern-route',
    decision.route,
    'x-promptintern-template',
    decision.template,
    'x-promptintern-lora',
    decision.lora,
    'x-promptintern-overhead-ms',
    decision.overheadMs.toFixed(3),
  ]
  if (confidence !== null) headers.push('x-promptintern-confidence', String(confidence))
  if (promptTokensSaved !== undefined)
    headers.push('x-promptintern-prompt-tokens-saved', String(promptTokensSaved))
  if (reason !== undefined) headers.push('x-promptintern-reason', reason)
  return headers
}
