/** Chooses a span for each value of a row, so that no two overlap. */
import type { FieldContext } from '../form.ts'
import { byContext, isUsual } from './context.ts'
import type { RowWords, Span } from './row-words.ts'

/** A value of a field, and the spans that have it. */
export interface FieldDemand {
  field: number
  context: FieldContext
  spans: Span[]
  /** whether the value is also that of no span, such as a number that is 1 where none is said */
  isOptional: boolean
}

export interface AssignedSpan {
  field: number
  span: Span
}

/** Combinations that are tried for a row. */
const MAX_STEPS = 2000

const isFree = (span: Span, taken: readonly AssignedSpan[]): boolean =>
  taken.every(({ span: other }) => other.to <= span.from || other.from >= span.to)

/** The spans of a demand, the most usual first. Where none is needed, only those beside a word that is usual there. */
const usualSpans = (row: RowWords, { context, spans, isOptional }: FieldDemand): Span[] => {
  const ordered = byContext(context, row, spans)
  return isOptional ? ordered.filter((span) => isUsual(context, row, span)) : ordered
}

/** Depth first: each field takes its most usual span that is free. */
const assignFields = (
  row: RowWords,
  demands: readonly FieldDemand[],
  taken: readonly AssignedSpan[]
): AssignedSpan[] | null => {
  const ordered = demands
    .map((demand) => ({ ...demand, spans: usualSpans(row, demand) }))
    .sort((one, other) => one.spans.length - other.spans.length)
  const chosen = [...taken]
  let steps = 0
  const choose = (at: number): boolean => {
    const demand = ordered[at]
    if (demand === undefined) return true
    for (const span of demand.spans) {
      if (++steps > MAX_STEPS) return false
      if (!isFree(span, chosen)) continue
      chosen.push({ field: demand.field, span })
      if (choose(at + 1)) return true
      chosen.pop()
    }
    return demand.isOptional && choose(at + 1)
  }
  return choose(0) ? chosen : null
}

/** One field an item: each item as late as the next one allows, so that the items stand close together. */
const assignValues = (
  items: readonly FieldDemand[],
  taken: readonly AssignedSpan[]
): AssignedSpan[] | null => {
  const free = items.map(({ field, spans }) => ({
    field,
    spans: spans.filter((span) => isFree(span, taken)),
  }))
  let at = 0
  for (const { spans } of free) {
    const next = spans.filter((span) => span.from >= at)
    if (next.length === 0) return null
    at = Math.min(...next.map((span) => span.to))
  }
  return free
    .toReversed()
    .map(({ field, spans }) => {
      const before = spans.filter((span) => span.to <= at)
      const span = before.reduce((best, one) => (one.from > best.from ? one : best))
      at = span.from
      return { field, span }
    })
    .reverse()
}

const middleOf = (span: Span): number => (span.from + span.to) / 2

/** The free spans of an item's fields that are nearest to a span of one of them; null if a field has none. */
const around = (
  pivot: AssignedSpan,
  demands: readonly FieldDemand[],
  from: number,
  taken: readonly AssignedSpan[]
): AssignedSpan[] | null => {
  const chosen = [pivot]
  for (const { field, spans } of demands) {
    if (field === pivot.field) continue
    let nearest: Span | null = null
    for (const span of spans) {
      if (span.from < from || !isFree(span, taken) || !isFree(span, chosen)) continue
      const distance = Math.abs(middleOf(span) - middleOf(pivot.span))
      if (nearest === null || distance < Math.abs(middleOf(nearest) - middleOf(pivot.span)))
        nearest = span
    }
    if (nearest === null) return null
    chosen.push({ field, span: nearest })
  }
  return chosen
}

const endOf = (spans: readonly AssignedSpan[]): number =>
  Math.max(...spans.map(({ span }) => span.to))
const widthOf = (spans: readonly AssignedSpan[]): number =>
  endOf(spans) - Math.min(...spans.map(({ span }) => span.from))

/** The item whose spans stand closest together. */
const assignItem = (
  demands: readonly FieldDemand[],
  from: number,
  taken: readonly AssignedSpan[]
): AssignedSpan[] | null => {
  const rarest = demands.reduce((best, one) => (one.spans.length < best.spans.length ? one : best))
  let best: AssignedSpan[] | null = null
  for (const span of rarest.spans) {
    if (span.from < from || !isFree(span, taken)) continue
    const item = around({ field: rarest.field, span }, demands, from, taken)
    if (item !== null && (best === null || widthOf(item) < widthOf(best))) best = item
  }
  return best
}

const assignList = (
  items: readonly (readonly FieldDemand[])[],
  taken: readonly AssignedSpan[]
): AssignedSpan[] | null => {
  const singles = items.flatMap((item) => (item.length === 1 ? item : []))
  if (singles.length === items.length) return assignValues(singles, taken)
  const chosen: AssignedSpan[] = []
  let from = 0
  for (const demands of items) {
    // an item without a value cannot be told from none
    if (demands.length === 0) return null
    const item = assignItem(demands, from, taken)
    if (item === null) return null
    chosen.push(...item)
    from = endOf(item)
  }
  return chosen
}

const assignLists = (
  lists: readonly (readonly (readonly FieldDemand[])[])[],
  taken: readonly AssignedSpan[]
): AssignedSpan[] | null => {
  let all: AssignedSpan[] = [...taken]
  for (const items of lists) {
    const chosen = assignList(items, all)
    if (chosen === null) return null
    all = [...all, ...chosen]
  }
  return all
}

/**
 * A span for each value, none overlapping; null where none was found.
 * @param lists of each list the values of its items, in the order of the text
 */
export const assignSpans = (
  row: RowWords,
  fields: readonly FieldDemand[],
  lists: readonly (readonly (readonly FieldDemand[])[])[]
): AssignedSpan[] | null => {
  const first = assignFields(row, fields, [])
  const all = first && assignLists(lists, first)
  if (all !== null || lists.length === 0) return all
  const inLists = assignLists(lists, [])
  return inLists && assignFields(row, fields, inLists)
}
