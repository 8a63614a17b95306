/**
 * What of each request of a family is constant and what differs, and which cause a difference is. A template says it
 * of its own requests; of the others, lines that nearly all of them have are constant.
 */
import { groupBy } from '../group-by.ts'
import type { Piece } from './piece.ts'
import type { Family, FamilyRequest } from './families.ts'
import { maskOf, typedParts, type MaskName } from '../detect/building/mask.ts'
import { shapeOf } from '../template/shape.ts'

/** Marks of pieces; from 0 on, the index of a cause. */
export const CONSTANT = -1
/** Differs, and stays where it is: messages behind the template's own. */
const STAYS = -2

/** A piece in numbers: equal pieces of a family have equal ids. */
export interface LaidPiece {
  piece: Piece
  id: number
  bytes: number
  mark: number
}

export interface LaidRequest {
  /** place among the rows */
  index: number
  request: FamilyRequest
  tools: LaidPiece[]
  texts: LaidPiece[]
  /** of the last constant text; what a mend moves comes behind it */
  lastConstant: number
}

export const toolIds = ({ tools }: LaidRequest): number[] => tools.map(({ id }) => id)

/** Index of the first text that a mend of the cause moves; −1 without one. */
export const firstMoved = ({ texts, lastConstant }: LaidRequest, cause: number): number =>
  texts.findIndex(({ mark }, at) => mark === cause && at < lastConstant)

export interface Layout {
  rows: LaidRequest[]
  /** that the marks name */
  causes: TextCause[]
}

/** A line of so many requests is constant. */
const CONSTANT_SHARE = 0.9
/** Of all requests of a family together, so that a simulation takes a second at most. */
const MOST_PIECES = 400_000
/** Of one place: more tell no more. */
const MOST_VALUES = 200
/** Of a run of lines; what differs behind it tells no cause. */
const MOST_RUN_CHARS = 600

const bounded = (requests: readonly FamilyRequest[]): FamilyRequest[] => {
  let pieces = 0
  const end = requests.findIndex((request) => {
    pieces += request.pieces.length
    return pieces > MOST_PIECES
  })
  return requests.slice(0, end < 0 ? requests.length : Math.max(1, end))
}

/** Of lines without a template: hashes that nearly all requests have, and those that come again. */
interface Recurring {
  constant: ReadonlySet<number>
  repeated: ReadonlySet<number>
}

const recurringLines = (requests: readonly FamilyRequest[]): Recurring => {
  const counts = new Map<number, number>()
  for (const { pieces } of requests)
    for (const { hash } of new Set(pieces)) counts.set(hash, (counts.get(hash) ?? 0) + 1)
  const above = (least: number): Set<number> =>
    new Set([...counts].flatMap(([hash, count]) => (count >= least ? [hash] : [])))
  return {
    constant: above(Math.max(2, CONSTANT_SHARE * requests.length)),
    repeated: above(2),
  }
}

interface LaidPieces {
  request: FamilyRequest
  pieces: LaidPiece[]
}

/** Pieces of one place of one request that differ. */
interface Difference {
  pieces: LaidPiece[]
  text: string
}

/** A run of lines that differ, by the constant line before it. */
const runsOf = (
  pieces: readonly LaidPiece[],
  { constant }: Recurring
): [place: string, Difference][] => {
  const runs: [string, Difference][] = []
  let before = 0
  let run: Difference | null = null
  for (const laid of pieces) {
    const { part, hash, head } = laid.piece
    if (part !== 'line' || constant.has(hash)) {
      before = hash
      run = null
      continue
    }
    if (run === null) {
      run = { pieces: [], text: '' }
      runs.push([`line\n${before}`, run])
    }
    run.pieces.push(laid)
    if (run.text.length < MOST_RUN_CHARS) run.text = (run.text + head).slice(0, MOST_RUN_CHARS)
  }
  return runs
}

const placesOf = (
  { request: { version }, pieces }: LaidPieces,
  recurring: Recurring
): [place: string, Difference][] => {
  if (version === null) return runsOf(pieces, recurring)
  return pieces.flatMap((laid): [string, Difference][] => {
    const { part, name, head } = laid.piece
    return part === 'slot' || part === 'examples' || part === 'query'
      ? [[`${part}\n${version}\n${name}`, { pieces: [laid], text: head }]]
      : []
  })
}

const isRepeated = (differences: readonly Difference[], { repeated }: Recurring): boolean => {
  let [again, all] = [0, 0]
  for (const { piece } of differences.flatMap(({ pieces }) => pieces)) {
    all += piece.bytes
    if (repeated.has(piece.hash)) again += piece.bytes
  }
  return again >= all / 2
}

/** @returns null where the texts do not differ */
const causeAt = (
  place: string,
  differences: readonly Difference[],
  recurring: Recurring
): TextCause | null => {
  if (place.startsWith('query\n')) return 'user-text-first'
  if (place.startsWith('examples\n')) return 'retrieved-examples'
  const shown = differences.slice(0, MOST_VALUES)
  if (new Set(shown.map(({ text }) => text)).size < 2 && differences.length > 1)
    return isSame(differences) ? null : 'user-text-first'
  return causeOfTexts(
    shown.map(({ text }) => text),
    isRepeated(shown, recurring)
  )
}

const isSame = (differences: readonly Difference[]): boolean => {
  const texts = differences.map(({ pieces }) => pieces.map(({ id }) => id).join(' '))
  return new Set(texts).size < 2
}

/** Marks the pieces that differ. @returns the causes that the marks name */
const markCauses = (requests: readonly LaidPieces[], recurring: Recurring): TextCause[] => {
  const causes: TextCause[] = []
  const all = requests.flatMap((request) => placesOf(request, recurring))
  for (const [place, found] of groupBy(all, ([key]) => key)) {
    const differences = found.map(([, difference]) => difference)
    const cause = causeAt(place, differences, recurring)
    if (cause === null) continue
    if (!causes.includes(cause)) causes.push(cause)
    const mark = causes.indexOf(cause)
    for (const laid of differences.flatMap(({ pieces }) => pieces)) laid.mark = mark
  }
  return causes
}

const isTool = ({ piece }: LaidPiece): boolean => piece.part === 'tool'

/** The requests of a family in numbers, the first of them where they are too many; linear in their pieces. */
export const layOut = (family: Family): Layout => {
  const requests = bounded(family.requests)
  const recurring = recurringLines(requests.filter(({ version }) => version === null))
  const ids = new Map<number, number>()
  const idOf = ({ hash }: Piece): number => {
    const id = ids.get(hash) ?? ids.size + 1
    ids.set(hash, id)
    return id
  }
  const laid = requests.map((request): LaidPieces => {
    const pieces = request.pieces.map((piece): LaidPiece => {
      const mark = piece.part === 'after' ? STAYS : CONSTANT
      return { piece, id: idOf(piece), bytes: piece.bytes, mark }
    })
    return { request, pieces }
  })
  const causes = markCauses(laid, recurring)
  const rows = laid.map(({ request, pieces }, index): LaidRequest => {
    const texts = pieces.filter((piece) => !isTool(piece))
    const lastConstant = texts.findLastIndex(
      ({ mark, piece }) => mark === CONSTANT && piece.part !== 'role'
    )
    return { index, request, tools: pieces.filter(isTool), texts, lastConstant }
  })
  return { rows, causes }
}

export type TextCause =
  'date' | 'time' | 'name' | 'id' | 'counter' | 'retrieved-examples' | 'user-text-first'

const MOST = 0.9
const CLOCK = /\d{1,2}[:h.]\d{2}.*$|\d{1,2} ?(?:[ap]\.?m\.?|uhr).*$/iu
const NAME = /^\p{Lu}[\p{L}'’.-]{0,40}(?:,? \p{Lu}[\p{L}'’.-]{0,40}){0,3}$/u
/** One to three short words without the mark of a sentence. */
const FEW_WORDS = /^[\p{L}\p{N}'’_-]{1,24}(?: [\p{L}\p{N}'’_-]{1,24}){0,2}$/u
const IDENTIFIER = /^(?=[^\s]*\p{Nd})[\p{L}\p{N}#:_./-]{2,64}$/u
const CALENDAR = /(?<!‹)‹(?:month|weekday)›/u
/** Seconds since 1970 from 2001 to 2065; other numbers of ten digits are numbers. */
const [FIRST_SECOND, LAST_SECOND] = [1e9, 3e9]

const shareOf = <T>(items: readonly T[], test: (item: T) => boolean): number =>
  items.length === 0 ? 0 : items.filter(test).length / items.length

const neighboursOf = (values: readonly string[]): [string, string][] =>
  values.flatMap((value, at): [string, string][] => {
    const before = values[at - 1]
    return before === undefined ? [] : [[before, value]]
  })

const numberIn = (value: string): number => Number((/\d{1,15}(?!.*\d)/su.exec(value) ?? ['NaN'])[0])

/** Whether the numbers grow from one request to the next; equal neighbours say nothing. */
const isRising = (values: readonly string[]): boolean => {
  const steps = neighboursOf(values)
    .map(([one, other]) => numberIn(other) - numberIn(one))
    .filter((step) => step !== 0)
  return steps.length > 0 && shareOf(steps, (step) => step > 0) >= MOST
}

const isClock = (value: string): boolean => {
  const seconds = Number(value.trim().slice(0, 10))
  return seconds >= FIRST_SECOND && seconds <= LAST_SECOND
}

const differsInTime = ([one, other]: [string, string]): boolean =>
  one.replace(CLOCK, '') === other.replace(CLOCK, '')

/** Of a date with a time: what of it differs between neighbours. */
const dateOrTime = (values: readonly string[]): TextCause => {
  const changed = neighboursOf(values).filter(([one, other]) => one !== other)
  return shareOf(changed, differsInTime) >= 0.5 ? 'time' : 'date'
}

const numbered = (values: readonly string[]): TextCause => (isRising(values) ? 'counter' : 'id')

const ofMask = (mask: MaskName, values: readonly string[]): TextCause => {
  if (mask === 'date') return 'date'
  if (mask === 'time') return 'time'
  if (mask === 'datetime') return dateOrTime(values)
  if (mask === 'timestamp') return values.every(isClock) ? 'time' : numbered(values)
  return mask === 'ticket' ? numbered(values) : 'id'
}

/** Null where most values have no one type. */
const typed = (values: readonly string[]): TextCause | null => {
  const masks = values.map(maskOf)
  const found = masks.filter((mask) => mask !== null)
  if (found.length < MOST * values.length) return null
  const [most] = [...new Set(found)].toSorted(
    (a, b) => shareOf(found, (mask) => mask === b) - shareOf(found, (mask) => mask === a)
  )
  return most === undefined ? null : ofMask(most, values)
}

/** The values without the words that all of them begin and end with. */
const differing = (values: readonly string[]): string[] => {
  const words = values.map((value) => value.trim().split(/(?<=\s)/u))
  const least = Math.min(...words.map(({ length }) => length))
  const isShared = (wordOf: (own: string[]) => string | undefined): boolean =>
    new Set(words.map((own) => wordOf(own)?.trim())).size === 1
  let from = 0
  while (from < least && isShared((own) => own[from])) from++
  let end = 0
  while (end < least - from && isShared((own) => own.at(-1 - end))) end++
  return words.map((own) =>
    own
      .slice(from, own.length - end)
      .join('')
      .trim()
  )
}

const bare = (value: string): string => value.replace(/^[\s"'([<]+|[\s"'.,;:!?)\]>]+$/gu, '')

const hasCalendar = (value: string): boolean => CALENDAR.test(shapeOf(value) ?? '')

/** Null for text. */
const shortCause = (values: readonly string[]): TextCause | null => {
  const cores = values.map(bare).filter((value) => value !== '')
  const whole = typed(cores)
  if (whole !== null) return whole
  if (shareOf(cores, hasCalendar) >= MOST) return dateOrTime(cores)
  if (shareOf(cores, (value) => IDENTIFIER.test(value)) >= MOST) return numbered(cores)
  if (shareOf(cores, (value) => NAME.test(value) || FEW_WORDS.test(value)) >= 0.7) return 'name'
  return null
}

const textCause = (values: readonly string[]): TextCause | null => {
  const whole = typed(values)
  if (whole !== null) return whole
  const parts = typedParts([...values])?.flatMap((part) => ('values' in part ? [part.values] : []))
  const [first, second] = parts ?? []
  if (first === undefined) return shortCause(differing(values))
  return typed(first) ?? (second && typed(second)) ?? 'id'
}

/**
 * @param values starts of the texts in one place, at least two that differ, in the order of time
 * @param comesAgain long texts that come again are examples; those that do not are the user's
 */
export const causeOfTexts = (values: readonly string[], comesAgain: boolean): TextCause => {
  const found = textCause(values.slice(0, MOST_VALUES))
  return found ?? (comesAgain ? 'retrieved-examples' : 'user-text-first')
}
