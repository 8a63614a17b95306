/** Rules by which a person searches the log. Pure. */
import type { StoredRecord } from './record.ts'
import { requestOf } from './record-bodies.ts'

/** By what became of a request; `none`: no live template matched. */
export const SEARCH_OUTCOMES = ['answered', 'fallback', 'skipped', 'none'] as const

/** By the class of the answer's HTTP status; 499, a client that left, is one of `4xx`. */
export const SEARCH_STATUSES = ['2xx', '4xx', '5xx'] as const

/** Selects the records that fit all given fields. */
export interface RecordFilter {
  tenant?: string
  outcome?: (typeof SEARCH_OUTCOMES)[number]
  status?: (typeof SEARCH_STATUSES)[number]
  /** id of a record: it, and the other turns of its conversation */
  conversation?: string
}

export interface CompiledFilter {
  /** no record needs to be looked at */
  fitsAll: boolean
  /** needs no body; decides alone unless `readsBody` */
  fitsHead: (record: Pick<StoredRecord, 'id' | 'at' | 'tenant' | 'status' | 'route'>) => boolean
  readsBody: boolean
  fitsBody: (record: Pick<StoredRecord, 'id' | 'path' | 'request'>) => boolean
}

/** Turns that are further apart are not looked for. */
const CONVERSATION_MS = 24 * 3_600_000
/** Texts of this many plain characters at most are looked for in a body before it is parsed. */
const PROBE_CHARS = 200

/** The user messages of a request, in their order. */
const userTexts = (record: { path: string; request: string }): string[] =>
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

const outcomeOf = ({ route }: Pick<StoredRecord, 'route'>): RecordFilter['outcome'] =>
  route?.outcome ?? 'none'

/** @param turn the record that `conversation` names; null without it */
export const compileFilter = (
  { tenant, outcome, status }: RecordFilter,
  turn: StoredRecord | null
): CompiledFilter => {
  const asked = turn === null ? [] : userTexts(turn)
  const hasOpening = probeFor(asked[0] ?? '')
  const isNear = (record: Pick<StoredRecord, 'id' | 'at' | 'tenant'>): boolean =>
    turn === null ||
    (record.tenant === turn.tenant && Math.abs(record.at - turn.at) <= CONVERSATION_MS)
  return {
    fitsAll: turn === null && [tenant, outcome, status].every((wanted) => wanted === undefined),
    fitsHead: (record) =>
      (tenant === undefined || record.tenant === tenant) &&
      (outcome === undefined || outcomeOf(record) === outcome) &&
      (status === undefined || Math.floor(record.status / 100) === Number(status[0])) &&
      isNear(record),
    readsBody: turn !== null,
    fitsBody: (record) =>
      turn === null ||
      record.id === turn.id ||
      (hasOpening(record.request) && isSameConversation(userTexts(record), asked)),
  }
}
