/**
 * Makes a template of samples that all hold one version of one prompt: anchors, slots, examples and
 * the query, in order. Knows nothing of counting or sampling.
 */
import { itemAt } from '../../lists.ts'
import { pairDigest, pairStarts } from '../../template/example-pairs.ts'
import type {
  Division,
  ExamplePool,
  Segment,
  Slot,
  Template,
  TemplateKey,
  TemplateMessage,
} from '../../template/template.ts'
import { versionOf } from '../../template/version.ts'
import { alignMessage, joinPieces, type LineText, type Piece } from './align.ts'
import { soleCaller, type SoleCaller } from '../sampling/callers.ts'
import type { Sample } from '../sampling/clusters.ts'
import { splitPiece } from './split.ts'
import { exampleDivision, MIN_POOL_RECURRENCE, recurrence } from './examples.ts'
import { describeSlot, isInstruction, mostChars, uniqueName } from './slots.ts'

/**
 * Removable text that makes a template worth having, however long the text is that stays: constant text, examples and
 * dropped slots, on average; 4 characters stand for a token.
 */
const MIN_REMOVABLE_CHARS = 120
/** Distinct queries over samples. */
const MIN_DISTINCT_SHARE = 0.5

const NEARLY_MOST_DISTINCT = 0.95
const APART_CHARS = 24

type Variable = Extract<Piece, { values: string[] }>

const isVariable = (piece: Piece): piece is Variable => 'values' in piece

/** The constant text of the pieces. */
const textOf = (pieces: Piece[]): string =>
  pieces.map((piece) => (isVariable(piece) ? '' : piece.text)).join('')

/** The query among a message's pieces: the one with the most distinct values, the last among equals. */
const findQuery = (pieces: Piece[]): Variable | undefined => {
  const distinct = ({ values }: Variable): number => new Set(values).size
  const variables = pieces.filter(isVariable)
  const most = Math.max(...variables.map(distinct))
  return variables.findLast((piece) => distinct(piece) >= most * NEARLY_MOST_DISTINCT)
}

interface DraftMessage {
  index: number
  role: string
  pieces: Piece[]
}

interface Draft {
  messages: DraftMessage[]
  /** the message that asks: the last one, but for those that the application alone writes */
  asked: DraftMessage
  query: Variable
  /** messages of few-shot pairs that differ from sample to sample */
  paired: ReadonlySet<number>
  responses: (string | null)[]
  callers: string[]
  sole: SoleCaller
}

const draftOf = (samples: Sample[], roles: string[], text: LineText): Draft | null => {
  // some applications repeat their instructions behind the question
  if (roles.findLast((role) => !isInstruction(role)) !== 'user') return null
  const messages = roles.map((role, index): DraftMessage => {
    const fromUser = !isInstruction(role)
    const aligned = alignMessage(samples, index, text)
    const pieces = joinPieces(aligned.flatMap((piece) => splitPiece(piece, fromUser)))
    return { index, role, pieces }
  })
  const asked = messages.findLast(({ role }) => role === 'user')
  const query = asked && findQuery(asked.pieces)
  if (!query) return null
  return {
    messages,
    asked,
    query,
    paired: pairedMessages(roles, messages),
    responses: samples.map(({ response }) => response),
    callers: samples.map(({ caller }) => caller),
    sole: soleCaller(samples),
  }
}

/** A message whose first line an end user may have written, in front of the one that asks. */
const isInDialogue = ({ asked }: Draft, { index, role }: DraftMessage): boolean =>
  index < asked.index && !isInstruction(role)

/** The end of the text's last line, and the beginning of its first one; '' where that is the whole text. */
const lastLine = (text: string): string => text.slice(text.lastIndexOf('\n') + 1 || text.length)
const firstLine = (text: string): string => text.slice(0, Math.max(0, text.indexOf('\n')))

/**
 * How a block of examples is divided, with the constant text in its first and last line: what all blocks have in
 * common there ("Question: ") is part of the first and the last example.
 */
const divisionOf = (
  { responses }: Draft,
  pieces: Piece[],
  block: Variable,
  asked: string[]
): Division | null => {
  const at = pieces.indexOf(block)
  const [before, after] = [pieces[at - 1], pieces[at + 1]]
  const lead = before && !isVariable(before) ? lastLine(before.text) : ''
  const tail = after && !isVariable(after) ? firstLine(after.text) : ''
  return exampleDivision(block.values, { lead, tail }, responses, asked)
}

/** The variable pairs of a question and an answer behind it, both of the pair. */
const pairedMessages = (roles: string[], messages: DraftMessage[]): ReadonlySet<number> =>
  new Set(
    pairStarts(roles)
      .map((at) => messages.slice(at, at + 2))
      .filter((pair) => pair.some(({ pieces }) => pieces.some(isVariable)))
      .flatMap((pair) => pair.map(({ index }) => index))
  )

/**
 * Whether the variable pairs come from a pool: some of those of a sample are also in another one, at any
 * place. And constant text comes before them, by which a conversation without them would be noticed.
 */
const areFromPool = ({ messages, paired }: Draft, samples: Sample[], text: LineText): boolean => {
  if (paired.size === 0) return true
  const starts = pairStarts(messages.map(({ role }) => role)).filter((at) => paired.has(at))
  if (!messages.slice(0, starts[0]).some(({ pieces }) => textOf(pieces).trim() !== '')) return false
  const textAt = ({ messages: lines }: Sample, at: number): string =>
    Array.from(itemAt(lines, at), text).join('\n')
  const drawn = samples.map(
    (sample) => new Set(starts.map((at) => pairDigest(textAt(sample, at), textAt(sample, at + 1))))
  )
  return recurrence(drawn.flatMap((pairs) => [...pairs])) >= MIN_POOL_RECURRENCE
}

/** The query with the text around it in its message, for each sample. */
const queryTexts = ({ asked: { pieces }, query }: Draft): string[] => {
  const at = pieces.indexOf(query)
  const around = textOf(pieces.slice(Math.max(0, at - 5), at + 2))
  return query.values.map((value) => `${around}\n${value}`)
}

/** The constant text between a piece and the query of the same message. */
const constantUpToQuery = (pieces: Piece[], from: number, query: Piece): number => {
  const at = pieces.indexOf(query)
  return at < 0 ? Infinity : textOf(pieces.slice(Math.min(from, at), Math.max(from, at))).length
}

/** The slot at a piece of a message. */
const slotOf = (draft: Draft, message: DraftMessage, piece: Variable, taken: Set<string>): Slot => {
  const { pieces, role } = message
  const { responses, callers, sole } = draft
  const at = pieces.indexOf(piece)
  const before = textOf(pieces.slice(Math.max(0, at - 1), at))
  // a message of its own may be the user's
  const apart =
    !isInDialogue(draft, message) && constantUpToQuery(pieces, at, draft.query) >= APART_CHARS
  return describeSlot({
    values: piece.values,
    responses,
    callers,
    sole,
    before,
    role,
    apart,
    taken,
  })
}

/** Without examples yet: what becomes known is decided over all requests. */
const poolOf = ({ values }: Variable, division: Division): ExamplePool => ({
  division,
  known: [],
  seen: [],
  maxChars: mostChars(values),
})

/** A segment with the pieces that it is of. */
interface Described {
  segment: Segment
  pieces: Piece[]
}

/** Segments of one message; null when a variable part is neither a slot nor examples. */
const describeMessage = (
  draft: Draft,
  message: DraftMessage,
  taken: Set<string>,
  asked: string[]
): Described[] | null => {
  const { index, role, pieces } = message
  if (draft.paired.has(index)) {
    return [{ segment: { kind: 'examples', name: uniqueName('examples', taken) }, pieces }]
  }
  const inDialogue = isInDialogue(draft, message)
  if (inDialogue && role !== 'user' && pieces.some(isVariable)) return null
  const segmentOf = (piece: Piece): Segment => {
    if (!isVariable(piece)) return { kind: 'anchor', text: piece.text }
    if (piece === draft.query) return { kind: 'query' }
    const division = inDialogue ? null : divisionOf(draft, pieces, piece, asked)
    return division === null
      ? slotOf(draft, message, piece, taken)
      : { kind: 'examples', name: uniqueName('examples', taken), pool: poolOf(piece, division) }
  }
  return pieces.map((piece) => ({ segment: segmentOf(piece), pieces: [piece] }))
}

const meanChars = (values: string[]): number =>
  values.reduce((sum, value) => sum + value.length, 0) / values.length

const isKept = (segment: Segment): boolean =>
  segment.kind === 'query' || (segment.kind === 'slot' && segment.kept)

/** Mean characters that a request loses. */
const removedChars = (described: Described[]): number =>
  described
    .flatMap(({ segment, pieces }) => (isKept(segment) ? [] : pieces))
    .reduce(
      (sum, piece) => sum + (isVariable(piece) ? meanChars(piece.values) : piece.text.length),
      0
    )

/**
 * @param samples of one version
 * @returns null when too little can be removed, there is no query, or the same requests recur
 */
export const buildTemplate = (
  key: TemplateKey,
  roles: string[],
  samples: Sample[],
  text: LineText
): Template | null => {
  const draft = draftOf(samples, roles, text)
  if (!draft || !areFromPool(draft, samples, text)) return null
  if (new Set(draft.query.values).size < samples.length * MIN_DISTINCT_SHARE) return null
  const taken = new Set<string>()
  const asked = queryTexts(draft)
  const all: Described[] = []
  const messages: TemplateMessage[] = []
  for (const message of draft.messages) {
    const described = describeMessage(draft, message, taken, asked)
    if (!described) return null
    all.push(...described)
    messages.push({ role: message.role, segments: described.map(({ segment }) => segment) })
  }
  if (removedChars(all) < MIN_REMOVABLE_CHARS) return null
  const maxTurnsAfter = Math.max(...samples.map((sample) => sample.turns))
  return { ...key, version: versionOf(key, messages), messages, maxTurnsAfter }
}
