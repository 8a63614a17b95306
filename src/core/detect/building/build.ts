/**
 * Makes a template of samples that all hold one version of one prompt: anchors, slots, examples and
 * the query, in order. Knows nothing of counting or sampling.
 */
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

export interface BuildLimits {
  /** removable text that makes a template worth having, however long the text is that stays */
  minRemovableChars: number
  /** distinct queries over samples */
  minDistinctShare: number
}

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

interface Draft {
  roles: string[]
  /** pieces of each message */
  messages: Piece[][]
  /** the message that asks: the last one, but for those that the application alone writes */
  asked: number
  query: Variable
  /** messages of few-shot pairs that differ from sample to sample */
  paired: ReadonlySet<number>
  responses: (string | null)[]
  callers: string[]
  sole: SoleCaller
}

const draftOf = (samples: Sample[], roles: string[], text: LineText): Draft | null => {
  // some applications repeat their instructions behind the question
  const asked = roles.findLastIndex((role) => !isInstruction(role))
  if (roles[asked] !== 'user') return null
  const messages = roles.map((role, index) => {
    const fromUser = !isInstruction(role)
    return joinPieces(
      alignMessage(samples, index, text).flatMap((piece) => splitPiece(piece, fromUser))
    )
  })
  const query = findQuery(messages[asked]!)
  if (!query) return null
  return {
    roles,
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
const isInDialogue = ({ roles, asked }: Draft, message: number): boolean =>
  message < asked && !isInstruction(roles[message]!)

/** The end of the text's last line, and the beginning of its first one; '' where that is the whole text. */
const lastLine = (text: string): string => text.slice(text.lastIndexOf('\n') + 1 || text.length)
const firstLine = (text: string): string => text.slice(0, Math.max(0, text.indexOf('\n')))

/**
 * How a block of examples is divided, with the constant text in its first and last line: what all blocks have in
 * common there ("Question: ") is part of the first and the last example.
 */
const divisionOf = (
  draft: Draft,
  pieces: Piece[],
  at: number,
  asked: string[]
): Division | null => {
  const [before, block, after] = [pieces[at - 1], pieces[at] as Variable, pieces[at + 1]]
  const lead = before && !isVariable(before) ? lastLine(before.text) : ''
  const tail = after && !isVariable(after) ? firstLine(after.text) : ''
  return exampleDivision(block.values, { lead, tail }, draft.responses, asked)
}

/** The variable pairs of a question and an answer behind it, both of the pair. */
const pairedMessages = (roles: string[], messages: Piece[][]): ReadonlySet<number> =>
  new Set(
    pairStarts(roles)
      .map((at) => [at, at + 1])
      .filter((pair) => pair.some((at) => messages[at]!.some(isVariable)))
      .flat()
  )

/**
 * Whether the variable pairs come from a pool: some of those of a sample are also in another one, at any
 * place. And constant text comes before them, by which a conversation without them would be noticed.
 */
const areFromPool = (
  { roles, messages, paired }: Draft,
  samples: Sample[],
  text: LineText
): boolean => {
  if (paired.size === 0) return true
  const starts = pairStarts(roles).filter((at) => paired.has(at))
  if (!messages.slice(0, starts[0]).some((pieces) => textOf(pieces).trim() !== '')) return false
  const textAt = ({ messages: lines }: Sample, at: number): string =>
    Array.from(lines[at]!, text).join('\n')
  const drawn = samples.map(
    (sample) => new Set(starts.map((at) => pairDigest(textAt(sample, at), textAt(sample, at + 1))))
  )
  return recurrence(drawn.flatMap((pairs) => [...pairs])) >= MIN_POOL_RECURRENCE
}

/** The query with the text around it in its message, for each sample. */
const queryTexts = ({ messages, asked, query }: Draft): string[] => {
  const pieces = messages[asked]!
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
const slotOf = (draft: Draft, message: number, at: number, taken: Set<string>): Slot => {
  const pieces = draft.messages[message]!
  const { values } = pieces[at] as Variable
  const { roles, responses, callers, sole } = draft
  const before = textOf(pieces.slice(Math.max(0, at - 1), at))
  // a message of its own may be the user's
  const apart =
    !isInDialogue(draft, message) && constantUpToQuery(pieces, at, draft.query) >= APART_CHARS
  const role = roles[message]!
  return describeSlot({ values, responses, callers, sole, before, role, apart, taken })
}

/** Without examples yet: what becomes known is decided over all requests. */
const poolOf = ({ values }: Variable, division: Division): ExamplePool => ({
  division,
  known: [],
  seen: [],
  maxChars: mostChars(values),
})

/** Segments of one message; null when a variable part is neither a slot nor examples. */
const describeMessage = (
  draft: Draft,
  message: number,
  taken: Set<string>,
  asked: string[]
): Segment[] | null => {
  const pieces = draft.messages[message]!
  const role = draft.roles[message]!
  if (draft.paired.has(message)) {
    return [{ kind: 'examples', name: uniqueName('examples', taken) }]
  }
  const inDialogue = isInDialogue(draft, message)
  if (inDialogue && role !== 'user' && pieces.some(isVariable)) return null
  const segments: Segment[] = []
  for (const [at, piece] of pieces.entries()) {
    if (!isVariable(piece)) segments.push({ kind: 'anchor', text: piece.text })
    else if (piece === draft.query) segments.push({ kind: 'query' })
    else {
      const division = inDialogue ? null : divisionOf(draft, pieces, at, asked)
      segments.push(
        division === null
          ? slotOf(draft, message, at, taken)
          : { kind: 'examples', name: uniqueName('examples', taken), pool: poolOf(piece, division) }
      )
    }
  }
  return segments
}

const meanChars = (values: string[]): number =>
  values.reduce((sum, value) => sum + value.length, 0) / values.length

const isKept = (segment: Segment): boolean =>
  segment.kind === 'query' || (segment.kind === 'slot' && segment.kept)

/** Mean characters that a request loses. */
const removedChars = (draft: Draft, messages: TemplateMessage[]): number =>
  messages
    .flatMap(({ segments }, index) =>
      draft.messages[index]!.filter((_, at) => draft.paired.has(index) || !isKept(segments[at]!))
    )
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
  text: LineText,
  limits: BuildLimits
): Template | null => {
  const draft = draftOf(samples, roles, text)
  if (!draft || !areFromPool(draft, samples, text)) return null
  if (new Set(draft.query.values).size < samples.length * limits.minDistinctShare) return null
  const taken = new Set<string>()
  const asked = queryTexts(draft)
  const messages: TemplateMessage[] = []
  for (const [index, role] of roles.entries()) {
    const segments = describeMessage(draft, index, taken, asked)
    if (!segments) return null
    messages.push({ role, segments })
  }
  if (removedChars(draft, messages) < limits.minRemovableChars) return null
  const maxTurnsAfter = Math.max(...samples.map((sample) => sample.turns))
  return { ...key, version: versionOf(key, messages), messages, maxTurnsAfter }
}
