/**
 * Which headers cross the proxy. Header lists are flat (`[name, value, name, value, …]`), as they
 * are on the wire: order, case and duplicates are kept.
 */
import type { Credentials } from './access/credentials.ts'
import { declaredHopByHop, HOP_BY_HOP } from './access/hop-by-hop.ts'

/** `true` sends a request straight to the upstream, unread and unlogged. */
export const BYPASS_HEADER = 'x-promptintern-bypass'

/** `false` keeps an exchange out of the log. */
export const CAPTURE_HEADER = 'x-promptintern-capture'

/** Rewritten by the upstream client, answered by our own server (`expect`), or for the proxy alone. */
const NOT_FORWARDED = new Set([...HOP_BY_HOP, 'host', 'expect', BYPASS_HEADER, CAPTURE_HEADER])

/** In which upstream's name an answer comes; only with an upstreams file. */
export const UPSTREAM_HEADER = 'x-promptintern-upstream'

/**
 * What a client sent → what the upstream gets.
 * @param keepLength false where the body is sent as one buffer, whose length the client writes itself
 * @param apiKey sent in place of all credentials of the client; null forwards those
 */
export const headersForUpstream = (
  raw: readonly string[],
  connection: string | undefined,
  { keepLength, apiKey }: { keepLength: boolean; apiKey: string | null },
  credentials: Pick<Credentials, 'isOne'>
): string[] => {
  const declared = declaredHopByHop(connection)
  const kept: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (NOT_FORWARDED.has(name) || declared.has(name)) continue
    if (!keepLength && name === 'content-length') continue
    if (apiKey !== null && credentials.isOne(name)) continue
    kept.push(raw[i]!, raw[i + 1]!)
  }
  if (apiKey !== null) kept.push('authorization', `Bearer ${apiKey}`)
  return kept
}

export interface ClientHeaders {
  /** flat list for `writeHead` */
  raw: string[]
  contentEncoding: string
  contentType: string
  hasLength: boolean
}

/** The first value of a header in an upstream's list; null without one. @param name in lower case */
export const headerOf = (raw: readonly string[], name: string): string | null => {
  const at = raw.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
  return at < 0 ? null : (raw[at + 1] ?? null)
}

/** What the upstream answered → what the client gets, and what the log must know of it. */
export const headersForClient = (
  raw: readonly string[],
  added: readonly string[]
): ClientHeaders => {
  const result: ClientHeaders = { raw: [], contentEncoding: '', contentType: '', hasLength: false }
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    const key = name.toLowerCase()
    if (HOP_BY_HOP.has(key)) continue
    result.raw.push(name, value)
    if (key === 'content-length') result.hasLength = true
    else if (key === 'content-type') result.contentType = value
    else if (key === 'content-encoding') result.contentEncoding = value.toLowerCase()
  }
  result.raw.push(...added)
  return result
}

export interface RouteHeaders {
  /** `answered` by the lora, `fallback` after the lora was asked, `upstream` without asking it */
  route: 'answered' | 'fallback' | 'upstream'
  template: string
  lora: string
  overheadMs: number
  confidence?: number | null
  promptTokensSaved?: number
  reason?: string | null
}

/** The headers that explain a decision; only requests that matched a live template get them. */
export const routeHeaders = (decision: RouteHeaders): string[] => {
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
  if (typeof decision.confidence === 'number') {
    headers.push('x-promptintern-confidence', String(decision.confidence))
  }
  if (decision.promptTokensSaved !== undefined) {
    headers.push('x-promptintern-prompt-tokens-saved', String(decision.promptTokensSaved))
  }
  if (decision.reason) headers.push('x-promptintern-reason', decision.reason)
  return headers
}
