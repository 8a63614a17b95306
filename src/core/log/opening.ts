/**
 * The opening of a conversation as a small number, by which a store finds its turns. It is made for every
 * record, so most requests are not parsed for it: only their first user message is. Pure.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { hashOf } from './hash.ts'
import { requestOf } from './record-bodies.ts'

/** Enough to leave few records to read, and too few to tell from it what a deleted text was. */
const BITS = 12
const MAX_CHARS = 1_000

/** of a JSON string that has so many characters at least: as an escape one takes six */
const ENOUGH_BYTES = 6 * MAX_CHARS
/** so that what is cut off is behind them */
const SPARE_BYTES = 64
/** of a surrogate pair as escapes */
const PAIR_BYTES = 12

const [QUOTE, BACKSLASH, COLON, COMMA, OPEN, CLOSE] = ['"', '\\', ':', ',', '{', '}'].map((char) =>
  char.charCodeAt(0)
) as [number, number, number, number, number, number]
const SPACE = 0x20
const ROLE = Buffer.from('"role"')
const USER = Buffer.from('"user"')
const CONTENT = Buffer.from('"content"')

/** Behind the last byte that is not white space, at the place or before it. */
const trimmedEnd = (body: Buffer, end: number): number => {
  let at = end
  while (at > 0 && body[at - 1]! <= SPACE) at--
  return at
}

/** @returns the place of the first byte that is not white space, from the place on */
const skipSpace = (body: Buffer, from: number): number => {
  let at = from
  while (at < body.length && body[at]! <= SPACE) at++
  return at
}

interface Found {
  begin: number
  /** behind the role's value */
  role: number
}

/**
 * The first message of a user that names its role first, as nearly all clients do.
 * @returns null: there is no such message; 'elsewhere': one names its role later
 */
const firstUserMessage = (body: Buffer): Found | null | 'elsewhere' => {
  for (let at = body.indexOf(USER); at >= 0; at = body.indexOf(USER, at + USER.length)) {
    const colon = trimmedEnd(body, at) - 1
    if (body[colon] !== COLON) continue
    const role = trimmedEnd(body, colon) - ROLE.length
    if (role < 0 || body.compare(ROLE, 0, ROLE.length, role, role + ROLE.length) !== 0) continue
    const begin = trimmedEnd(body, role) - 1
    return body[begin] === OPEN ? { begin, role: at + USER.length } : 'elsewhere'
  }
  return null
}

/** Behind the string's last quote. @param begin behind its first one */
const endOfString = (body: Buffer, begin: number): number => {
  for (let at = body.indexOf(QUOTE, begin); at >= 0; at = body.indexOf(QUOTE, at + 1)) {
    let first = at
    while (body[first - 1] === BACKSLASH) first--
    if ((at - first) % 2 === 0) return at + 1
  }
  return body.length
}

const endOfObject = (body: Buffer, begin: number): number => {
  let depth = 0
  for (let at = begin; at < body.length; at++) {
    const byte = body[at]
    if (byte === QUOTE) at = endOfString(body, at + 1) - 1
    else if (byte === OPEN) depth++
    else if (byte === CLOSE && --depth === 0) return at + 1
  }
  return body.length
}

/** The texts of a message, in one or in several parts. Nothing of it has been checked. */
const textOf = (content: unknown): string => {
  if (typeof content === 'string') return content
  const parts = (Array.isArray(content) ? content : []) as ({ text?: unknown } | null)[]
  return parts.map((part) => (typeof part?.text === 'string' ? part.text : '')).join('')
}

const parsedMessage = (body: Buffer, begin: number): Pick<ChatMessage, 'content'> | null => {
  try {
    return JSON.parse(body.toString('utf8', begin, endOfObject(body, begin))) as ChatMessage
  } catch {
    return null
  }
}

/** Behind the first quote of a text that follows the role; null: something else does. */
const beginOfText = (body: Buffer, role: number): number | null => {
  const comma = skipSpace(body, role)
  const name = skipSpace(body, comma + 1)
  const behindName = name + CONTENT.length
  if (body[comma] !== COMMA || behindName > body.length) return null
  if (body.compare(CONTENT, 0, CONTENT.length, name, behindName) !== 0) return null
  const colon = skipSpace(body, behindName)
  const quote = skipSpace(body, colon + 1)
  return body[colon] === COLON && body[quote] === QUOTE ? quote + 1 : null
}

/** The beginning of a long text, without decoding the rest; null: the text is short, or written in another way. */
const longText = (body: Buffer, role: number): string | null => {
  const begin = beginOfText(body, role)
  if (begin === null) return null
  const most = begin + ENOUGH_BYTES + SPARE_BYTES
  if (most >= body.length || endOfString(body.subarray(0, most + 1), begin) <= most) return null
  // a character that is cut is behind the ones that count, but an escape that is cut would not be JSON
  const escape = body.subarray(most - PAIR_BYTES, most).indexOf(BACKSLASH)
  const end = escape === -1 ? most : most - PAIR_BYTES + escape
  try {
    return JSON.parse(`"${body.toString('utf8', begin, end)}"`) as string
  } catch {
    return null
  }
}

const readWhole = (path: string, body: Buffer): Pick<ChatMessage, 'content'> | null =>
  requestOf({ path, request: body.toString('utf8') })?.messages.find(
    ({ role }) => role === 'user'
  ) ?? null

const openingMessage = (path: string, body: Buffer): Pick<ChatMessage, 'content'> | null => {
  const found = firstUserMessage(body)
  if (found === null || found === 'elsewhere') return readWhole(path, body)
  const content = longText(body, found.role)
  return content === null ? parsedMessage(body, found.begin) : { content }
}

/**
 * The same for all turns of a conversation, whose requests begin with the same user message. Others may have
 * the same number, too. @returns 12 bits; null for a request without a user's text
 */
export const openingOf = (path: string, body: Buffer): number | null => {
  const text = textOf(openingMessage(path, body)?.content).slice(0, MAX_CHARS)
  return text === '' ? null : hashOf(text) >>> (32 - BITS)
}
