/**
 * A block of few-shot examples in one text, divided into its items. The items and the gaps between them are the
 * block, letter by letter, so a block holds nothing but known items where all of its parts are known.
 */
import { digestOf } from './example-pairs.ts'
import type { Division } from './template.ts'

export interface DividedBlock {
  /** without the space around them */
  items: string[]
  /** white space before, between and behind the items: one more than items */
  gaps: string[]
}

/** Items of a block at most; a larger block is not examined. */
const MAX_ITEMS = 256

const LINE_LABEL = /^\s{0,16}(?:([A-Za-z][\w /-]{0,30}[:=])|(["'`<*•-]|\d{1,6}[.)]))/u

/** "Question:", a bullet, an opening quote; the number of a list is 1. @returns null for a line without one */
export const lineLabel = (line: string): string | null => {
  const found = LINE_LABEL.exec(line)
  return found?.[1] ?? found?.[2]?.replace(/\d+/u, '1') ?? null
}

/** The lines with their offsets; a list of a million lines would take more time than reading them. */
function* linesOf(text: string): Generator<[line: string, at: number]> {
  let at = 0
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
    yield [text.slice(at, end), at]
    at = end + 1
  }
  yield [text.slice(at), at]
}

/** Offsets of the lines at which items begin. */
const startsOf = (block: string, start: string | null): number[] => {
  const starts: number[] = []
  let isBehindBlank = true
  for (const [line, at] of linesOf(block)) {
    const isBlank = line.trim() === ''
    if (start === null ? isBehindBlank && !isBlank : lineLabel(line) === start) starts.push(at)
    if (starts.length > MAX_ITEMS) break
    isBehindBlank = isBlank
  }
  return starts
}

/** @returns null for a block with text before its first item, without items, or with too many */
export const divideBlock = (
  block: string,
  { start }: Pick<Division, 'start'>
): DividedBlock | null => {
  const starts = startsOf(block, start)
  if (starts.length === 0 || starts.length > MAX_ITEMS) return null
  if (block.slice(0, starts[0]).trim() !== '') return null
  const items: string[] = []
  const gaps: string[] = []
  let gap = block.slice(0, starts[0])
  starts.forEach((from, index) => {
    const piece = block.slice(from, starts[index + 1])
    const item = piece.trim()
    const lead = piece.length - piece.trimStart().length
    gaps.push(gap + piece.slice(0, lead))
    items.push(item)
    gap = piece.slice(lead + item.length)
  })
  return { items, gaps: [...gaps, gap] }
}

/**
 * The labels of an item's lines in order: only those of the division, and a dot for lines with none of them. An
 * item with a line more than the others has another form.
 */
export const formOf = (item: string, labels: readonly string[]): string => {
  const form: string[] = []
  for (const [line] of linesOf(item)) {
    const label = lineLabel(line)
    const next = label !== null && labels.includes(label) ? label : '·'
    if (next !== '·' || form.at(-1) !== '·') form.push(next)
  }
  return form.join(' ')
}

/** The number of a list item, which is left out where it says nothing but its place. */
const LIST_NUMBER = /^(?:0|[1-9]\d{0,5})(?=[.)])/u

const numberOf = (item: string): number | null => {
  const [number] = LIST_NUMBER.exec(item) ?? []
  return number === undefined ? null : Number(number)
}

/** Digests have none of it, so it tells the gaps from the items. */
const GAP_MARK = '~'

const gapDigest = (gap: string): string => GAP_MARK + digestOf('gap', gap).slice(1)

/** Number of items among digests of blocks. */
export const itemsAmong = (digests: readonly string[]): number =>
  digests.filter((digest) => !digest.startsWith(GAP_MARK)).length

/**
 * Digests of a block's items in order. Numbers that count upward from 0 or 1 are not part of them: an example comes
 * back at another place. Any other number is, such as the answer of "18. shelf".
 */
export const itemDigests = (items: readonly string[]): string[] => {
  const start = items[0] !== undefined && numberOf(items[0]) === 0 ? 0 : 1
  return items.map((item, at) =>
    numberOf(item) === start + at
      ? digestOf('listed', item.replace(LIST_NUMBER, ''))
      : digestOf('item', item)
  )
}

/**
 * Digests of the items and of the gaps. @param block as it stands between the constant texts
 * @returns null as `divideBlock`
 */
export const blockDigests = (block: string, division: Division): string[] | null => {
  const divided = divideBlock(division.lead + block + division.tail, division)
  if (divided === null) return null
  const { items, gaps } = divided
  return [...itemDigests(items), ...gaps.map(gapDigest)]
}
