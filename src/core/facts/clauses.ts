/**
 * The words of a text once its other atoms are out: names, weekdays, words for days, and clauses with their negation.
 * One pass over the tokens.
 */
import type { Language } from '../answer/answer-rules.ts'
import { fold, type Atom, type Clause } from './atom.ts'
import { LANGUAGES, type LanguageWords } from './languages.ts'

export interface Token {
  text: string
  /** without case and accents; the mark itself for a mark */
  folded: string
  isWord: boolean
  /** a word that stands directly behind the word before, with a blank, a hyphen or an apostrophe between */
  isJoined: boolean
}

const TOKEN = /([\p{L}\p{M}]+)|\n|\S/gu

export const tokensOf = (text: string): Token[] => {
  const tokens: Token[] = []
  let [end, wasWord] = [-2, false]
  TOKEN.lastIndex = 0
  for (let found = TOKEN.exec(text); found !== null; found = TOKEN.exec(text)) {
    const [piece] = found
    const isWord = found[1] !== undefined
    const isJoint = piece === '-' || piece === "'" || piece === '’'
    const isJoined = isWord && wasWord && found.index - end <= 1
    tokens.push({ text: piece, folded: isWord ? fold(piece) : piece, isWord, isJoined })
    // a hyphen and an apostrophe between two letters do not separate them
    if (!isJoint || found.index !== end) wasWord = isWord
    end = found.index + piece.length
  }
  return tokens
}

const WEEKDAYS = new Map(
  `monday montag lundi lunes lunedi; tuesday dienstag mardi martes martedi;
   wednesday mittwoch mercredi miercoles mercoledi; thursday donnerstag jeudi jueves giovedi;
   friday freitag vendredi viernes venerdi; saturday samstag sonnabend samedi sabado sabato;
   sunday sonntag dimanche domingo domenica`
    .split(';')
    .flatMap((words, at) =>
      words
        .trim()
        .split(/\s+/u)
        .map((word): [string, number] => [word, at + 1])
    )
)

const weekdayOf = (word: string): number | undefined =>
  WEEKDAYS.get(word) ?? (word.endsWith('s') ? WEEKDAYS.get(word.slice(0, -1)) : undefined)

/** Weekdays as `W1` for Monday, and `today+1` for tomorrow. */
export const dayAtoms = (tokens: readonly Token[], language: Language | null): Atom[] => {
  const days = language === null ? undefined : LANGUAGES[language].days
  const atoms: Atom[] = []
  for (const { folded, isWord } of tokens) {
    if (!isWord) continue
    const weekday = weekdayOf(folded)
    if (weekday !== undefined) atoms.push({ kind: 'date', form: `W${weekday}` })
    const day = days?.get(folded)
    if (day !== undefined) atoms.push({ kind: 'date', form: `today${day < 0 ? '' : '+'}${day}` })
  }
  return atoms
}

/** Ends of German nouns. */
const NOUN =
  /(?:ung|ungen|heit|heiten|keit|keiten|schaft|tion|tionen|tat|nis|ment|ling|erin|nummer|zeit|zeiten|tag|service|dienst|termin|plan|preis|kosten|team)$/
const ACRONYM = /^\p{Lu}{2,5}$/u
const SHOUTED = /^\p{Lu}{6,}$/u
const CAPITAL = /^\p{Lu}/u
const ENDS = new Set(['.', '!', '?', '¿', '¡', ':', '\n', '…', '•', '#', '"', '“', '„', '«', '*'])
const PARTICLES = new Set('de da di del della la van von der den du le el al bin ibn zu'.split(' '))
const GERMAN_DETERMINERS = new Set(
  `der die das den dem des ein eine einen einem einer ihr ihre ihren ihrem ihrer unser unsere unseren unserem unserer
   zum zur im am vom beim ins mein meine sein seine diese dieser dieses diesen diesem kein keine keinen`.split(
    /\s+/u
  )
)

/** Whether a token begins a sentence, by the one before it. */
const isStart = (before: Token | undefined, titles: ReadonlySet<string>, last?: Token): boolean =>
  before === undefined ||
  (ENDS.has(before.text) &&
    !(before.text === '.' && last?.isWord === true && titles.has(last.folded)))

const isNameWord = (
  { isWord, text, folded }: Token,
  { functions, common, titles }: LanguageWords
): boolean =>
  isWord &&
  CAPITAL.test(text) &&
  text.length > 1 &&
  !SHOUTED.test(text) &&
  !functions.has(folded) &&
  !common.has(folded) &&
  !titles.has(folded) &&
  weekdayOf(folded) === undefined

/** Place behind the capitalized words, with particles between them, that begin at `at`. */
const endOfName = (tokens: readonly Token[], at: number, words: LanguageWords): number => {
  let end = at + 1
  for (let next = end; next < tokens.length; next++) {
    const token = tokens[next]
    if (token === undefined) break
    if (/^[-'’]$/.test(token.text) && tokens[next + 1]?.isJoined === true) continue
    if (!token.isJoined) break
    if (isNameWord(token, words)) end = next + 1
    else if (!PARTICLES.has(token.folded)) break
  }
  return end
}

interface Place {
  tokens: readonly Token[]
  at: number
  end: number
  words: LanguageWords
}

/** Before a place, mostly without an article. */
const PLACE_PREPOSITIONS = new Set(['in', 'nach', 'aus'])

/** All nouns have capitals: a name is behind a title, or has two words of which neither looks like a noun. */
const germanName = ({ tokens, at, end, words }: Place): Token[] => {
  const before = tokens[at - 1]
  const title = before?.text === '.' ? tokens[at - 2] : before
  const found = tokens
    .slice(at, end)
    .filter(({ isWord, folded }) => isWord && !PARTICLES.has(folded))
  if (title?.isWord === true && words.titles.has(title.folded)) return found
  const isNoun = before !== undefined && GERMAN_DETERMINERS.has(before.folded)
  const others = (isNoun ? found.slice(1) : found).filter(({ folded }) => !NOUN.test(folded))
  if (found.length > 1 || (before?.isWord === true && PLACE_PREPOSITIONS.has(before.folded)))
    return others
  return found.filter(({ text }) => ACRONYM.test(text))
}

const otherName = ({ tokens, at, end, words }: Place): Token[] => {
  const found = tokens
    .slice(at, end)
    .filter(({ isWord, folded }) => isWord && !PARTICLES.has(folded))
  // one capital at the beginning of a sentence says nothing
  return found.length === 1 && isStart(tokens[at - 1], words.titles, tokens[at - 2]) ? [] : found
}

/**
 * Capitalized words that are names. In German a single capitalized word counts behind a title alone; in an unknown
 * language nothing is a name.
 */
export const nameAtoms = (tokens: readonly Token[], language: Language | null): Atom[] => {
  if (language === null) return []
  const words = LANGUAGES[language]
  const atoms: Atom[] = []
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]
    if (token === undefined || !isNameWord(token, words)) continue
    const end = endOfName(tokens, at, words)
    const place = { tokens, at, end, words }
    const name = language === 'de' ? germanName(place) : otherName(place)
    const form = name.map(({ folded }) => folded).filter((word) => word.length > 1)
    if (form.length > 0) atoms.push({ kind: 'name', form: form.join(' ') })
    at = end - 1
  }
  return atoms
}

const SENTENCE_ENDS = new Set(['.', '!', '?', '\n', '…'])
const BREAKS = new Set([...SENTENCE_ENDS, ',', ';', ':', '(', ')', '–', '—'])
const STEM_CHARS = 5
/** Content words have more letters. */
const MIN_CHARS = 4

/** `approved` and `approval`, `geliefert` and `liefern` have one stem. */
const stemOf = (word: string): string => {
  const isParticiple = word.length > 7 && word.startsWith('ge') && /(?:t|en)$/.test(word)
  return (isParticiple ? word.slice(2) : word).slice(0, STEM_CHARS)
}

interface OpenClause {
  stems: string[]
  /** length of `stems` where the first negation stood; -1: none */
  negatedAt: number
  isNegative: boolean
}

const opened = (): OpenClause => ({ stems: [], negatedAt: -1, isNegative: false })

/** "not declined" negates nothing. @param names are not what is negated */
const closed = (
  { stems, negatedAt, isNegative }: OpenClause,
  sentence: number,
  names: ReadonlySet<string>
): Clause => {
  const isNegated = negatedAt >= 0 !== isNegative
  const isContent = (stem: string): boolean => !names.has(stem)
  const head = stems.slice(negatedAt).find(isContent) ?? stems.findLast(isContent)
  return isNegated && negatedAt >= 0 && head !== undefined
    ? { isNegated, sentence, stems, head }
    : { isNegated, sentence, stems }
}

/** Clauses that have content or a negation. @param names atoms */
export const clausesOf = (
  tokens: readonly Token[],
  language: Language | null,
  names: readonly Atom[]
): Clause[] => {
  if (language === null) return []
  const { functions, negators, negatives, joints } = LANGUAGES[language]
  const nameStems = new Set(names.flatMap(({ form }) => form.split(' ').map(stemOf)))
  const clauses: Clause[] = []
  let [open, sentence] = [opened(), 0]
  const close = (): void => {
    const { stems, negatedAt, isNegative } = open
    if (stems.length > 0 || negatedAt >= 0 || isNegative)
      clauses.push(closed(open, sentence, nameStems))
    // "No," is a sentence of its own
    if (stems.length === 0 && negatedAt >= 0 && !isNegative) sentence++
    open = opened()
  }
  for (const { text, folded, isWord } of tokens) {
    if (!isWord) {
      if (BREAKS.has(folded)) close()
      if (SENTENCE_ENDS.has(folded)) sentence++
    } else if (negators.has(folded)) {
      if (open.negatedAt < 0) open.negatedAt = open.stems.length
    } else if (negatives.has(folded)) open.isNegative = true
    // "è" is no "e"
    else if (joints.has(folded) && (folded.length > 1 || text === folded)) close()
    else if (folded.length >= MIN_CHARS && !functions.has(folded)) open.stems.push(stemOf(folded))
  }
  close()
  return clauses
}

/** Words alone, in order. */
export const wordsOf = (tokens: readonly Token[]): string[] =>
  tokens.filter(({ isWord }) => isWord).map(({ folded }) => folded)
