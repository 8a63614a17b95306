/**
 * Takes personal data and secrets out of a record before it is written. One value has one placeholder
 * in all texts of a record, so that what refers to what stays readable. Works on JSON texts without
 * reading them anew: all but the strings that change stays byte by byte. Pure.
 */
import { isJson } from '../json.ts'
import { DETECTOR_NAMES, DETECTORS, type Detector, type DetectorName } from './detectors.ts'

export { DETECTOR_NAMES, type DetectorName } from './detectors.ts'

export interface RedactOptions {
  detectors: DetectorName[]
  /** further patterns by the label of their placeholder */
  patterns: Record<string, string>
}

/** @returns the texts of one record without what the detectors find */
export type Redactor = (texts: string[]) => string[]

/** @throws SyntaxError for a pattern that is no regular expression */
const detectorsOf = ({ detectors, patterns }: RedactOptions): Detector[] => [
  ...Object.entries(patterns).map(([label, source]) => ({
    label,
    pattern: new RegExp(source, 'gu'),
  })),
  // in the order of the table, whatever the configuration's is: an IBAN has a card's digits in it
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

/** Whole numbers only: digits of a fraction or an exponent are no value of their own. */
const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?\d{13,19}(?![\d.eE])/g

/** @throws SyntaxError for a pattern that is no regular expression */
export const createRedactor = (options: RedactOptions): Redactor => {
  const detectors = detectorsOf(options)
  const redact = (text: string, placeholders: Placeholders): string =>
    detectors.reduce(
      (rest, detector) =>
        rest.replaceAll(detector.pattern, (match) =>
          match !== '' && (detector.accepts?.(match) ?? true)
            ? placeholders.of(detector, match)
            : match
        ),
      text
    )
  /** A string or a long number of a JSON text, as it stands there. */
  const redactLiteral = (literal: string, placeholders: Placeholders): string => {
    const isString = literal.startsWith('"')
    const value = isString ? (JSON.parse(literal) as string) : literal
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
