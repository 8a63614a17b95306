/**
 * Detectors of personal data and secrets in text: a pattern, and for some a check of its matches (check
 * digits, shape), so that order numbers and dates stay. Patterns have bounded repeats, so that no text
 * makes them slow.
 */

export interface Detector {
  /** in the placeholder: `[EMAIL_1]` */
  label: string
  /** global */
  pattern: RegExp
  /** characters that every match has at least; a shorter text is not searched */
  shortest: number
  /** a character that every match has; a text without it is not searched */
  has?: string
  /** checks a match; absent: every match counts */
  accepts?: (match: string) => boolean
  /** one form for all spellings of a value; absent: the match itself */
  canonical?: (match: string) => string
}

const digitsOf = (text: string): string => text.replaceAll(/\D/g, '')

/** ISO/IEC 7812-1, annex B. */
const passesLuhn = (digits: string): boolean => {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i])
    const weighted = i % 2 === 0 ? digit : 2 * digit
    sum += weighted > 9 ? weighted - 9 : weighted
  }
  return sum % 10 === 0
}

/** ISO 13616: letters as numbers from 10, the first four characters moved to the end, modulo 97. */
const passesModulo97 = (iban: string): boolean => {
  let remainder = 0
  for (const character of iban.slice(4) + iban.slice(0, 4))
    for (const digit of String(Number.parseInt(character, 36)))
      remainder = (10 * remainder + Number(digit)) % 97
  return remainder === 1
}

const isCard = (match: string): boolean => {
  // first digits of payment cards; a repeated digit can pass Luhn's test
  if (!/^[2-6]/.test(match)) return false
  const digits = digitsOf(match)
  return passesLuhn(digits) && new Set(digits).size > 1
}

const compact = (match: string): string => match.replaceAll(' ', '')

const isIban = (match: string): boolean => {
  const iban = compact(match)
  return iban.length >= 15 && iban.length <= 34 && passesModulo97(iban)
}

/** Refuses dates, IP addresses, versions and plain numbers. */
const isPhone = (match: string): boolean => {
  const digits = digitsOf(match)
  if (/^(?:\+|00)\(?[1-9]/.test(match)) return digits.length >= 8 && digits.length <= 17
  if (digits.length < 9 || digits.length > 12) return false
  if (/^\d\d[-/.]\d{1,2}[-/.]\d{4}\b/.test(match)) return false // a date
  // a trunk prefix, an area code in brackets, or three groups as in North America
  return /^0\d{1,4}[ /-]|^\(\d{2,5}\) ?|^\d{3}[-. ]\d{3}[-. ]\d{4}$/.test(match)
}

const KEYS = [
  'sk-[A-Za-z0-9_-]{20,200}',
  'AKIA[0-9A-Z]{16}',
  'gh[pousr]_[A-Za-z0-9]{36,255}',
  'github_pat_[A-Za-z0-9_]{22,255}',
  'glpat-[A-Za-z0-9_-]{20,100}',
  'xox[abeprs]-[A-Za-z0-9-]{10,250}',
  'AIza[0-9A-Za-z_-]{35}',
  'hf_[A-Za-z0-9]{30,100}',
  String.raw`eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}`,
]

/** By their names in the configuration, in the order in which they run. */
export const DETECTORS = {
  key: {
    label: 'KEY',
    pattern: new RegExp(`(?<![A-Za-z0-9_-])(?:${KEYS.join('|')})`, 'g'),
    shortest: 15,
  },
  email: {
    label: 'EMAIL',
    pattern:
      /(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}/gu,
    shortest: 6,
    has: '@',
    canonical: (match) => match.toLowerCase(),
  },
  iban: {
    label: 'IBAN',
    pattern: /(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])/g,
    shortest: 15,
    accepts: isIban,
    canonical: compact,
  },
  card: {
    label: 'CARD',
    pattern: /(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]\d)/g,
    shortest: 13,
    accepts: isCard,
    canonical: digitsOf,
  },
  phone: {
    label: 'PHONE',
    pattern: /(?<![\w.+-])(?:\+|00)?\(?\d[\d ()./-]{6,20}\d(?![\w-])/g,
    shortest: 8,
    accepts: isPhone,
    canonical: digitsOf,
  },
} as const satisfies Record<string, Detector>

export type DetectorName = keyof typeof DETECTORS

export const DETECTOR_NAMES = Object.keys(DETECTORS) as DetectorName[]
