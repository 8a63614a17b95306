/**
 * What of each request of a family is constant and what differs, and which cause a difference is. A template says it
 * of its own requests; of the others, lines that nearly all of them have are constant.
 */
import { groupBy } from '../group-by.ts'
import type { Piece } from './piece.ts'
import type { Family, FamilyRequest } from './request.ts'
import { causeOfTexts, type TextCause } from './text-cause.ts'

/** Marks of pieces; from 0 on, the index of a cause. */
export const CONSTANT = -1
/** Differs, and stays where it is: messages behind the template's own. */
const STAYS = -2

/** A request in numbers: equal pieces of a family have equal ids. */
export interface LaidRequest {
  request: FamilyRequest
  tools: { ids: number[]; bytes: number[] }
  pieces: readonly Piece[]
  ids: number[]
  bytes: number[]
  marks: number[]
  /** of the last constant text; what a mend moves comes behind it */
  lastConstant: number
}

export interface Layout {
  rows: LaidRequest[]
  /** that the marks name */
  causes: TextCause[]
}

/** A line of so many requests is constant. */
const CONSTANT_SHARE = 0.9
/** Of all requests of a family together, so that a simulation takes a second at most. */
const MOST_PIECES = 400_000
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

/** Pieces of one place of one request that differ. */
interface Difference {
  row: number
  /** indices of its pieces */
  from: number
  end: number
  text: string
}

/** A run of lines that differ, by the constant line before it. */
const runsOf = (
  pieces: readonly Piece[],
  row: number,
  { constant }: Recurring
): [place: string, Difference][] => {
  const runs: [string, Difference][] = []
  let before = 0
  for (let at = 0; at < pieces.length; at++) {
    const { part, hash } = pieces[at]!
    if (part !== 'line' || constant.has(hash)) {
      before = hash
      continue
    }
    const from = at
    while (pieces[at + 1]?.part === 'line' && !constant.has(pieces[at + 1]!.hash)) at++
    const text = pieces
      .slice(from, at + 1)
      .map(({ head }) => head)
      .join('')
      .slice(0, MOST_RUN_CHARS)
    runs.push([`line\n${before}`, { row, from, end: at + 1, text }])
  }
  return runs
}

const placesOf = (
  { pieces, version }: FamilyRequest,
  row: number,
  recurring: Recurring
): [place: string, Difference][] => {
  if (version === null) return runsOf(pieces, row, recurring)
  return pieces.flatMap(({ part, name, head }, at): [string, Difference][] =>
    part === 'slot' || part === 'examples' || part === 'query'
      ? [[`${part}\n${version}\n${name}`, { row, from: at, end: at + 1, text: head }]]
      : []
  )
}

const isRepeated = (
  differences: readonly Difference[],
  requests: readonly FamilyRequest[],
  { repeated }: Recurring
): boolean => {
  let [again, all] = [0, 0]
  for (const { row, from, end } of differences)
    for (const { hash, bytes } of requests[row]!.pieces.slice(from, end)) {
      all += bytes
      if (repeated.has(hash)) again += bytes
    }
  return again >= all / 2
}

/** @returns null where the texts do not differ */
const causeAt = (
  place: string,
  differences: readonly Difference[],
  requests: readonly FamilyRequest[],
  recurring: Recurring
): TextCause | null => {
  if (place.startsWith('query\n')) return 'user-text-first'
  if (place.startsWith('examples\n')) return 'retrieved-examples'
  const shown = differences.slice(0, MOST_VALUES)
  if (new Set(shown.map(({ text }) => text)).size < 2 && differences.length > 1)
    return isSame(differences, requests) ? null : 'user-text-first'
  return causeOfTexts(
    shown.map(({ text }) => text),
    isRepeated(shown, requests, recurring)
  )
}

const isSame = (
  differences: readonly Difference[],
  requests: readonly FamilyRequest[]
): boolean => {
  const hashes = differences.map(({ row, from, end }) =>
    requests[row]!.pieces.slice(from, end)
      .map(({ hash }) => hash)
      .join(' ')
  )
  return new Set(hashes).size < 2
}

const marksOf = (
  requests: readonly FamilyRequest[],
  recurring: Recurring
): { marks: number[][]; causes: TextCause[] } => {
  const causes: TextCause[] = []
  const marks = requests.map(({ pieces }): number[] =>
    pieces.map(({ part }) => (part === 'after' ? STAYS : CONSTANT))
  )
  const all = requests.flatMap((request, row) => placesOf(request, row, recurring))
  for (const [place, found] of groupBy(all, ([key]) => key)) {
    const differences = found.map(([, difference]) => difference)
    const cause = causeAt(place, differences, requests, recurring)
    if (cause === null) continue
    if (!causes.includes(cause)) causes.push(cause)
    for (const { row, from, end } of differences) marks[row]!.fill(causes.indexOf(cause), from, end)
  }
  return { marks, causes }
}

const lastConstantOf = (pieces: readonly Piece[], marks: readonly number[]): number => {
  for (let at = pieces.length - 1; at >= 0; at--)
    if (marks[at] === CONSTANT && pieces[at]!.part !== 'role') return at
  return -1
}

const isTool = ({ part }: Piece): boolean => part === 'tool'

/** The requests of a family in numbers, the first of them where they are too many; linear in their pieces. */
export const layOut = (family: Family): Layout => {
  const requests = bounded(family.requests)
  const recurring = recurringLines(requests.filter(({ version }) => version === null))
  const { marks, causes } = marksOf(requests, recurring)
  const ids = new Map<number, number>()
  const idOf = ({ hash }: Piece): number => {
    const id = ids.get(hash) ?? ids.size + 1
    ids.set(hash, id)
    return id
  }
  const rows = requests.map((request, row): LaidRequest => {
    const { pieces } = request
    const [tools, texts] = [pieces.filter(isTool), pieces.filter((piece) => !isTool(piece))]
    const own = marks[row]!.slice(tools.length)
    return {
      request,
      tools: { ids: tools.map(idOf), bytes: tools.map(({ bytes }) => bytes) },
      pieces: texts,
      ids: texts.map(idOf),
      bytes: texts.map(({ bytes }) => bytes),
      marks: own,
      lastConstant: lastConstantOf(texts, own),
    }
  })
  return { rows, causes }
}
