/**
 * Items of a request that have an id of ours, which no provider knows: a reference is replaced by the item that it
 * means, and an item that is there whole loses its id. All other bytes stay as they are. Pure.
 */
import { isFields, type Fields } from '../fields.ts'
import { readOwnId, type OwnId } from '../ids.ts'
import { edited, orNull, Scanner, UNSURE, type Edit, type Span } from '../json-edit.ts'
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

const REFERENCE = '"item_reference"'

/** In one request: a conversation has some for each of its turns. */
export const MAX_REFERENCES = 1_000

/** A type may be left out: a reference has nothing but its id. Unsure about a type with escapes. */
const isReference = (scanner: Scanner, body: Buffer, open: number): boolean => {
  const { value } = scanner.find('type', open)
  const type = value === null ? 'null' : body.toString('latin1', value.from, value.to)
  if (type.includes('\\')) throw UNSURE
  return type === REFERENCE || (type === 'null' && scanner.find('role', open).value === null)
}

/**
 * Parses no item: an item may have any size, and the upstream judges it.
 * @returns null where the bytes are not clear about their items; one reference too many at most
 */
export const ownItemsIn = (body: Buffer, list: ItemList): OwnItems | null =>
  orNull(() => {
    const { value } = find(body, list)
    const items: OwnItems = { references: [], edits: [] }
    if (value === null || body[value.from] !== 0x5b) return items
    const scanner = new Scanner(body)
    scanner.elements(value.from, (from) => {
      const to = scanner.value(from)
      if (body[from] !== 0x7b || items.references.length > MAX_REFERENCES) return to
      const { name, value: quoted } = scanner.find('id', from)
      const id = quoted && readOwnId(body.toString('latin1', quoted.from + 1, quoted.to - 1))
      if (quoted === null || id === null) return to
      if (isReference(scanner, body, from)) items.references.push({ from, to, id })
      else items.edits.push({ ...scanner.member(name, quoted), text: '' })
      return to
    })
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

const inputOf = (request: string): unknown[] => {
  const { input } = JSON.parse(request) as Fields
  return Array.isArray(input) ? input : [{ role: 'user', content: input }]
}

/** The items of a kept response by their ids. Its bodies are read once, however many are asked for. */
export class KeptItems {
  private output: OutputItem[] | null = null
  private input: unknown[] | null = null

  constructor(private readonly kept: Exchanged) {}

  /** JSON of an item, without the id; null where there is no such item. */
  textOf({ output, input }: OwnId): string | null {
    if (output !== null) {
      this.output ??= (JSON.parse(this.kept.response) as { output: OutputItem[] }).output
      const item = this.output[output]
      return item === undefined ? null : JSON.stringify(inputItemOf(item))
    }
    this.input ??= inputOf(this.kept.request)
    const item = input === null ? undefined : this.input[input]
    if (!isFields(item)) return null
    const { id: _own, ...rest } = item
    return JSON.stringify(rest)
  }
}
