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
const toolPieces = (
  { tools, functions, response_format: format }: ChatRequest,
  pool: PiecePool
): Piece[] => {
  const listed = [tools, functions].flatMap((list): unknown[] => (Array.isArray(list) ? list : []))
  const schemas = format?.type === 'json_schema' ? [format] : []
  return [
    ...listed.map((tool) => pool.of(orderedJson(tool), 'tool', toolName(tool))),
    ...schemas.map((schema) => pool.of(orderedJson(schema), 'tool', 'response_format')),
  ]
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

const valueOf = ({ slots, examples, query }: Match, segment: Segment): string => {
  if (segment.kind === 'anchor') return segment.text
  if (segment.kind === 'query') return query
  return (segment.kind === 'slot' ? slots[segment.name] : examples[segment.name]) ?? ''
}

const segmentPieces = (match: Match, segment: Segment, pool: PiecePool): Piece[] => {
  const text = valueOf(match, segment)
  if (text === '') return []
  if (segment.kind === 'anchor') return linesOf(text).map((line) => pool.of(line, 'constant'))
  return [pool.of(text, segment.kind, segment.kind === 'query' ? '' : segment.name)]
}

/** A longer piece is no part of a date. */
const MOST_DATE_BYTES = 40
const MOST_BETWEEN_BYTES = 12

const joined = (
  one: Piece | undefined,
  between: Piece | undefined,
  other: Piece | undefined
): string | null => {
  if (one?.part !== 'slot' || other?.part !== 'slot') return null
  if (one.bytes > MOST_DATE_BYTES || other.bytes > MOST_DATE_BYTES) return null
  if (between !== undefined && (between.part !== 'constant' || between.endsLine)) return null
  if ((between?.bytes ?? 0) > MOST_BETWEEN_BYTES) return null
  const text = `${one.head}${between?.head ?? ''}${other.head}`
  return maskOf(text) === null ? null : text
}

/** Slots that are one date together, such as a weekday, a day and a month, become one. */
const withDates = (pieces: readonly Piece[], pool: PiecePool): Piece[] => {
  const made: Piece[] = []
  for (let at = 0; at < pieces.length; at++) {
    const [last, beforeLast] = [made.at(-1), made.at(-2)]
    const beside = joined(last, undefined, pieces[at])
    const apart = beside === null ? joined(beforeLast, last, pieces[at]) : null
    const text = beside ?? apart
    if (text === null) made.push(pieces[at]!)
    else {
      const taken = made.splice(beside === null ? -2 : -1)
      made.push(pool.of(text, 'slot', taken[0]!.name))
    }
  }
  return made
}

const matchedPieces = (match: Match, pool: PiecePool): Piece[] => {
  const own = match.template.messages.flatMap((message) => [
    roleOf(message, pool),
    ...withDates(
      message.segments.flatMap((segment) => segmentPieces(match, segment, pool)),
      pool
    ),
  ])
  const later = match.turns.flatMap(({ role, content }) => [
    pool.of(`\n<${role}>\n`, 'after', role),
    pool.of(content, 'after'),
  ])
  return [...own, ...later]
}

const unmatchedPieces = ({ messages }: ChatRequest, pool: PiecePool): Piece[] =>
  messages.flatMap((message) => [
    roleOf(message, pool),
    ...linesOf(wholeText(message)).map((line) => pool.of(line, 'line')),
  ])

/** @param match null: no template has the request */
export const readPieces = (request: ChatRequest, match: Match | null, pool: PiecePool): Piece[] => [
  ...toolPieces(request, pool),
  ...(match === null ? unmatchedPieces(request, pool) : matchedPieces(match, pool)),
]

/** The constant text of a template, in the pieces that its requests have. */
export const anchorPieces = ({ messages }: Pick<Template, 'messages'>, pool: PiecePool): Piece[] =>
  messages.flatMap(({ segments }) =>
    segments.flatMap((segment) =>
      segment.kind === 'anchor'
        ? linesOf(segment.text).map((line) => pool.of(line, 'constant'))
        : []
    )
  )
