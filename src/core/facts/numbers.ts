/**
 * Numbers with their unit: all separators, and the units, currencies and powers of ten that are written as a symbol or as
 * an English word. Digits of other scripts than ASCII are not read.
 */
import { CURRENCIES, UNITS } from '../form/normalize/amounts.ts'
import { readTable } from '../form/normalize/rule.ts'
import { GAP, type Atom } from './atom.ts'

const SYMBOLS = '€$£¥₹₩₺%‰'

const MORE_UNITS = readTable(`
  cent: cent cents; GB: gb gigabyte gigabytes; MB: mb megabyte megabytes; kB: kb kilobytes; TB: tb; kW: kw; kWh: kwh;
  W: w watt; V: v volt volts; Hz: hz; MHz: mhz; GHz: ghz; cl: cl; hl: hl; ha: ha; m²: m² m2 sqm; µg: µg mcg`)

/** Also words: "5 in" and "5 y" have no unit. */
const NO_UNITS = new Set(['in', 'y', 'd', 'pound', 'pounds'])
const UNIT_NAMES = new Map(
  [...UNITS, ...MORE_UNITS, ...CURRENCIES].filter(([word]) => !NO_UNITS.has(word))
)

/** As powers of ten. */
const MAGNITUDES = new Map([
  ...['k', 'thousand'].map((word): [string, number] => [word, 3]),
  ...['million', 'millions', 'mio', 'mn', 'm€'].map((word): [string, number] => [word, 6]),
  ...['billion', 'billions', 'mrd', 'bn'].map((word): [string, number] => [word, 9]),
])
const ORDINALS = new Set(['st', 'nd', 'rd', 'th', 'er', 're', 'e', 'ème', 'º', 'ª', 'x'])

/** Whether a word attached to a number belongs to the number, as in `5kg` and `3rd`. */
export const isSuffix = (word: string): boolean => {
  const lower = word.toLowerCase()
  return UNIT_NAMES.has(lower) || MAGNITUDES.has(lower) || ORDINALS.has(lower) || lower === 'm'
}

/** Base unit and factor: 90 min are 1.5 h, 500 mg are 0.5 g. */
const BASES = new Map<string, [base: string, factor: number]>([
  ...Object.entries({ s: 1, min: 60, h: 3600, d: 86_400, wk: 604_800 }).map(
    ([unit, factor]): [string, [string, number]] => [unit, ['s', factor]]
  ),
  ...Object.entries({ mo: 1, y: 12 }).map(([unit, factor]): [string, [string, number]] => [
    unit,
    ['mo', factor],
  ]),
  ...Object.entries({ µg: 1e-6, mg: 1e-3, g: 1, kg: 1e3, t: 1e6 }).map(
    ([unit, factor]): [string, [string, number]] => [unit, ['g', factor]]
  ),
  ...Object.entries({ mm: 1e-3, cm: 1e-2, m: 1, km: 1e3 }).map(
    ([unit, factor]): [string, [string, number]] => [unit, ['m', factor]]
  ),
  ...Object.entries({ ml: 1e-3, cl: 1e-2, l: 1, hl: 1e2 }).map(
    ([unit, factor]): [string, [string, number]] => [unit, ['l', factor]]
  ),
])

const SPACE = '[ \\u00a0\\u202f\\u2009]'
const NUMBER = new RegExp(
  String.raw`(?<![\p{L}])(?:(US\$|A\$|C\$|R\$|[€$£¥₹₩₺]|[A-Z]{3}(?![A-Z]))${SPACE}?)?([-−](?<=(?:^|[\s(:=])[-−]))?(?:(\d{1,3}([.,'’ \u00a0\u202f\u2009])\d{3}(?:\4\d{3})*)(?!\d)(?:(?!\4)[.,](\d+))?|(\d+)(?:[.,](\d+))?)`,
  'gu'
)
const SUFFIX = new RegExp(
  `(${SPACE}|-)?([${SYMBOLS}]|°${SPACE}?[CF]|°|\\p{L}[\\p{L}\\p{M}²€]*)`,
  'uy'
)
/** Doubles are exact up to so many digits. */
const MAX_DIGITS = 15

/** Digits without zeros that say nothing. */
const canonical = (sign: string, whole: string, fraction: string): string => {
  let [from, end] = [0, fraction.length]
  while (from < whole.length - 1 && whole.charAt(from) === '0') from++
  while (end > 0 && fraction.charAt(end - 1) === '0') end--
  const number = end === 0 ? whole.slice(from) : `${whole.slice(from)}.${fraction.slice(0, end)}`
  return sign === '' || number === '0' ? number : `-${number}`
}

const shifted = (value: string, factor: number): string =>
  factor === 1 || value.length > MAX_DIGITS
    ? value
    : String(Number((Number(value) * factor).toPrecision(12)))

/** One or, where a mark may separate thousands or a fraction, two values; first as in English. */
const valuesOf = ([
  ,
  ,
  sign = '',
  grouped,
  mark = '',
  groupedFraction,
  whole = '',
  fraction = '',
]: RegExpExecArray): string[] => {
  if (grouped === undefined) return [canonical(sign, whole, fraction)]
  const digits = grouped.replace(/\D/g, '')
  const asThousands = canonical(sign, digits, groupedFraction ?? '')
  const isOpen =
    groupedFraction === undefined && /^[.,]$/.test(mark) && /^\d{1,3}.\d{3}$/.test(grouped)
  if (!isOpen) return [asThousands]
  const [before = '', after = ''] = grouped.split(mark)
  const asFraction = canonical(sign, before, after)
  return mark === ',' ? [asThousands, asFraction] : [asFraction, asThousands]
}

interface Suffix {
  unit: string
  power: number
  end: number
}

/** The unit and the magnitude behind a number that ends at `at`. */
const suffixAt = (text: string, at: number, power = 0): Suffix => {
  const none = { unit: '', power, end: at }
  SUFFIX.lastIndex = at
  const found = SUFFIX.exec(text)
  if (found === null) return none
  const [whole, gap = '', word = ''] = found
  const end = at + whole.length
  const lower = word.toLowerCase()
  const isLetter = /^\p{L}$/u.test(word)
  // "5 l'article", "5 d'entre"
  if (isLetter && /['’]/.test(text.charAt(end))) return none
  const magnitude = gap === '' && word === 'M' ? 6 : MAGNITUDES.get(lower)
  if (power === 0 && magnitude !== undefined && (word.length > 1 || gap === '')) {
    const point = text.charAt(end) === '.' && word.length < 4 ? 1 : 0
    return suffixAt(text, end + point, magnitude)
  }
  if (gap === '' && ORDINALS.has(lower)) return { unit: '', power, end }
  if (/^pounds?$/.test(lower)) return { unit: 'GBP', power, end }
  const unit = UNIT_NAMES.get(lower.replace(/\s/gu, '')) ?? (word === '‰' ? '‰' : undefined)
  return unit === undefined ? none : { unit, power, end }
}

/** @param values readings @param unit its short name; `` for none */
export const numberAtom = ([value = '', ...others]: string[], unit: string): Atom => {
  const [base, factor] = BASES.get(unit) ?? [unit, 1]
  const formOf = (one: string): string => (unit === '' ? one : `${shifted(one, factor)} ${base}`)
  const more = others.length === 0 ? {} : { others: others.map(formOf) }
  return { kind: 'number', form: formOf(value), amount: { value, unit }, ...more }
}

/** `007` is no number. */
const isCode = ([, prefix, , , , , whole = '', fraction]: RegExpExecArray): boolean =>
  prefix === undefined && fraction === undefined && whole.length > 1 && whole.startsWith('0')

const atomAt = (
  found: RegExpExecArray,
  currency: string | undefined,
  { unit, power }: Suffix
): Atom => {
  const values = valuesOf(found)
  if (unit === '' && currency === undefined && power === 0 && isCode(found))
    return { kind: 'identifier', form: found[6] ?? '' }
  return numberAtom(
    values.map((value) => shifted(value, 10 ** power)),
    currency ?? unit
  )
}

/** Removes numbers with their units from the text. */
export const takeNumbers = (text: string, atoms: Atom[]): string => {
  const parts: string[] = []
  let at = 0
  NUMBER.lastIndex = 0
  for (let found = NUMBER.exec(text); found !== null; found = NUMBER.exec(text)) {
    const prefix = found[1] ?? ''
    const currency = CURRENCIES.get(prefix.toLowerCase())
    const suffix = suffixAt(text, NUMBER.lastIndex)
    atoms.push(atomAt(found, currency, suffix))
    // a prefix that is no currency is a word
    parts.push(text.slice(at, found.index), currency === undefined ? `${prefix} ` : '', GAP)
    at = suffix.end
    NUMBER.lastIndex = at
  }
  parts.push(text.slice(at))
  return parts.join('')
}
