/** All atoms of a text. Pure, and linear in the text: every pattern has bounded repeats or cannot match in two ways. */
import { fold, GAP, keyOf, type Atom, type Facts } from './atom.ts'
import { takeDates, takeTimes } from './dates.ts'
import { takeNumbers } from './numbers.ts'
import { addQuotes, takeAddresses, takeCode, takeIdentifiers, takePhones } from './solid.ts'

/** Numbers of a list, not of what is listed; dates such as "3.4." are read before. */
const LIST_NUMBERS = /^[ \t]*\d{1,2}[.)][ \t]+/gm
const WORD = /[\p{L}\p{M}]+/gu
/** A word with a capital may be a name; shorter ones are too often like another word. */
const NAME = /^\p{Lu}[\p{L}\p{M}]{4,39}$/u

/** Of two spellings of a number both stay: "90 min" and "1.5 h". */
const different = (atoms: readonly Atom[]): Atom[] => [
  ...new Map(
    atoms.map((atom) => [
      `${keyOf(atom)} ${atom.amount?.unit ?? ''} ${atom.others?.join() ?? ''}`,
      atom,
    ])
  ).values(),
]

/** @returns atoms, each once */
export const factsOf = (text: string): Facts => {
  const found: Atom[] = []
  const clean = text.normalize('NFC').replaceAll(GAP, ' ')
  addQuotes(clean, found)
  let rest = takeAddresses(takeCode(clean, found), found)
  rest = takeTimes(takeDates(rest, found), found)
  rest = takeIdentifiers(takePhones(rest, found), found).replace(LIST_NUMBERS, '\n')
  const words = takeNumbers(rest, found).match(WORD) ?? []
  const names = words.filter((word) => NAME.test(word))
  found.push(...names.map((word): Atom => ({ kind: 'name', form: fold(word) })))
  return { text: clean, atoms: different(found), words: words.map(fold) }
}
