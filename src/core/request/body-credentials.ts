/**
 * Replaces credentials within a body before it is written: those of hosted tools (`authorization`, `headers`), of
 * gateways (`api_key`, `extra_headers`) and of sources of data. Values are found by the names of their members, at
 * every depth; all other bytes stay. Neither the conversation is searched, whose members are text, nor the properties
 * of a schema, which describe arguments. Knows neither requests nor records.
 *
 * One pass over the bytes without recursion, also where they are not valid JSON.
 */
import { isSecretName } from '../credential-names.ts'
import { OBJECT_STOPS, stringEnds, unescapedName } from './ambiguous-members.ts'
import { MAX_DEPTH } from './json-scan.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

export const CREDENTIAL_MARK = '[CREDENTIAL]'
const MARK = Buffer.from(`"${CREDENTIAL_MARK}"`)

/** Members of a request or an answer that are the conversation. */
const CONVERSATION = new Set(['messages', 'input', 'instructions', 'choices', 'output'])
/** Their members are names of arguments. */
const PROPERTIES = new Set(['properties', 'patternProperties', '$defs', 'definitions'])
/** Maps of headers. Their names are arbitrary, so all values in them are replaced. */
const HEADERS = /(?:^|[-_])(?:headers?|cookies?)$/
const ADDRESS = /(?:^|[-_])(?:url|uri|base|endpoint)$/

/** What the name of a member says of its value. */
type NameKind = 'plain' | 'credential' | 'address' | 'conversation' | 'properties'

/** `search`: for names of credentials; `secret`: all strings are replaced; `skip`: none is. */
type Zone = 'search' | 'secret' | 'skip'

interface Frame {
  zone: Zone
  isObject: boolean
  /** of the member that is being read; `plain` in a list */
  kind: NameKind
}

/** Longer names are not read: no API has one. */
const MAX_NAME_BYTES = 128
/** Names that are looked at once: bodies of one API have the same ones. 256 KB at most. */
const MAX_KNOWN_NAMES = 2000

const kindOf = (text: string): NameKind => {
  const name = unescapedName(text)
  if (CONVERSATION.has(name)) return 'conversation'
  if (PROPERTIES.has(name)) return 'properties'
  // apiKey → api_key
  const words = name.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2').toLowerCase()
  if (isSecretName(words) || HEADERS.test(words)) return 'credential'
  return ADDRESS.test(words) ? 'address' : 'plain'
}

const KNOWN_NAMES = new Map<string, NameKind>()

const kindIn = (body: Buffer, from: number, to: number): NameKind => {
  if (to - from > MAX_NAME_BYTES) return 'plain'
  const text = body.toString('latin1', from, to)
  const found = KNOWN_NAMES.get(text)
  if (found !== undefined) return found
  if (KNOWN_NAMES.size === MAX_KNOWN_NAMES) KNOWN_NAMES.clear()
  const kind = kindOf(text)
  KNOWN_NAMES.set(text, kind)
  return kind
}

/** @param depth of the parent, 1 for the body itself */
const zoneWithin = ({ zone, kind }: Frame, depth: number): Zone => {
  if (zone !== 'search') return zone
  if (kind === 'properties' || (kind === 'conversation' && depth === 1)) return 'skip'
  return kind === 'credential' ? 'secret' : 'search'
}

/**
 * A URL in its JSON without the user, the password and the query, which may be credentials; null where it has none.
 */
const withoutSecrets = (literal: Buffer): Buffer | null => {
  const text = literal.toString('latin1')
  const query = text.indexOf('?')
  const end = query < 0 ? text.length : query
  const start = text.indexOf('://') + 3
  const slash = text.indexOf('/', start)
  const at = text.lastIndexOf('@', slash < 0 || slash > end ? end : slash)
  const isUser = start > 2 && at >= start
  if (query < 0 && !isUser) return null
  const address = isUser
    ? text.slice(0, start) + CREDENTIAL_MARK + text.slice(at, end)
    : text.slice(0, end)
  return Buffer.from(query < 0 ? address : `${address}?${CREDENTIAL_MARK}"`, 'latin1')
}

/**
 * What is written for a string value. @param from of its quote @param end behind its other quote
 * @returns null where it stays
 */
const replacementOf = (
  { zone, kind }: Frame,
  body: Buffer,
  from: number,
  end: number
): Buffer | null => {
  if (end - from <= 2) return null
  if (zone === 'secret' || kind === 'credential') return MARK
  return kind === 'address' ? withoutSecrets(body.subarray(from, end)) : null
}

/**
 * A value deeper than `MAX_DEPTH`, whose names are not read, is one credential.
 * @returns the body itself where it has no credential, else a copy with `[CREDENTIAL]` for each
 */
export const withoutCredentials = (body: Buffer): Buffer => {
  const frames: Frame[] = []
  const stringEnd = stringEnds(body)
  const pieces: Buffer[] = []
  let [kept, deeper, deepFrom] = [0, 0, 0]
  let isName = false
  const replace = (from: number, end: number, replacement: Buffer): void => {
    pieces.push(body.subarray(kept, from), replacement)
    kept = end
  }
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!
    if (OBJECT_STOPS[byte] === 0) continue
    const frame = frames.at(-1)
    if (byte === QUOTE) {
      const end = stringEnd(at + 1)
      if (frame !== undefined && deeper === 0 && frame.zone !== 'skip') {
        if (!isName) {
          const replacement = replacementOf(frame, body, at, end + 1)
          if (replacement !== null) replace(at, end + 1, replacement)
        } else if (frame.zone === 'search') frame.kind = kindIn(body, at + 1, end)
      }
      at = end
      isName = false
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      const isObject = byte === OPEN_OBJECT
      const zone = frame === undefined ? 'search' : zoneWithin(frame, frames.length)
      if (frames.length < MAX_DEPTH) frames.push({ zone, isObject, kind: 'plain' })
      else if (deeper++ === 0) deepFrom = at
      isName = isObject
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      if (deeper === 0) frames.pop()
      else if (--deeper === 0 && frame?.zone !== 'skip') replace(deepFrom, at + 1, MARK)
      isName = false
    } else if (byte === COMMA) isName = frame?.isObject === true
  }
  if (deeper > 0 && frames.at(-1)?.zone !== 'skip') replace(deepFrom, body.length, MARK)
  return pieces.length === 0 ? body : Buffer.concat([...pieces, body.subarray(kept)])
}
