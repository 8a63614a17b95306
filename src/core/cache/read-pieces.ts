/**
 * A request as its provider reads it: the tools, the schema of the answer, then the messages in order. Where a
 * template matches, its own segments are the pieces; where none does, the lines are.
 */
import type { ChatMessage, ChatRequest } from '../../openai/chat.ts'
import { maskOf } from '../detect/building/mask.ts'
import { orderedJson } from '../json.ts'
import { messageText } from '../request/request-scan.ts'
import type { Match, Segment, Template } from '../template/template.ts'
import { linesOf, type Piece, type PiecePool } from './piece.ts'

const toolName = (tool: unknown): string => {
  const { name, function: inner } = (tool ?? {}) as { name?: unknown; function?: unknown }
  const found = name ?? (inner as { name?: unknown } | null | undefined)?.name
  return typeof found === 'string' ? found.slice(0, 80) : ''
}

/** OpenAI reads the schema of the answer before the messages ("Prompt caching", "What can be cached"). */
function* toolPieces(
  { tools, functions, response_format: format }: ChatRequest,
  pool: PiecePool
): Generator<Piece> {
  for (const list of [tools, functions])
    for (const tool of Array.isArray(list) ? (list as unknown[]) : [])
      yield pool.of(orderedJson(tool), 'tool', toolName(tool))
  if (format?.type === 'json_schema') yield pool.of(orderedJson(format), 'tool', 'response_format')
}

const roleOf = ({ role }: { role: string }, pool: PiecePool): Piece =>
  pool.of(`\n<${role}>\n`, 'role', role.slice(0, 40))

const CALL_FIELDS = ['content', 'tool_calls', 'function_call'] as const

/** All that a model reads of a message, calls and pictures too. */
const wholeText = (message: ChatMessage): string =>
  messageText(message) ??
  CALL_FIELDS.flatMap((field) => {
    const value = message[field]
    if (value === undefined || value === null) return []
    return typeof value === 'string' ? value : orderedJson(value)
  }).join('\n')

const valueOf = (
  { slots, examples, query }: Match,
  segment: Exclude<Segment, { kind: 'anchor' }>
): string => {
  if (segment.kind === 'query') return query
  return (segment.kind === 'slot' ? slots[segment.name] : examples[segment.name]) ?? ''
}

const segmentPieces = (match: Match, segment: Segment, pool: PiecePool): readonly Piece[] => {
  if (segment.kind === 'anchor') return pool.ofAnchor(segment)
  const text = valueOf(match, segment)
  if (text === '') return []
  return [pool.of(text, segment.kind, segment.kind === 'query' ? '' : segment.name)]
}

/** A longer piece is no part of a date. */
const MOST_DATE_BYTES = 40
const MOST_BETWEEN_BYTES = 12

const joined = (
  one: Piece | undefined,
  between: Piece | undefined,
  other: Piece
): { text: string; name: string } | null => {
  if (one?.part !== 'slot' || other.part !== 'slot') return null
  if (one.bytes > MOST_DATE_BYTES || other.bytes > MOST_DATE_BYTES) return null
  if (between !== undefined && (between.part !== 'constant' || between.endsLine)) return null
  if ((between?.bytes ?? 0) > MOST_BETWEEN_BYTES) return null
  const text = `${one.head}${between?.head ?? ''}${other.head}`
  return maskOf(text) === null ? null : { text, name: one.name }
}

/** Slots that are one date together, such as a weekday, a day and a month, become one. */
const withDates = (pieces: readonly Piece[], pool: PiecePool): Piece[] => {
  const made: Piece[] = []
  for (const piece of pieces) {
    const [last, beforeLast] = [made.at(-1), made.at(-2)]
    const beside = joined(last, undefined, piece)
    const date = beside ?? joined(beforeLast, last, piece)
    if (date === null) made.push(piece)
    else {
      made.splice(beside === null ? -2 : -1)
      made.push(pool.of(date.text, 'slot', date.name))
    }
  }
  return made
}

function* matchedPieces(match: Match, pool: PiecePool): Generator<Piece> {
  for (const message of match.template.messages) {
    yield roleOf(message, pool)
    yield* withDates(
      message.segments.flatMap((segment) => segmentPieces(match, segment, pool)),
      pool
    )
  }
  for (const { role, content } of match.turns) {
    yield pool.of(`\n<${role}>\n`, 'after', role)
    yield pool.of(content, 'after')
  }
}

function* unmatchedPieces({ messages }: ChatRequest, pool: PiecePool): Generator<Piece> {
  for (const message of messages) {
    yield roleOf(message, pool)
    for (const line of linesOf(wholeText(message))) yield pool.of(line, 'line')
  }
}

function* allPieces(request: ChatRequest, match: Match | null, pool: PiecePool): Generator<Piece> {
  yield* toolPieces(request, pool)
  yield* match === null ? unmatchedPieces(request, pool) : matchedPieces(match, pool)
}

/** The rest of a longer request is one piece: 16 MB may have a million of them. */
const MOST_PIECES_OF_A_REQUEST = 600

/** @param match null: no template has the request */
export const readPieces = (request: ChatRequest, match: Match | null, pool: PiecePool): Piece[] => {
  const pieces: Piece[] = []
  let [hash, bytes] = [7, 0]
  for (const piece of allPieces(request, match, pool)) {
    if (pieces.length < MOST_PIECES_OF_A_REQUEST) pieces.push(piece)
    else {
      hash = (hash * 31 + piece.hash) % 2 ** 47
      bytes += piece.bytes
    }
  }
  const last = pieces.at(-1)
  if (last === undefined || bytes === 0) return pieces
  return [...pieces.slice(0, -1), { ...last, hash: last.hash + hash, bytes: last.bytes + bytes }]
}

/** The constant text of a template, in the pieces that its requests have. */
export const anchorPieces = ({ messages }: Pick<Template, 'messages'>, pool: PiecePool): Piece[] =>
  messages.flatMap(({ segments }) =>
    segments.flatMap((segment) => (segment.kind === 'anchor' ? pool.ofAnchor(segment) : []))
  )
