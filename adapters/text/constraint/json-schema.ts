/**
 * Makes a matcher of a JSON Schema: canonical JSON, which has the names of each object sorted and no blanks.
 * Every text that it takes is JSON; what a keyword asks beyond the ones read here is for the caller to check.
 * Where keywords allow more than is read, such as unnamed members beside named ones, fewer texts are taken.
 */
import { isFields } from '../../../src/openai/fields.ts'
import {
  anyObject,
  either,
  list,
  number,
  object,
  record,
  string,
  value,
  word,
  type Length,
  type Part,
} from './matcher.ts'

type Keywords = Readonly<Record<string, unknown>>

const keywordsIn = (of: unknown): Keywords => (isFields(of) ? of : {})

/** Schemas that are read for one value. Beyond, its other schemas take any value. */
const MAX_READ = 256

/** @returns null where the text is no part of a URI */
const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** The part of a document that a JSON pointer names (RFC 6901). @returns undefined where there is none */
const partAt = (root: unknown, pointer: string): unknown => {
  const path = /^#(?:\/|$)/.test(pointer) ? decoded(pointer.slice(1)) : null
  if (path === null) return undefined
  let part = root
  for (const name of path.split('/').slice(1)) {
    if (typeof part !== 'object' || part === null) return undefined
    const own = name.replaceAll('~1', '/').replaceAll('~0', '~')
    part = Object.hasOwn(part, own) ? (part as Keywords)[own] : undefined
  }
  return part
}

/** Names sorted at any depth. */
const canonical = (of: unknown): string =>
  JSON.stringify(of, (_name, inner: unknown) =>
    isFields(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner
  )

const lengthOf = (least: unknown, most: unknown): Length => ({
  least: typeof least === 'number' ? least : 0,
  most: typeof most === 'number' ? most : Infinity,
})

const oneOf =
  (parts: readonly Part[]): Part =>
  (rest) =>
    either(parts.map((part) => part(rest)))

const filled = (keyword: unknown): readonly unknown[] | null =>
  Array.isArray(keyword) && keyword.length > 0 ? keyword : null

/** One schema of several that all hold. Of most keywords the last one counts, which the caller's check makes good. */
const merged = (schemas: Keywords[]): Keywords => {
  const all: Record<string, unknown> = Object.assign({}, ...schemas)
  if (all['properties'] !== undefined)
    all['properties'] = Object.assign(
      {},
      ...schemas.map(({ properties }) => keywordsIn(properties))
    )
  if (all['required'] !== undefined)
    all['required'] = schemas.flatMap(({ required }) => filled(required) ?? [])
  return all
}

class Document {
  constructor(private readonly root: unknown) {}

  /** A value of the schema. It is read when the value begins, so a schema may contain itself. */
  part(schema: unknown, more: Keywords = {}): Part {
    return (rest) => {
      const room = { left: MAX_READ }
      return this.partOf({ ...this.read(schema, room), ...more }, room)(rest)
    }
  }

  /** Follows references and joins the schemas of `allOf`. */
  private read(schema: unknown, room: { left: number }): Keywords {
    const { $ref: pointer, allOf, ...own } = keywordsIn(schema)
    const target = typeof pointer === 'string' ? [partAt(this.root, pointer)] : []
    const others = [...target, ...(filled(allOf) ?? [])]
    if (others.length === 0 || room.left < others.length) return own
    room.left -= others.length
    return merged([...others.map((other) => this.read(other, room)), own])
  }

  private partOf(keywords: Keywords, room: { left: number }): Part {
    if (Object.hasOwn(keywords, 'const')) return word([canonical(keywords['const'])])
    const named = filled(keywords['enum'])
    if (named) return word(named.map(canonical))
    const { anyOf, oneOf: exactlyOneOf, ...own } = keywords
    const branches = filled(anyOf) ?? filled(exactlyOneOf)
    if (branches && room.left >= branches.length) {
      room.left -= branches.length
      return oneOf(
        branches.map((branch) => this.partOf(merged([own, this.read(branch, room)]), room))
      )
    }
    const types = filled(own['type'])
    if (types) return oneOf(types.map((type) => this.ofType(type, own)))
    return this.ofType(own['type'] ?? impliedType(own), own)
  }

  private ofType(type: unknown, keywords: Keywords): Part {
    switch (type) {
      case 'object':
        return this.object(keywords)
      case 'array':
        return this.list(keywords)
      case 'string':
        return string(lengthOf(keywords['minLength'], keywords['maxLength']))
      case 'number':
      case 'integer':
        return number(type === 'integer')
      case 'boolean':
        return word(['true', 'false'])
      case 'null':
        return word(['null'])
      default:
        return value()
    }
  }

  private list({ items, prefixItems, minItems, maxItems }: Keywords): Part {
    const first = filled(prefixItems) ?? []
    return list(
      (index) => this.part(index < first.length ? first[index] : items),
      lengthOf(minItems, items === false ? first.length : maxItems)
    )
  }

  private object({ properties, required, additionalProperties: others }: Keywords): Part {
    const names = Object.keys(keywordsIn(properties)).toSorted()
    if (others !== undefined && others !== false && names.length > 0) return anyObject
    if (others === undefined && names.length === 0) return anyObject
    if (names.length === 0 && others !== false) return record(this.part(others))
    const needed = new Set(filled(required) ?? [])
    return object(
      names.map((name) => ({
        name,
        isRequired: needed.has(name),
        value: this.part(keywordsIn(properties)[name]),
      }))
    )
  }
}

const impliedType = (keywords: Keywords): string | undefined => {
  if (Object.hasOwn(keywords, 'properties')) return 'object'
  return Object.hasOwn(keywords, 'items') ? 'array' : undefined
}

/** An object of the schema. */
export const objectOf = (schema: unknown): Part =>
  new Document(schema).part(schema, { type: 'object' })
