/** All atoms of a text. Pure, and linear in the text: every pattern has bounded repeats or cannot match in two ways. */
import type { Language } from '../answer/answer-rules.ts'
import { GAP, keyOf, type Atom, type Facts } from './atom.ts'
import { clausesOf, dayAtoms, nameAtoms, tokensOf, wordsOf } from './clauses.ts'
import { takeDates, takeTimes } from './dates.ts'
import { languageOf, LANGUAGES } from './languages.ts'
import { takeNumbers } from './numbers.ts'
import { addQuotes, takeAddresses, takeCode, takeIdentifiers, takePhones } from './solid.ts'

const CONTRACTED = /(?:(ca)|n)n?['’]t(?!\p{L})/giu
/** Numbers of a list, not of what is listed; dates such as "3. March" are read before. */
const LIST_NUMBERS = /^[ \t]*\d{1,2}[.)][ \t]+/gm

/** Of two spellings of a number both stay: "90 min" and "1.5 h". */
const different = (atoms: readonly Atom[]): Atom[] => [
  ...new Map(
    atoms.map((atom) => [
      `${keyOf(atom)} ${atom.amount?.unit ?? ''} ${atom.others?.join() ?? ''}`,
      atom,
    ])
  ).values(),
]

/**
 * @param fallback language of a text that is too short to show its own
 * @returns atoms, each once
 */
export const factsOf = (text: string, fallback: Language | null = null): Facts => {
  const language = languageOf(text) ?? fallback
  const found: Atom[] = []
  const clean = text.normalize('NFC').replaceAll(GAP, ' ')
  addQuotes(clean, found)
  let rest = takeAddresses(takeCode(clean, found), found)
  rest = takeTimes(takeDates(rest, language, found), found)
  rest = takeIdentifiers(takePhones(rest, found), found).replace(LIST_NUMBERS, '\n')
  if (language !== null) {
    rest =
      language === 'en' ? rest.replace(CONTRACTED, (_, can) => (can ? 'can not' : ' not')) : rest
    const { idioms, numbers, numberPattern } = LANGUAGES[language]
    rest = rest
      .replace(idioms, ' ')
      .replace(numberPattern, (word) => numbers.get(word.toLowerCase()) ?? word)
  }
  const tokens = tokensOf(takeNumbers(rest, language, found))
  const names = nameAtoms(tokens, language)
  found.push(...dayAtoms(tokens, language), ...names)
  return {
    language,
    text: clean,
    atoms: different(found),
    words: wordsOf(tokens),
    clauses: clausesOf(tokens, language, names),
  }
}

/** A text that others are compared with, one after the other: a long request takes a tenth of a second to read. */
export class ReadText {
  readonly text: string
  private readonly read = new Map<Language | null, Facts>()

  constructor(text: string) {
    this.text = text
  }

  /** As `factsOf`. */
  facts(fallback: Language | null): Facts {
    const facts = this.read.get(fallback) ?? factsOf(this.text, fallback)
    this.read.set(fallback, facts)
    return facts
  }
}

export const readOf = (text: string | ReadText): ReadText =>
  typeof text === 'string' ? new ReadText(text) : text
