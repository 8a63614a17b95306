/**
 * Rules by which a person searches the log. Pure.
 *
 * The opening of a conversation as a small number, by which a store finds its turns. It is made for every
 * record, so most requests are not parsed for it: only their first user message is. Pure.
 */
import { hashOf } from './hash.ts'
import type { StoredRecord } from './record.ts'
import { answerTexts, requestOf, userTexts } from './record-bodies.ts'
import { dialectOfRecord } from '../../openai/dialect.ts'
import { parseJson } from '../../openai/fields.ts'
import { orNull, Scanner, UNSURE } from '../../openai/json-edit.ts'

/** Enough to leave few records to read, and too few to tell from it what a deleted text was. */
const BITS = 12
const MAX_CHARS = 1_000

/** of a JSON string that has so many characters at least: as an escape one takes six */
const ENOUGH_BYTES = 6 * MAX_CHARS
/** so that what is cut off is behind them */
const SPARE_BYTES = 64
/** of a surrogate pair as escapes */
const PAIR_BYTES = 12

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const USER = '"user"'

/** The texts of a message, in one or in several parts. Nothing of it has been checked. */
const textOf = (content: unknown): string => {
  if (typeof content === 'string') return content
  const parts = (Array.isArray(content) ? content : []) as ({ text?: unknown } | null)[]
  return parts.map((part) => (typeof part?.text === 'string' ? part.text : '')).join('')
}

/** @returns the end of the value that the bytes begin with; null where it has none */
const endIn = (bytes: Buffer): number | null => orNull(() => new Scanner(bytes).value(0))

/** Of a long text the beginning alone is decoded. @param from of the value */
const valueAt = (body: Buffer, from: number): unknown => {
  const most = from + 1 + ENOUGH_BYTES + SPARE_BYTES
  if (body[from] === QUOTE && body.length > most && endIn(body.subarray(from, most)) === null) {
    // a character that is cut is behind the ones that count, but an escape that is cut would not be JSON
    const escape = body.subarray(most - PAIR_BYTES, most).indexOf(BACKSLASH)
    const end = escape === -1 ? most : most - PAIR_BYTES + escape
    const begin = parseJson(`${body.toString('utf8', from, end)}"`)
    if (begin !== null) return begin
  }
  return parseJson(body.toString('utf8', from, from + (endIn(body.subarray(from)) ?? 0)))
}

/** Where the content of the first message of a user begins. @returns null: the body has to be parsed */
const firstContent = (path: string, body: Buffer): number | null => {
  const list = dialectOfRecord({ path }).name === 'chat' ? 'messages' : 'input'
  const scanner = new Scanner(body)
  let first: number | null = null
  const readMessage = (open: number): number => {
    let [isUser, content] = [false, null as number | null]
    return scanner.members(open, (name, from) => {
      if (name === 'content') content = from
      if (name === 'role') isUser = body.toString('latin1', from, from + USER.length) === USER
      if (!isUser || content === null) return scanner.value(from)
      first = content
      // the rest is not read
      throw UNSURE
    })
  }
  orNull(() =>
    scanner.members(scanner.space(0), (name, from) =>
      name === list && body[from] === OPEN_LIST
        ? scanner.elements(from, readMessage)
        : scanner.value(from)
    )
  )
  return first
}

const openingContent = (path: string, body: Buffer): unknown => {
  const found = firstContent(path, body)
  if (found !== null) return valueAt(body, found)
  const request = requestOf({ path, request: body.toString('utf8') })
  return request?.messages.find(({ role }) => role === 'user')?.content
}

/**
 * The same for all turns of a conversation, whose requests begin with the same user message. Others may have
 * the same number, too. @returns 12 bits; null for a request without a user's text
 */
export const openingOf = (path: string, body: Buffer): number | null => {
  const text = textOf(openingContent(path, body)).slice(0, MAX_CHARS)
  return text === '' ? null : hashOf(text) >>> (32 - BITS)
}

/**
 * By what became of a request; `none`: no live template matched; `bought`: a move sent it to another model. Stored by
 * place: only add at the end.
 */
export const SEARCH_OUTCOMES = ['answered', 'fallback', 'skipped', 'none', 'bought'] as const

/** Place of answers that a move has bought. */
export const BOUGHT: number = SEARCH_OUTCOMES.indexOf('bought')

/** By the class of the answer's HTTP status; 499, a client that left, is one of `4xx`. */
export const SEARCH_STATUSES = ['2xx', '4xx', '5xx'] as const

type SearchOutcome = (typeof SEARCH_OUTCOMES)[number]
type SearchStatus = (typeof SEARCH_STATUSES)[number]

/** Selects the records that fit all given fields. */
export interface RecordFilter {
  tenant?: string
  outcome?: SearchOutcome
  status?: SearchStatus
  /** milliseconds since the epoch, inclusive */
  from?: number
  until?: number
  /** id of a record: it, and the other turns of its conversation */
  conversation?: string
  /** part of what the user wrote or of what was answered, in upper or lower case */
  text?: string
}

/** Conditions that every record which fits also meets, for a store to read fewer records. */
export interface Narrowing extends Omit<RecordFilter, 'conversation' | 'text'> {
  opening?: number | null
}

export interface CompiledFilter {
  narrowing: Narrowing
  /** needs no body; decides alone unless `readsBody` */
  fitsHead: (
    record: Pick<StoredRecord, 'id' | 'at' | 'tenant' | 'status' | 'route' | 'bought'>
  ) => boolean
  readsBody: boolean
  fitsBody: (record: Pick<StoredRecord, 'id' | 'path' | 'request' | 'response'>) => boolean
}

/** Turns that are further apart are not looked for. */
const CONVERSATION_MS = 24 * 3_600_000
/** Texts of this many plain characters at most are looked for in a body before it is parsed. */
const PROBE_CHARS = 200

/** The user messages of a request with all their parts, in their order. */
const userContents = (record: { path: string; request: string }): string[] =>
  (requestOf(record)?.messages ?? []).flatMap(({ role, content = null }) =>
    role === 'user' ? JSON.stringify(content) : []
  )

/** JSON writes plain characters literally or as \u escapes, so most other requests need no parsing. */
const probeFor = (opening: string): ((request: string) => boolean) => {
  const runs = opening.match(/[\w .,:;?!()-]+/g) ?? []
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '')
  const probe = longest.slice(0, PROBE_CHARS)
  return (request) => request.includes(probe) || request.includes('\\u')
}

/** Clients send a conversation's history with every turn, so one turn's user messages begin the other's. */
const isSameConversation = (one: readonly string[], other: readonly string[]): boolean => {
  const turns = Math.min(one.length, other.length)
  return turns > 0 && one.slice(0, turns).every((text, turn) => text === other[turn])
}

const outcomeOf = ({ route, bought }: Pick<StoredRecord, 'route' | 'bought'>): SearchOutcome =>
  bought === undefined ? (route?.outcome ?? 'none') : 'bought'

const statusClassOf = ({ status }: Pick<StoredRecord, 'status'>): number => Math.floor(status / 100)

/** The digit before `xx`. */
const digitOf = (status: SearchStatus): number => Number(status[0])

/** Where the turn has no user's text, no other record is of its conversation. */
const nearTo = (
  { tenant, at, path, request }: StoredRecord,
  asked: readonly string[]
): Narrowing => {
  const days = asked.length === 0 ? 0 : CONVERSATION_MS
  const opening = openingOf(path, Buffer.from(request))
  return { tenant, from: at - days, until: at + days, opening }
}

type Bodies = Pick<StoredRecord, 'path' | 'request' | 'response'>

const textTest = (text: string): ((record: Bodies) => boolean) => {
  const wanted = text.toLowerCase()
  const mayHave = probeFor(wanted)
  const hasIt = (found: string): boolean => found.toLowerCase().includes(wanted)
  return (record) =>
    (mayHave(record.request.toLowerCase()) && userTexts(record).some(hasIt)) ||
    (mayHave(record.response?.toLowerCase() ?? '') && answerTexts(record).some(hasIt))
}

/** Whether a record is within a day of the turn, and its tenant's. */
const nearTest =
  (turn: StoredRecord | null): CompiledFilter['fitsHead'] =>
  ({ tenant, at }) =>
    turn === null || (tenant === turn.tenant && Math.abs(at - turn.at) <= CONVERSATION_MS)

const turnTest = (turn: StoredRecord | null, asked: string[]): CompiledFilter['fitsBody'] => {
  if (turn === null) return () => true
  const hasOpening = probeFor(asked[0] ?? '')
  return (record) =>
    record.id === turn.id ||
    (hasOpening(record.request) && isSameConversation(userContents(record), asked))
}

/** What both ask for. */
const both = (one: Narrowing, other: Narrowing): Narrowing => {
  const from = Math.max(one.from ?? 0, other.from ?? 0)
  const until = Math.min(one.until ?? Infinity, other.until ?? Infinity)
  return {
    ...one,
    ...other,
    ...(from > 0 && { from }),
    ...(until < Infinity && { until }),
  }
}

/** @param turn the record that `conversation` names; null without it */
export const compileFilter = (
  { conversation: _conversation, text, ...fields }: RecordFilter,
  turn: StoredRecord | null
): CompiledFilter => {
  const { tenant, outcome, status, from, until } = fields
  const asked = turn === null ? [] : userContents(turn)
  const isNear = nearTest(turn)
  const isTurn = turnTest(turn, asked)
  const hasText = text === undefined ? () => true : textTest(text)
  return {
    narrowing: turn === null ? fields : both(fields, nearTo(turn, asked)),
    fitsHead: (record) =>
      (tenant === undefined || record.tenant === tenant) &&
      (outcome === undefined || outcomeOf(record) === outcome) &&
      (status === undefined || statusClassOf(record) === digitOf(status)) &&
      (from === undefined || record.at >= from) &&
      (until === undefined || record.at <= until) &&
      isNear(record),
    readsBody: turn !== null || text !== undefined,
    fitsBody: (record) => isTurn(record) && hasText(record),
  }
}

/**
 * Small numbers by which a store finds records. They are stored, so what a number means never changes. Two
 * tenants, or two openings, may have the same number, so `fitsHead` and `fitsBody` decide.
 */
export interface LookUpNumbers {
  /** 31 bits of a hash, so that it fits a signed integer */
  tenantNumber: number
  /** place in `SEARCH_OUTCOMES` */
  outcome: number
  /** the first digit */
  statusClass: number
  /** see `openingOf` */
  opening: number | null
}

const tenantNumberOf = (tenant: string): number => hashOf(tenant) >>> 1

/** Of a record. @param request as it is stored */
export const lookUpNumbers = (
  head: Pick<StoredRecord, 'tenant' | 'route' | 'status' | 'path' | 'bought'>,
  request: Buffer
): LookUpNumbers => ({
  tenantNumber: tenantNumberOf(head.tenant),
  outcome: SEARCH_OUTCOMES.indexOf(outcomeOf(head)),
  statusClass: statusClassOf(head),
  opening: openingOf(head.path, request),
})

/** Those that the records of a search have; empty where any will do. */
export const wantedNumbers = (narrowing: Narrowing): [keyof LookUpNumbers, number][] => {
  const { tenant, outcome, status, opening } = narrowing
  const numbers: [keyof LookUpNumbers, number | null | undefined][] = [
    ['tenantNumber', tenant === undefined ? null : tenantNumberOf(tenant)],
    ['outcome', outcome === undefined ? null : SEARCH_OUTCOMES.indexOf(outcome)],
    ['statusClass', status === undefined ? null : digitOf(status)],
    ['opening', opening],
  ]
  return numbers.filter((each): each is [keyof LookUpNumbers, number] => each[1] != null)
}
