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

/** @returns the texts of one record, with placeholders for all values that the detectors find */
export type Redactor = (texts: string[]) => string[]

const detectorsOf = ({ detectors, patterns }: RedactOptions): Detector[] => [
  ...Object.entries(patterns).map(([label, source]) => ({
    label,
    pattern: new RegExp(source, 'gu'),
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

/** Replaces what a detector finds in the text as it reads without its escapes; all else keeps its escapes. */
const replaceFound = (
  text: string,
  { text: readable, starts }: Unescaped,
  detector: Detector,
  placeholders: Placeholders
): string => {
  const startOf = (at: number): number => starts?.[at] ?? at
  let [result, copied] = ['', 0]
  for (const { 0: match, index } of readable.matchAll(detector.pattern)) {
    if (match === '' || !(detector.accepts?.(match) ?? true)) continue
    result += text.slice(copied, startOf(index)) + placeholders.of(detector, match)
    copied = startOf(index + match.length)
  }
  return result + text.slice(copied)
}

/** Of numbers, only whole ones: the digits of a fraction or an exponent are not a value. */
const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?\d{13,19}(?![\d.eE])/g

/** @throws SyntaxError for a pattern that is not a regular expression */
export const createRedactor = (options: RedactOptions): Redactor => {
  const detectors = detectorsOf(options)
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
    const value = String(literal.startsWith('"') ? JSON.parse(literal) : literal)
    const redacted = redact(value, placeholders)
    return redacted === value ? literal : JSON.stringify(redacted)
  }
  return (texts) => {
    const placeholders = new Placeholders()
    return texts.map((text) =>
      isJson(text)
        ? text.replaceAll(STRINGS_AND_NUMBERS, (literal) => redactLiteral(literal, placeholders))
        : redact(text, placeholders)
    )
  }
}
