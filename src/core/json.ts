/** Whether a text is JSON, to the letter; `score-json.ts` reads answers with more tolerance. */
export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** A string of a JSON text, and whether it is the name of a member. */
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g

const membersNamed = (text: string): number => {
  let members = 0
  for (const [, colon] of text.matchAll(STRING)) if (colon !== undefined) members++
  return members
}

/** @returns null when the value has a number beyond the range of doubles */
const membersOf = (root: unknown): number | null => {
  let members = 0
  // a list of what is open, since a value may be nested deeper than the stack
  const open = [root]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === 'number' && !Number.isFinite(value)) return null
    if (typeof value !== 'object' || value === null) continue
    const inner = Object.values(value)
    if (!Array.isArray(value)) members += inner.length
    for (const item of inner) open.push(item)
  }
  return members
}

/**
 * The value of a JSON text that all readers understand alike (I-JSON, RFC 7493, sections 2.2 and
 * 2.3): no name twice in an object, no number that a double cannot hold.
 * @returns undefined for any other text
 */
export const parseUnambiguousJson = (text: string): unknown => {
  try {
    const value = JSON.parse(text) as unknown
    return membersOf(value) === membersNamed(text) ? value : undefined
  } catch {
    return undefined
  }
}
