/** Comparison of JSON answers: canonical form and F1 of the fields. Knows nothing of schemas. */

/** The value, or undefined when the text is no JSON. A code fence around it is tolerated. */
export const parseJson = (text: string): unknown => {
  const bare = text.trim().replace(/^```(?:json)?\s*|\s*```$/g, '')
  try {
    return JSON.parse(bare) as unknown
  } catch {
    return undefined
  }
}

/** Deterministic text: keys sorted, no blanks; equal exactly for deeply equal values. */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(',')}}`
}

/** `path=value` of every leaf; places in an array do not count, empty containers are leaves. */
const leaves = (value: unknown, path: string): string[] => {
  const inner = Array.isArray(value)
    ? value.map((item): [string, unknown] => ['[]', item])
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
      : []
  return inner.length === 0
    ? [`${path}=${canonicalJson(value)}`]
    : inner.flatMap(([key, field]) => leaves(field, `${path}/${key}`))
}

/** F1 of the leaves of two JSON values as multisets, 0 to 1. */
export const fieldF1 = (a: unknown, b: unknown): number => {
  const [first, second] = [leaves(a, ''), leaves(b, '')]
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
