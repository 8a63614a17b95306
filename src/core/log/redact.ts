/**
 * Removes personal data and secrets from a record before it is written. One value has one placeholder in
 * all texts of a record, so that references stay readable. In JSON texts, only the strings that change are
 * rewritten; all other bytes stay.
 */
import { isJson } from '../json.ts'
import { DETECTOR_NAMES, DETECTORS, type Detector, type DetectorName } from './detectors.ts'
import { unescaped, type Unescaped } from '../unescaped.ts'

export { DETECTOR_NAMES, type DetectorName } from './detectors.ts'

export interface RedactOptions {
  detectors: DetectorName[]
  /** additional patterns, by the label of their placeholder */
  patterns: Record<string, string>
}

/** Begins a record. @returns a text of it, with placeholders for all values that the detectors find */
export type Redactor = () => (text: string) => string

const detectorsOf = ({ detectors, patterns }: RedactOptions): Detector[] => [
  ...Object.entries(patterns).map(([label, source]) => ({
    label,
    pattern: new RegExp(source, 'gu'),
    shortest: 1,
  })),
  // in the order of the table, not of the configuration: an IBAN can contain the digits of a card
  ...DETECTOR_NAMES.filter((name) => detectors.includes(name)).map(
    (name): Detector => DETECTORS[name]
  ),
]

/** The placeholders of one record. */
class Placeholders {
  private readonly known = new Map<string, string>()
  private readonly counts = new Map<string, number>()

  of({ label, canonical }: Detector, match: string): string {
    const key = `${label} ${canonical?.(match) ?? match}`
    const placeholder = this.known.get(key)
    if (placeholder !== undefined) return placeholder
    const count = (this.counts.get(label) ?? 0) + 1
    this.counts.set(label, count)
    const made = `[${label}_${count}]`
    this.known.set(key, made)
    return made
  }
}

/** Where a character of a readable text begins in the text that it was read from. */
const startOf = ({ starts }: Unescaped, at: number): number => starts?.[at] ?? at

/** Replaces what a detector finds in the text as it reads without its escapes; all else keeps its escapes. */
const replaceFound = (
  text: string,
  unescapedText: Unescaped,
  detector: Detector,
  placeholders: Placeholders
): string => {
  const { text: readable } = unescapedText
  const { pattern, shortest, has, accepts } = detector
  if (readable.length < shortest || (has !== undefined && !readable.includes(has))) return text
  let [result, copied] = ['', 0]
  // `matchAll` copies the pattern, which takes longer than to search a short text
  pattern.lastIndex = 0
  for (let found; (found = pattern.exec(readable)) !== null;) {
    const { 0: match, index } = found
    if (match === '') pattern.lastIndex += (readable.codePointAt(index) ?? 0) > 0xffff ? 2 : 1
    if (match === '' || !(accepts?.(match) ?? true)) continue
    result += text.slice(copied, startOf(unescapedText, index)) + placeholders.of(detector, match)
    copied = startOf(unescapedText, index + match.length)
  }
  return result + text.slice(copied)
}

/** A string's begin, and whole numbers: the digits of a fraction or an exponent are not a value. */
const STRING_OR_NUMBER = /"|(?<![\d.eE+-])-?\d{13,19}(?![\d.eE])/g

const BACKSLASH = 0x5c

/** A pattern of V8 keeps a place for each character of a string, and has not enough of them for a few megabytes. */
const endOfString = (text: string, start: number): number => {
  for (let end = start; ; end++) {
    end = text.indexOf('"', end)
    let escapes = end
    while (text.charCodeAt(escapes - 1) === BACKSLASH) escapes--
    if ((end - escapes) % 2 === 0) return end + 1
  }
}

/** @param text valid JSON @param change of a string with its quotes, or a long number */
const withLiterals = (text: string, change: (literal: string) => string): string => {
  let [result, copied] = ['', 0]
  STRING_OR_NUMBER.lastIndex = 0
  for (let match; (match = STRING_OR_NUMBER.exec(text)) !== null;) {
    const { 0: found, index } = match
    const end = found === '"' ? endOfString(text, index + 1) : index + found.length
    STRING_OR_NUMBER.lastIndex = end
    const literal = text.slice(index, end)
    const changed = change(literal)
    if (changed === literal) continue
    result += text.slice(copied, index) + changed
    copied = end
  }
  return result + text.slice(copied)
}

/** @param literal a string with its quotes */
const valueOf = (literal: string): string =>
  literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1)

/** @throws SyntaxError for a pattern that is not a regular expression */
export const createRedactor = (options: RedactOptions): Redactor => {
  const detectors = detectorsOf(options)
  const shortest = Math.min(...detectors.map((detector) => detector.shortest))
  const redact = (text: string, placeholders: Placeholders): string => {
    let [rest, readable] = [text, unescaped(text)]
    for (const detector of detectors) {
      const replaced = replaceFound(rest, readable, detector, placeholders)
      if (replaced !== rest) readable = unescaped(replaced)
      rest = replaced
    }
    return rest
  }
  /** @param literal a string or a long number of a JSON text */
  const redactLiteral = (literal: string, placeholders: Placeholders): string => {
    const isString = literal.startsWith('"')
    // a literal is never shorter than its value
    if (literal.length - (isString ? 2 : 0) < shortest) return literal
    const value = isString ? valueOf(literal) : literal
    const redacted = redact(value, placeholders)
    return redacted === value ? literal : JSON.stringify(redacted)
  }
  return () => {
    const placeholders = new Placeholders()
    return (text) =>
      isJson(text)
        ? withLiterals(text, (literal) => redactLiteral(literal, placeholders))
        : redact(text, placeholders)
  }
}
