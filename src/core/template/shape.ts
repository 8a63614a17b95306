/**
 * The shape of a dropped slot's value: what may change in it without changing what it says. Figures, words of
 * closed lists and identifiers become classes; every other letter and mark stays, so that text that a route has
 * never seen has a shape that it has never seen. Linear in the value. Knows nothing of templates.
 *
 * Names of months and weekdays in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish,
 * Chinese, Japanese and Korean, and of time zones. All in lower case.
 */

const listed = (words: string): string[] => words.trim().split(/\s+/u)

export const MONTHS = listed(`
  january february march april may june july august september october november december
  januar jänner februar märz mai juni juli oktober dezember
  janvier février fevrier mars avril juin juillet août aout septembre octobre novembre décembre decembre
  enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre
  gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
  janeiro fevereiro março marco maio junho julho setembro outubro novembro dezembro
  januari februari maart mei augustus
  stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
`)

/** Words of other languages, too: dates only beside a number. */
export const SHORT_MONTHS = listed(`
  jan feb mar apr jun jul aug sept sep oct nov dec mär mrz okt dez
  janv févr avr juil déc ene abr ago dic gen mag giu lug set ott fev mai out mrt
`)

export const WEEKDAYS = listed(`
  monday tuesday wednesday thursday friday saturday sunday
  montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
  lundi mardi mercredi jeudi vendredi samedi dimanche
  lunes martes miércoles miercoles jueves viernes sábado sabado domingo
  lunedì martedì mercoledì giovedì venerdì sabato domenica
  segunda-feira terça-feira quarta-feira quinta-feira sexta-feira
  maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
  poniedziałek wtorek środa czwartek piątek sobota niedziela
`)

/** Days only beside a number, as short months. */
export const SHORT_WEEKDAYS = listed('mon tues tue wed thurs thur thu fri sat sun')

/** Weekdays in Chinese, Japanese and Korean, as the source of a regular expression. */
const EAST_ASIAN_WEEKDAY =
  '(?:星期|周|週)[一二三四五六日天]|[月火水木金土日]曜日?|[월화수목금토일]요일'

/** The same in one character. */
const EAST_ASIAN_DAYS = [...'一二三四五六日月火水木金土월화수목금토일']

const TIME_ZONES = listed(
  'z utc gmt cet cest wet west eet eest msk bst ist jst kst hkt est edt cst cdt mst mdt pst pdt'
)

/** UTF-16 units of a value that has a shape; a longer one is text. */
export const MAX_SHAPED_CHARS = 300

const classOf = (name: string, words: readonly string[]): [string, string][] =>
  words.map((word) => [word, `‹${name}›`])

/** Of a word wherever it stands. */
const CLASSES = new Map([...classOf('month', MONTHS), ...classOf('weekday', WEEKDAYS)])

/** Of a word in a value with a figure; "may" and "sun" are words of a sentence elsewhere. */
const CLASSES_BY_FIGURES = new Map([
  ...classOf('month', SHORT_MONTHS),
  ...classOf('weekday', [...SHORT_WEEKDAYS, ...EAST_ASIAN_DAYS]),
  ...classOf('zone', TIME_ZONES),
  ...classOf('half of a day', ['am', 'pm']),
])

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\\p{L}\\p{N}-])'
const HALF_OF_DAY = '(?<=\\p{Nd} ?)[ap]\\.m(?![\\p{L}\\p{N}])'
/** Month and day after a year of four figures, minutes and seconds: written with a zero, so their length is fixed. */
const PADDED = '(?<=\\p{Nd}{4}-(?:\\p{Nd}{2}-)?|\\p{Nd}:)\\p{Nd}{1,2}(?:T\\p{Nd}{1,2})?(?!\\p{N})'
const TOKEN = new RegExp(
  `${UUID}|${HALF_OF_DAY}|(${PADDED})|[\\p{L}\\p{M}\\p{N}]+(?:-feira)?|(?<=\\p{Nd})°(?![\\p{L}\\p{M}\\p{N}])|‹`,
  'giu'
)
const UUID_CHARS = 36

const FIGURE = /\p{Nd}/u
const FIGURES_ALONE = /^\p{Nd}+$/u
const ORDINAL = /^(\p{Nd}{1,2})(?:st|nd|rd|th|er|º|ª)$/iu
const HEX = /^(?:0x)?[0-9a-f]{8,128}$/iu
const RUNS = /\p{Nd}+|[^\p{Nd}]+/gu
const DAYS_INSIDE = new RegExp(EAST_ASIAN_WEEKDAY, 'gu')
const DAY_ALONE = new RegExp(`^(?:${EAST_ASIAN_WEEKDAY})$`, 'u')
/** Longer runs of letters inside an identifier may be a word. */
const MAX_ID_LETTERS = 2

/** The zero of a figure's script: figures of other scripts are other classes. */
const zeroOf = (figure: string): string => {
  if (figure <= '9') return '0'
  let zero = figure.codePointAt(0)!
  while (FIGURE.test(String.fromCodePoint(zero - 1))) zero--
  return String.fromCodePoint(zero)
}

/** Writes a run of figures. */
type Figures = (run: string) => string

const zeros = (run: string): string => run.replace(/\p{Nd}/gu, zeroOf)

/** One or two figures are one class, because a day of a month and an hour are both. */
const figures = (run: string): string => zeros(run).replace(/^(.)\1$/u, '$1')

/** A lone number keeps its first figure: the prompt may have a rule for numbers over 500. */
const loneFigures = (run: string): string =>
  run.replace(/\p{Nd}/gu, (figure, at: number) => (at === 0 ? figure : zeroOf(figure)))

const letterClass = (letter: string): string =>
  /\p{Ll}/u.test(letter) ? 'a' : /\p{Lu}/u.test(letter) ? 'A' : letter

/** Letters and figures in one: "INC0042", "x7K", "2026年10月3日". Letter classes are in marks of their own. */
const idShape = (token: string, figuresOf: Figures): string =>
  token.replace(RUNS, (run) => {
    if (FIGURES_ALONE.test(run)) return figuresOf(run)
    const letters = [...run]
    if (letters.length > MAX_ID_LETTERS || !letters.every((each) => /[\p{Ll}\p{Lu}]/u.test(each)))
      return run.replace(DAYS_INSIDE, '‹weekday›')
    return `‹${letters.map(letterClass).join('')}›`
  })

const tokenShape = (token: string, hasFigures: boolean, figuresOf: Figures): string => {
  if (token === '‹') return '‹‹'
  if (token === '°') return ''
  if (token.length === UUID_CHARS && token[8] === '-') return '‹uuid›'
  if (FIGURES_ALONE.test(token)) return figuresOf(token)
  const word = token.toLowerCase().normalize('NFC')
  const known = CLASSES.get(word) ?? (hasFigures ? CLASSES_BY_FIGURES.get(word) : undefined)
  if (known !== undefined) return known
  if (DAY_ALONE.test(word)) return '‹weekday›'
  if (word === 'a.m' || word === 'p.m') return '‹half of a day›'
  if (!FIGURE.test(token)) return token
  const ordinal = ORDINAL.exec(token)?.[1]
  if (ordinal !== undefined) return figuresOf(ordinal)
  const hasLetters = /[a-f]/iu.test(token.replace(/^0x/iu, ''))
  if (hasLetters && HEX.test(token)) return `‹hex ${token.length}›`
  return idShape(token, figuresOf)
}

const shapeWith = (value: string, hasFigures: boolean, figuresOf: Figures): string =>
  value.replace(TOKEN, (token, padded: string | undefined) =>
    padded === undefined ? tokenShape(token, hasFigures, figuresOf) : zeros(padded)
  )

const FIGURE_RUN = /\p{Nd}+/gu
const CALENDAR = /(?<!‹)‹(?:month|weekday|zone|half of a day)›/u

/**
 * The value with its figures, dates and identifiers as classes. Two values of one shape say the same but for
 * figures, the names of months, days and time zones, and identifiers. Of a number that is alone in its value, outside
 * a date, the first figure and the length stay.
 * @returns null for a value over `MAX_SHAPED_CHARS`
 */
export const shapeOf = (value: string): string | null => {
  if (value.length > MAX_SHAPED_CHARS) return null
  const runs = value.match(FIGURE_RUN)?.length ?? 0
  const shape = shapeWith(value, runs > 0, figures)
  return runs === 1 && !CALENDAR.test(shape) ? shapeWith(value, true, loneFigures) : shape
}
