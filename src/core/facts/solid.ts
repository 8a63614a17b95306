/** Atoms that are known by their shape in every language: addresses, phone numbers, identifiers, code, quoted text. */
import { DETECTORS, type Detector } from '../log/detectors.ts'
import { isSuffix } from './numbers.ts'
import { fold, take, type Atom, type Read } from './atom.ts'

const URL_TAIL = '[^\\s<>"\'`)\\]}»”\\ue000]'
const TOP_DOMAINS = 'com|org|net|io|dev|app|info|eu|de|at|ch|fr|es|it|uk|co|us|ai|shop|example|test'
const URL_PATTERN = new RegExp(
  String.raw`(?<![\p{L}\p{N}@._-])(?:https?:\/\/|www\.)${URL_TAIL}{1,2000}`,
  'giu'
)
const DOMAIN_END = String.raw`\.(?:${TOP_DOMAINS})(?![\p{L}\p{N}_-]|\.\p{L})`
const HAS_DOMAIN = new RegExp(DOMAIN_END, 'iu')
const DOMAIN_PATTERN = new RegExp(
  String.raw`(?<![\p{L}\p{N}@._-])[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}${DOMAIN_END}(?:\/${URL_TAIL}{0,500})?`,
  'giu'
)

/** Without scheme, `www.`, marks of the sentence and a last slash; the host without case. */
const urlForm = (match: string): string => {
  const bare = match.replace(/^https?:\/\//iu, '').replace(/^www\./iu, '')
  let end = bare.length
  while (end > 0 && '.,;:!?*_/'.includes(bare.charAt(end - 1))) end--
  const path = bare.slice(0, end).search(/[/?#]/u)
  const hostEnd = path === -1 ? end : path
  return bare.slice(0, hostEnd).toLowerCase() + bare.slice(hostEnd, end)
}

const compact = (text: string): string => text.replace(/[^\p{L}\p{N}]+/gu, '').toUpperCase()

/** International numbers without their plus or zeros, national ones without their zero. */
const phoneForm = (match: string): string => match.replace(/\D/g, '').replace(/^0{1,2}/, '')

const byDetector = (
  text: string,
  { pattern, accepts, has }: Detector,
  atoms: Atom[],
  atomOf: (match: string) => Atom
): string =>
  has !== undefined && !text.includes(has)
    ? text
    : take(text, pattern, atoms, ([match = '']) =>
        accepts === undefined || accepts(match) ? [atomOf(match)] : null
      )

const readUrl: Read = ([match = '']) => [{ kind: 'url', form: urlForm(match) }]

/** Removes addresses of pages and people. */
export const takeAddresses = (text: string, atoms: Atom[]): string => {
  const rest = byDetector(text, DETECTORS.email, atoms, (match) => ({
    kind: 'email',
    form: match.toLowerCase(),
  }))
  if (!rest.includes('.')) return rest
  const bare = take(rest, URL_PATTERN, atoms, readUrl)
  return HAS_DOMAIN.test(bare) ? take(bare, DOMAIN_PATTERN, atoms, readUrl) : bare
}

const identifier = (match: string): Atom => ({ kind: 'identifier', form: compact(match) })

/** Removes phone numbers, and numbers of accounts and cards, which are identifiers. After dates: both have marks. */
export const takePhones = (text: string, atoms: Atom[]): string => {
  const rest = byDetector(
    byDetector(text, DETECTORS.iban, atoms, identifier),
    DETECTORS.card,
    atoms,
    identifier
  )
  return byDetector(rest, DETECTORS.phone, atoms, (match) => ({
    kind: 'phone',
    form: phoneForm(match),
  }))
}

const CODE = /(?<!`)`([^`\n]{1,200})`(?!`)/g
const QUOTES =
  /"([^"\n]{1,200})"|“([^“”\n]{1,200})”|„([^„“”"\n]{1,200})[“”"]|«([^«»\n]{1,200})»|»([^«»\n]{1,200})«|‹([^‹›\n]{1,200})›|(?<![\p{L}\p{N}])['‘]([^'’\n]{1,120})['’](?![\p{L}\p{N}])/gu

const WORDS = /[\p{L}\p{M}\p{N}]+/gu

/** Words and numbers of a text without case, accents and marks. */
export const spokenWords = (text: string): string[] => (text.match(WORDS) ?? []).map(fold)

/** Adds quoted text. What is in it stays in the text: its numbers count wherever they stand. */
export const addQuotes = (text: string, atoms: Atom[]): void => {
  for (const [, ...quoted] of text.matchAll(QUOTES)) {
    const form = spokenWords(quoted.find((one) => one !== undefined) ?? '').join(' ')
    if (form !== '') atoms.push({ kind: 'quote', form })
  }
}

/** Removes code in backticks. */
export const takeCode = (text: string, atoms: Atom[]): string =>
  text.includes('`')
    ? take(text, CODE, atoms, ([, code = '']) => [{ kind: 'code', form: code.trim() }])
    : text

const TOKEN = /[#@]?[\p{L}\p{N}_]+(?:[-_./:]+[\p{L}\p{N}_]+)*(?:\(\))?/gu
/** A number with a unit, an ordinal, or a number before a word: `5kg`, `3rd`, `30-day`, `1,5h`. */
const NUMBER_AND_WORD =
  /^#?\d+(?:[.,]\d+)*(?:(\p{L}[\p{L}\p{M}²]*)|-(?:\p{Ll}|EUR|USD)[\p{L}\p{M}-]+|-\p{Lu}\p{Ll}[\p{L}\p{M}-]*)$/u
const GROUPED = /^\d{1,3}(?:\.\d{3})+$/
const WITH_LETTER = /\p{L}/u
const WITH_DIGIT = /\d/
/** `snake_case` and `camelCase`. */
const LIKE_CODE = /\p{L}_\p{L}|\p{Ll}\p{Lu}/u
const NO_CODE = /[-./:]/u

const isNumberAndWord = (token: string): boolean => {
  const found = NUMBER_AND_WORD.exec(token)
  return found !== null && (found[1] === undefined || isSuffix(found[1]))
}

const tokenAtom = (token: string): Atom | null => {
  if (WITH_DIGIT.test(token)) {
    const hasLetter = WITH_LETTER.test(token)
    const marks = token.match(/[-_./:]/gu)?.length ?? 0
    if (!hasLetter && (marks < 2 || GROUPED.test(token))) return null
    if (isNumberAndWord(token) || /^(?:EUR|USD|GBP|CHF)\d/.test(token)) return null
    return token.endsWith('()') ? { kind: 'code', form: token } : identifier(token)
  }
  const isCode = token.endsWith('()') || (LIKE_CODE.test(token) && !NO_CODE.test(token))
  return isCode ? { kind: 'code', form: token } : null
}

/** Removes order numbers, hashes, versions and names of code. After dates and times. */
export const takeIdentifiers = (text: string, atoms: Atom[]): string =>
  take(text, TOKEN, atoms, ([token = '']) => {
    const atom = tokenAtom(token)
    return atom && [atom]
  })
