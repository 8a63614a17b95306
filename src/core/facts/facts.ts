/**
 * All atoms of a text, and what an atom may rest on: the atoms and words of other texts. Pure, and linear in the text:
 * every pattern has bounded repeats or cannot match in two ways. Names are known as copies alone: one that no text has,
 * and that is like one of a text.
 */
import { fold, GAP, keyOf, type Atom, type Facts } from './atom.ts'
import { takeDates, takeTimes } from './dates.ts'
import { takeNumbers } from './numbers.ts'
import {
  addQuotes,
  spokenWords,
  takeAddresses,
  takeCode,
  takeIdentifiers,
  takePhones,
} from './solid.ts'

/** Numbers of a list, not of what is listed; dates such as "3.4." are read before. */
const LIST_NUMBERS = /^[ \t]*\d{1,2}[.)][ \t]+/gm
const WORD = /[\p{L}\p{M}]+/gu
/** A word with a capital may be a name; shorter ones are too often like another word. */
const NAME = /^\p{Lu}[\p{L}\p{M}]{4,39}$/u
/** Behind a word, a number, a mark within a sentence or a title: the first word of a sentence is mostly no name. */
const WITHIN_SENTENCE =
  /(?<=[\p{L}\p{M}\p{N},;:\ue000][ \u00a0]|\(|(?<!\p{L})\p{Lu}\p{Ll}{0,2}\.[ \u00a0])\p{Lu}[\p{L}\p{M}]+/gu

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
  rest = takeNumbers(rest, found)
  const words = rest.match(WORD) ?? []
  for (const word of rest.match(WITHIN_SENTENCE) ?? [])
    if (NAME.test(word)) found.push({ kind: 'name', form: fold(word) })
  const names = words.filter((word) => NAME.test(word)).map(fold)
  return { text: clean, atoms: different(found), words: words.map(fold), names }
}

const WHOLE_DATE = /^\d{4}-\d\d-\d\d$/
/** Digits of an identifier that may stand alone elsewhere. */
const MIN_RUN = 3
/** Country codes have one to three digits. */
const COUNTRY_CODES = [1, 2, 3]
/** Digits of a phone number without its country code. */
const MIN_NATIONAL = 7

/** Quotes and code that are looked for in the texts; further ones count as not stated. Each takes a walk through all. */
const MAX_SEARCHES = 200

const nationalForms = (form: string): string[] =>
  COUNTRY_CODES.filter((digits) => form.length - digits >= MIN_NATIONAL).map((digits) =>
    form.slice(digits)
  )

/** The last letters of a name change with its case and number. */
const ENDING = 2

/**
 * Equal for two names of one first letter where one has a letter more, less or another one before its ending, or two in
 * another order: "Where" is not like "There".
 */
const likenessesOf = (name: string): string[] => {
  const [first, ...letters] = name.slice(0, -ENDING)
  return [letters, ...letters.map((_, at) => letters.toSpliced(at, 1))].map(
    (some) => `${first}${some.join('')} ${name.slice(-ENDING)}`
  )
}

/** An atom's form and its other readings. */
const readingsOf = ({ form, others = [] }: Atom): readonly string[] => [form, ...others]

/** Whether texts state an atom, if in another spelling or as a part of something more exact. */
export class Support {
  /** keys of atoms in all readings, and of what follows from them */
  private readonly keys = new Set<string>()
  /** a number's value → the units it has; `` for none */
  private readonly units = new Map<string, Set<string>>()
  /** values of numbers that are no part of something else */
  private readonly written = new Set<string>()
  private readonly words = new Set<string>()
  private readonly names = new Set<string>()
  /** of all names, once they are needed */
  private likenesses: ReadonlySet<string> | null = null
  private readonly texts: string[] = []
  /** words of all texts, once they are needed */
  private spoken: string | null = null

  constructor(...all: readonly Facts[]) {
    for (const { atoms, words, names, text } of all) {
      for (const atom of atoms) this.add(atom)
      for (const word of words) this.words.add(word)
      for (const name of names) this.names.add(name)
      this.texts.push(text)
    }
  }

  private addUnit(value: string, unit: string): void {
    const units = this.units.get(value)
    if (units === undefined) this.units.set(value, new Set([unit]))
    else units.add(unit)
  }

  private addNumber(form: string, unit: string): void {
    this.addUnit(form.split(' ')[0] ?? '', unit)
    if (unit === '') this.written.add(form)
  }

  private add(atom: Atom): void {
    for (const form of readingsOf(atom)) {
      this.keys.add(keyOf({ kind: atom.kind, form }))
      if (atom.kind === 'date') this.addDate(form)
      else if (atom.kind === 'time') this.addHour(form)
      else if (atom.kind === 'number') this.addNumber(form, atom.amount?.unit ?? '')
      else if (atom.kind === 'phone')
        for (const one of nationalForms(form)) this.keys.add(`phone:${one}`)
      else if (atom.kind === 'identifier' || atom.kind === 'code') this.addParts(form)
      else if (atom.kind === 'url') this.keys.add(`url:${form.split('/')[0] ?? ''}`)
      else if (atom.kind === 'name') this.names.add(form)
    }
    if (atom.amount !== undefined) this.addUnit(atom.amount.value, atom.amount.unit)
  }

  /** A year, a day and a month without a year follow, also where a text has the month as a word. */
  private addDate(form: string): void {
    if (WHOLE_DATE.test(form)) {
      this.keys.add(`date:-${form.slice(4)}`)
      this.addUnit(form.slice(0, 4), '')
    }
    this.addUnit(String(Number(form.slice(-2))), '')
  }

  /** "between 9 and 11:00" */
  private addHour(form: string): void {
    if (form.endsWith(':00')) this.addUnit(String(Number(form.slice(0, 2))), '')
  }

  private addParts(form: string): void {
    for (const [run] of form.matchAll(/\d+/gu)) if (run.length >= MIN_RUN) this.addUnit(run, '')
    for (const [run] of form.matchAll(/\p{L}{2,}/gu)) this.words.add(fold(run))
  }

  private hasNumber(form: string, amount: Atom['amount']): boolean {
    const unit = amount?.unit ?? ''
    if (unit === '') return this.units.has(form)
    if (this.keys.has(`number:${form}`)) return true
    // "amount: 10" states 10 EUR unless it is 10 of something else
    const units = this.units.get(amount?.value ?? '')
    return units?.has('') === true && units.size === 1
  }

  /** "3 March 2026" has two numbers of 2026-03-03, and "03.03." all but the year. */
  private hasDate(form: string): boolean {
    const isDayWritten = this.written.has(String(Number(form.slice(-2))))
    if (!WHOLE_DATE.test(form)) return isDayWritten
    const year = form.slice(0, 4)
    if (isDayWritten && this.written.has(year)) return true
    return this.keys.has(`date:-${form.slice(4)}`) && this.units.has(year)
  }

  private hasTime(form: string): boolean {
    return (
      form.endsWith(':00') && this.units.get(String(Number(form.slice(0, 2))))?.has('') === true
    )
  }

  private hasWord(word: string): boolean {
    return (
      this.names.has(word) ||
      this.words.has(word) ||
      (word.endsWith('s') && this.words.has(word.slice(0, -1)))
    )
  }

  /** Whether the words stand in a text one behind the other. */
  private hasText(form: string): boolean {
    this.spoken ??= ` ${this.texts.map((text) => spokenWords(text).join(' ')).join(' \n ')} `
    return this.spoken.includes(` ${spokenWords(form).join(' ')} `)
  }

  /** ORD-12345 where "order 12345" or "ORD 12345" stands. */
  private hasIdentifier(form: string): boolean {
    const digits = form.match(/\d+/gu) ?? []
    const letters = form.match(/\p{L}+/gu) ?? []
    return (
      digits.length === 1 &&
      (digits[0]?.length ?? 0) > MIN_RUN &&
      this.units.has(digits[0] ?? '') &&
      letters.every((run) => this.words.has(fold(run)))
    )
  }

  /** Whether a name is like one of the texts. */
  resembles(name: string): boolean {
    this.likenesses ??= new Set([...this.names].flatMap(likenessesOf))
    return likenessesOf(name).some((one) => this.likenesses?.has(one))
  }

  /** @param maySearch false: texts are not searched */
  states(atom: Atom, maySearch: boolean): boolean {
    return readingsOf(atom).some((form) => {
      if (atom.kind === 'number') return this.hasNumber(form, atom.amount)
      if (this.keys.has(keyOf({ kind: atom.kind, form }))) return true
      switch (atom.kind) {
        case 'date':
          return this.hasDate(form)
        case 'time':
          return this.hasTime(form)
        case 'name':
          return this.hasWord(form)
        case 'identifier':
          return this.hasIdentifier(form) || this.units.has(form)
        case 'phone':
          return nationalForms(form).some((one) => this.keys.has(`phone:${one}`))
        case 'code':
        case 'quote':
          return maySearch && this.hasText(form)
        default:
          return false
      }
    })
  }
}

/** The atoms that no support states, in their order; of names those that are like one of a support. */
export const inventions = (atoms: readonly Atom[], supports: readonly Support[]): Atom[] => {
  let searches = 0
  return atoms.filter((atom) => {
    if (atom.kind === 'code' || atom.kind === 'quote') searches++
    const isStated = supports.some((support) => support.states(atom, searches <= MAX_SEARCHES))
    if (isStated) return false
    return atom.kind !== 'name' || supports.some((support) => support.resembles(atom.form))
  })
}

/**
 * The rule of the gate: what is in neither text is a loss, whatever a judge says.
 * @param request text of all messages
 * @returns atoms of the answer that neither the logged answer nor the request states
 */
export const inventedBeside = (
  answer: string,
  { logged, request }: { logged: string; request: Facts }
): Atom[] => inventions(factsOf(answer).atoms, [new Support(factsOf(logged), request)])
