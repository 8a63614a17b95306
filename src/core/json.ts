/** A text without the code fence around it, which models like to write. */
export const bareJson = (text: string): string => {
  const inner = text.trim().replace(/^```(?:json)?/, '')
  return (inner.endsWith('```') ? inner.slice(0, -3) : inner).trim()
}

/** Whether a text is strict JSON. */
export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** A string of a JSON text; group 1 is set if it is the name of a member. */
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g

const membersNamed = (text: string): number => {
  let members = 0
  for (const [, colon] of text.matchAll(STRING)) if (colon !== undefined) members++
  return members
}

const NUMBER_OR_STRING = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** Sign, significant digits and power of ten: equal for equal numbers, such as `1.50e1` and `15`. */
const decimalOf = (literal: string): string => {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(literal)!
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  // no pattern: /0+$/ takes quadratic time on zeros within a number
  let end = digits.length
  while (digits[end - 1] === '0') end--
  const significant = digits.slice(0, end)
  const power = Number(exponent) - fraction.length + digits.length - significant.length
  return significant === '' ? '0' : `${sign}${significant}e${power}`
}

/** Whether a double keeps all digits of a number. */
const isExact = (literal: string, decimal: string): boolean => {
  const value = Number(literal)
  return Number.isFinite(value) && decimalOf(String(value)) === decimal
}

/** @returns members of all objects; null when the value has a number beyond the range of doubles */
export const membersOf = (root: unknown): number | null => {
  let members = 0
  // not recursive: a value may be nested deeper than the stack
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

/** An object or list that is being written. */
interface OpenValue {
  /** null for a list */
  names: string[] | null
  values: unknown[]
  written: number
}

const openValue = (value: object, isSorted: boolean): OpenValue => {
  if (Array.isArray(value)) return { names: null, values: value, written: 0 }
  const members = value as Record<string, unknown>
  const names = Object.keys(members).filter((name) => members[name] !== undefined)
  if (isSorted) names.sort()
  return { names, values: names.map((name) => members[name]), written: 0 }
}

/** A number beyond the range of doubles, which `JSON.parse` reads from `1e400`, is not null. */
const scalarJson = (value: unknown): string =>
  value === Infinity ? '1e999' : value === -Infinity ? '-1e999' : (JSON.stringify(value) ?? 'null')

/** Not recursive: the value may be a request nested deeper than the stack. */
const jsonOf = (root: unknown, isSorted: boolean): string => {
  let text = ''
  const open: OpenValue[] = []
  for (let value = root; ;) {
    if (typeof value === 'object' && value !== null) {
      open.push(openValue(value, isSorted))
      text += Array.isArray(value) ? '[' : '{'
    } else text += scalarJson(value)
    let last = open.at(-1)
    for (; last && last.written === last.values.length; last = open.at(-1)) {
      text += last.names ? '}' : ']'
      open.pop()
    }
    if (last === undefined) return text
    const name = last.names?.[last.written]
    text += last.written > 0 ? ',' : ''
    text += name === undefined ? '' : `${JSON.stringify(name)}:`
    value = last.values[last.written++]
  }
}

/**
 * Deterministic JSON: names sorted, no blanks, members without a value left out. Equal texts exactly
 * for deeply equal values.
 */
export const canonicalJson = (root: unknown): string => jsonOf(root, true)

/** As `canonicalJson`, with the names of each object in their order. */
export const orderedJson = (root: unknown): string => jsonOf(root, false)

/**
 * The value of a JSON text that all parsers read alike (I-JSON, RFC 7493, sections 2.2 and
 * 2.3): no name twice in an object, no number beyond the range of doubles.
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

/**
 * Numbers whose digits a double loses become `replacement` of the number: 12345678901234567890 is one.
 * @param text JSON: a string that is not closed would take quadratic time
 */
const withoutLongNumbers = (text: string, replacement: (decimal: string) => string): string =>
  text.replace(NUMBER_OR_STRING, (literal) => {
    if (literal.startsWith('"')) return literal
    const decimal = decimalOf(literal)
    return isExact(literal, decimal) ? literal : replacement(decimal)
  })

/** Whether a JSON text has a number whose digits a double loses. */
export const hasLongNumber = (text: string): boolean => withoutLongNumbers(text, () => '') !== text

/** Begins a number that a double cannot hold: half a character, which no other string of `parseExactJson` has. */
const LONG_NUMBER = '\ud800'

/** The nearest double of a number of `parseExactJson`; null for any other value. */
export const doubleOf = (value: unknown): number | null => {
  if (typeof value === 'number') return value
  return typeof value === 'string' && value.startsWith(LONG_NUMBER)
    ? Number(value.slice(LONG_NUMBER.length))
    : null
}

/** Zeros that stand behind the digits of a number; of more they are counted. */
const MAX_ZEROS = 30

/** A value of `parseExactJson` that has no inner ones, as a text that is read: a string as it is, all digits of a number. */
export const scalarText = (value: unknown): string => {
  if (typeof value !== 'string') return scalarJson(value)
  if (!value.startsWith(LONG_NUMBER)) return value
  const decimal = value.slice(LONG_NUMBER.length)
  const [digits = '', power = ''] = decimal.split('e')
  const zeros = Number(power)
  return zeros >= 0 && zeros <= MAX_ZEROS ? digits + '0'.repeat(zeros) : decimal
}

/** Half a character, as it is and as an escape; two escapes may be a whole one. */
const HALF = /\p{Surrogate}/u
const ESCAPED = /\\u[dD][89a-fA-F]/

/** Whether a name or a string of a value has half a character. */
const hasHalf = (root: unknown): boolean => {
  // not recursive: a value may be nested deeper than the stack
  const open = [root]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === 'string' && HALF.test(value)) return true
    if (typeof value !== 'object' || value === null) continue
    if (!Array.isArray(value)) for (const name of Object.keys(value)) open.push(name)
    for (const item of Object.values(value)) open.push(item)
  }
  return false
}

/**
 * The value of a JSON text for comparisons: a number that a double cannot hold is a string, which begins with
 * `LONG_NUMBER`.
 * @returns undefined where the text is no JSON, has a name twice in an object, or has half a character (RFC 7493, section
 * 2.1), which could be taken for what stands for a number or for a rule
 */
export const parseExactJson = (text: string): unknown => {
  if (!isJson(text)) return undefined
  const mayHaveHalf = HALF.test(text) || ESCAPED.test(text)
  if (mayHaveHalf && hasHalf(JSON.parse(text))) return undefined
  return parseUnambiguousJson(
    withoutLongNumbers(text, (decimal) => JSON.stringify(`${LONG_NUMBER}${decimal}`))
  )
}
