/**
 * Finds the order in which the items of a list have their values in the text. It tells where an item begins that lacks
 * one: of "2 pens, ink, 3 books" the 3 is of the books.
 */
import { nodesOf, type Form, type FormNode, type ListNode } from '../form.ts'
import { readTargets, type FormRow } from '../read-targets.ts'
import { groupItems, isOfList, taggedSpans } from '../render-answer.ts'
import { RowWords } from '../spans/row-words.ts'
import { sampleOf } from './search.ts'

/** Share of the items that must have their values in one order. */
const MIN_SHARE = 0.98

/** Whether an item may lack a value: otherwise one begins where a field comes again. */
const hasOptional = (node: FormNode): node is ListNode =>
  node.kind === 'list' &&
  node.item.kind === 'object' &&
  node.item.members.some(
    ({ node: member }) => member.kind === 'copied' && member.otherwise !== null
  )

/** Whether each place is behind the one before it; -1 is none. */
export const areAscending = (places: readonly number[]): boolean =>
  places.every((place, at) => place > (places[at - 1] ?? -1))

/** The order of the items with the most values, where nearly all others have it; null: there is none. */
const orderOf = (items: readonly number[][]): number[] | null => {
  const longest = items.reduce((best, one) => (one.length > best.length ? one : best), [])
  const ordered = items.filter((fields) =>
    areAscending(fields.map((field) => longest.indexOf(field)))
  )
  return longest.length > 1 && ordered.length >= MIN_SHARE * items.length ? longest : null
}

/** The form with these orders; itself where no list has one. */
export const withItemOrders = (form: Form, rows: readonly FormRow[]): Form => {
  const copy = structuredClone(form)
  const lists = nodesOf(copy.root).filter(hasOptional)
  if (lists.length === 0) return form
  const read = sampleOf(rows).flatMap((row) => {
    const targets = readTargets(form, row)
    return targets ? [taggedSpans(new RowWords(row.sources), targets.tags)] : []
  })
  for (const list of lists) {
    const items = read.flatMap((spans) => groupItems(spans.filter(isOfList(list))))
    const order = orderOf(items.map((item) => [...item.keys()]).filter(({ length }) => length > 1))
    if (order !== null) list.order = order
  }
  return lists.some(({ order }) => order !== undefined) ? copy : form
}
