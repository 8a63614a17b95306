/** Comparison of JSON answers: F1 of the fields. Knows nothing of schemas. */
import { canonicalJson } from '../json.ts'

/** The value, or undefined when the text is not JSON. A code fence around it is accepted. */
export const parseJson = (text: string): unknown => {
  const bare = text.trim().replace(/^```(?:json)?\s*|\s*```$/g, '')
  try {
    return JSON.parse(bare) as unknown
  } catch {
    return undefined
  }
}

/** `path=value` of every leaf. Places in an array do not count; an empty container is a leaf. */
const leaves = (root: unknown): string[] => {
  const found: string[] = []
  // not recursive: an answer may be nested deeper than the stack
  const open: [path: string, value: unknown][] = [['', root]]
  while (open.length > 0) {
    const [path, value] = open.pop()!
    const inner = typeof value === 'object' && value !== null ? Object.entries(value) : []
    if (inner.length === 0) found.push(`${path}=${canonicalJson(value)}`)
    for (const [name, field] of inner)
      open.push([`${path}/${Array.isArray(value) ? '[]' : name}`, field])
  }
  return found
}

/** F1 of the leaves of two JSON values as multisets, 0 to 1. */
export const fieldF1 = (a: unknown, b: unknown): number => {
  const [first, second] = [leaves(a), leaves(b)]
  const open = new Map<string, number>()
  for (const leaf of second) open.set(leaf, (open.get(leaf) ?? 0) + 1)
  let shared = 0
  for (const leaf of first) {
    const left = open.get(leaf) ?? 0
    if (left > 0) shared++
    open.set(leaf, left - 1)
  }
  return (2 * shared) / (first.length + second.length)
}
