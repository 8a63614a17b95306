/**
 * Items of a request that have an id of ours, which no provider knows: a reference is replaced by the item that it
 * means, and an item that is there whole loses its id. All other bytes stay as they are. Pure.
 */
import { isFields, type Fields } from '../fields.ts'
import { readOwnId, type OwnId } from '../ids.ts'
import { edited, orNull, Scanner, type Edit, type Span } from '../json-edit.ts'
import { find, inputItemOf, type Exchanged, type OutputItem } from './continue.ts'

/** The member of a request whose items it is: of responses and of conversations. */
export type ItemList = 'input' | 'items'

export interface Reference extends Span {
  id: OwnId
}

export interface OwnItems {
  references: Reference[]
  /** which take the ids from items that are there whole */
  edits: Edit[]
}

const REFERENCE = 'item_reference'

/** A type may be left out: a reference has nothing but its id. */
const isReference = (item: Fields): boolean =>
  item['type'] === REFERENCE || ((item['type'] ?? null) === null && !('role' in item))

const parsed = (body: Buffer, { from, to }: Span): unknown =>
  JSON.parse(body.toString('utf8', from, to))

/** @returns null where the bytes are not clear about their items */
export const ownItemsIn = (body: Buffer, list: ItemList): OwnItems | null =>
  orNull(() => {
    const { value } = find(body, list)
    const items: OwnItems = { references: [], edits: [] }
    if (value === null || body[value.from] !== 0x5b) return items
    const scanner = new Scanner(body)
    for (const span of scanner.elements(value.from)) {
      if (body[span.from] !== 0x7b) continue
      const found = scanner.find('id', span.from)
      const id =
        found.value && readOwnId(body.toString('latin1', found.value.from + 1, found.value.to - 1))
      if (id === null) continue
      const item = parsed(body, span)
      if (isFields(item) && isReference(item)) items.references.push({ ...span, id })
      else items.edits.push({ ...scanner.member(found), text: '' })
    }
    return items
  })

/** @param texts JSON of the items that the references mean, in their order */
export const withItems = (
  body: Buffer,
  { references, edits }: OwnItems,
  texts: readonly string[]
): Buffer => {
  const replacements = references.map(({ from, to }, place) => ({ from, to, text: texts[place]! }))
  return edited(
    body,
    [...replacements, ...edits].toSorted((a, b) => a.from - b.from)
  )
}

/** JSON of the item that an id means, without the id; null where the response has no such item. */
export const itemOf = (kept: Exchanged, { output, input }: OwnId): string | null => {
  if (output !== null) {
    const items = (JSON.parse(kept.response) as { output: OutputItem[] }).output
    const item = items[output]
    return item === undefined ? null : JSON.stringify(inputItemOf(item))
  }
  const given = (JSON.parse(kept.request) as Fields)['input']
  const items: unknown[] = Array.isArray(given) ? given : [{ role: 'user', content: given }]
  const item = input === null ? undefined : items[input]
  if (!isFields(item)) return null
  const { id: _own, ...rest } = item
  return JSON.stringify(rest)
}
