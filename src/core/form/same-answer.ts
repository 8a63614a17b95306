/** When an answer that a form gives is the logged one. */
import type { Form } from './form.ts'
import { findJson } from './json/style.ts'
import { keyOf, type JsonValue } from './json/value.ts'

const sorted = (value: JsonValue): JsonValue => {
  if (value.kind === 'list') return { ...value, items: value.items.map(sorted) }
  if (value.kind !== 'object') return value
  const members = value.members.map(([name, inner]): [string, JsonValue] => [name, sorted(inner)])
  return { ...value, members: members.sort(([one], [other]) => (one < other ? -1 : 1)) }
}

/** Members in another order take as many characters in one style. */
const isReordered = (one: string, other: string): boolean => {
  if (one.length !== other.length) return false
  const [first, second] = [findJson(one), findJson(other)]
  if (first === null || second === null) return false
  const isFramedAlike = first.prefix === second.prefix && first.suffix === second.suffix
  return isFramedAlike && keyOf(sorted(first.value)) === keyOf(sorted(second.value))
}

/**
 * Byte for byte, but for the order of members, in which JSON agrees: some upstreams change it from answer to answer.
 * @param given null where targets stand for no answer
 */
export const isSameAnswer = ({ style }: Form, given: string | null, logged: string): boolean =>
  given === logged || (given !== null && style !== null && isReordered(given, logged))
