/**
 * Arguments of a call as JSON whose names have the order of the function's schema, as OpenAI documents it for its
 * own answers ("in the same order as the ordering of keys in the schema", Structured Outputs). Learned calls have sorted
 * names (`calls.ts`), which would let a reader of a stream see a later argument before an earlier one.
 */
import { isFields, ownOf, type Fields } from '../../openai/fields.ts'

const ALTERNATIVES = ['anyOf', 'oneOf', 'allOf']

/** @param reference a JSON pointer in a fragment (RFC 6901 §6); others lead nowhere */
const referredIn = (root: unknown, reference: unknown): unknown => {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined
  const names = reference.split('/').slice(1)
  return names.reduce<unknown>(
    (value, name) => ownOf(value, name.replaceAll('~1', '/').replaceAll('~0', '~')),
    root
  )
}

/** The schemas that may describe one value: those given, their alternatives, and what they refer to. */
const allOf = (schemas: readonly unknown[], root: unknown): Fields[] => {
  const found = new Set<Fields>()
  const open = schemas.toReversed()
  while (open.length > 0) {
    const schema = open.pop()
    if (!isFields(schema) || found.has(schema)) continue
    found.add(schema)
    const inner = ALTERNATIVES.flatMap((name) => ownOf(schema, name) ?? [])
    open.push(...[referredIn(root, ownOf(schema, '$ref')), ...inner].toReversed())
  }
  return [...found]
}

const objectText = (value: Fields, schemas: readonly Fields[], root: unknown): string => {
  const properties = schemas.map((schema) => ownOf(schema, 'properties'))
  const named = new Set(properties.flatMap((each) => (isFields(each) ? Object.keys(each) : [])))
  const names = [...named].filter((name) => Object.hasOwn(value, name))
  const others = Object.keys(value).filter((name) => !named.has(name))
  const members = [...names, ...others].map((name) => {
    const inner = properties.map((each) => ownOf(each, name))
    return `${JSON.stringify(name)}:${textOf(value[name], inner, root)}`
  })
  return `{${members.join(',')}}`
}

const textOf = (value: unknown, described: readonly unknown[], root: unknown): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const schemas = allOf(described, root)
  if (!Array.isArray(value)) return objectText(value as Fields, schemas, root)
  const items = schemas.map((schema) => ownOf(schema, 'items'))
  return `[${value.map((item) => textOf(item, items, root)).join(',')}]`
}

/**
 * @param given arguments of a call; members that the schema does not name come last, in their own order
 * @param parameters schema of the function; anything but an object orders nothing
 */
export const argumentsText = (given: Record<string, unknown>, parameters: unknown): string =>
  textOf(given, [parameters], parameters)
