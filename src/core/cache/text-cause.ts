/**
 * What differs between the texts that requests have in one place: a date, a time, a name, an identifier, a counter,
 * retrieved examples or text of the user. Values are compared in the order of time.
 */
import { maskOf, typedParts, type MaskName } from '../detect/building/mask.ts'
import { shapeOf } from '../template/shape.ts'

export type TextCause =
  'date' | 'time' | 'name' | 'id' | 'counter' | 'retrieved-examples' | 'user-text-first'

/** More tell no more. */
const MOST_VALUES = 200
const MOST = 0.9
const CLOCK = /\d{1,2}[:h.]\d{2}.*$|\d{1,2} ?(?:[ap]\.?m\.?|uhr).*$/iu
const NAME = /^\p{Lu}[\p{L}'’.-]{0,40}(?:,? \p{Lu}[\p{L}'’.-]{0,40}){0,3}$/u
/** One to three short words without the mark of a sentence. */
const FEW_WORDS = /^[\p{L}\p{N}'’_-]{1,24}(?: [\p{L}\p{N}'’_-]{1,24}){0,2}$/u
const IDENTIFIER = /^(?=[^\s]*\p{Nd})[\p{L}\p{N}#:_./-]{2,64}$/u
const CALENDAR = /(?<!‹)‹(?:month|weekday)›/u
/** Seconds since 1970 from 2001 to 2065; other numbers of ten digits are numbers. */
const [FIRST_SECOND, LAST_SECOND] = [1e9, 3e9]

const shareOf = <T>(items: readonly T[], test: (item: T) => boolean): number =>
  items.length === 0 ? 0 : items.filter(test).length / items.length

const neighboursOf = (values: readonly string[]): [string, string][] =>
  values.flatMap((value, at): [string, string][] => {
    const before = values[at - 1]
    return before === undefined ? [] : [[before, value]]
  })

const numberIn = (value: string): number => Number((/\d{1,15}(?!.*\d)/su.exec(value) ?? ['NaN'])[0])

/** Whether the numbers grow from one request to the next; equal neighbours say nothing. */
const isRising = (values: readonly string[]): boolean => {
  const steps = neighboursOf(values)
    .map(([one, other]) => numberIn(other) - numberIn(one))
    .filter((step) => step !== 0)
  return steps.length > 0 && shareOf(steps, (step) => step > 0) >= MOST
}

const isClock = (value: string): boolean => {
  const seconds = Number(value.trim().slice(0, 10))
  return seconds >= FIRST_SECOND && seconds <= LAST_SECOND
}

const differsInTime = ([one, other]: [string, string]): boolean =>
  one.replace(CLOCK, '') === other.replace(CLOCK, '')

/** Of a date with a time: what of it differs between neighbours. */
const dateOrTime = (values: readonly string[]): TextCause => {
  const changed = neighboursOf(values).filter(([one, other]) => one !== other)
  return shareOf(changed, differsInTime) >= 0.5 ? 'time' : 'date'
}

const numbered = (values: readonly string[]): TextCause => (isRising(values) ? 'counter' : 'id')

const ofMask = (mask: MaskName, values: readonly string[]): TextCause => {
  if (mask === 'date') return 'date'
  if (mask === 'time') return 'time'
  if (mask === 'datetime') return dateOrTime(values)
  if (mask === 'timestamp') return values.every(isClock) ? 'time' : numbered(values)
  return mask === 'ticket' ? numbered(values) : 'id'
}

/** Null where most values have no one type. */
const typed = (values: readonly string[]): TextCause | null => {
  const masks = values.map(maskOf)
  const found = masks.filter((mask) => mask !== null)
  if (found.length < MOST * values.length) return null
  const [most] = [...new Set(found)].toSorted(
    (a, b) => shareOf(found, (mask) => mask === b) - shareOf(found, (mask) => mask === a)
  )
  return most === undefined ? null : ofMask(most, values)
}

/** The values without the words that all of them begin and end with. */
const differing = (values: readonly string[]): string[] => {
  const words = values.map((value) => value.trim().split(/(?<=\s)/u))
  const least = Math.min(...words.map(({ length }) => length))
  const isShared = (wordOf: (own: string[]) => string | undefined): boolean =>
    new Set(words.map((own) => wordOf(own)?.trim())).size === 1
  let from = 0
  while (from < least && isShared((own) => own[from])) from++
  let end = 0
  while (end < least - from && isShared((own) => own.at(-1 - end))) end++
  return words.map((own) =>
    own
      .slice(from, own.length - end)
      .join('')
      .trim()
  )
}

const bare = (value: string): string => value.replace(/^[\s"'([<]+|[\s"'.,;:!?)\]>]+$/gu, '')

const hasCalendar = (value: string): boolean => CALENDAR.test(shapeOf(value) ?? '')

/** Null for text. */
const shortCause = (values: readonly string[]): TextCause | null => {
  const cores = values.map(bare).filter((value) => value !== '')
  const whole = typed(cores)
  if (whole !== null) return whole
  if (shareOf(cores, hasCalendar) >= MOST) return dateOrTime(cores)
  if (shareOf(cores, (value) => IDENTIFIER.test(value)) >= MOST) return numbered(cores)
  if (shareOf(cores, (value) => NAME.test(value) || FEW_WORDS.test(value)) >= 0.7) return 'name'
  return null
}

const textCause = (values: readonly string[]): TextCause | null => {
  const whole = typed(values)
  if (whole !== null) return whole
  const parts = typedParts([...values])?.flatMap((part) => ('values' in part ? [part.values] : []))
  const [first, second] = parts ?? []
  if (first === undefined) return shortCause(differing(values))
  return typed(first) ?? (second && typed(second)) ?? 'id'
}

/**
 * @param values starts of the texts in one place, at least two that differ, in the order of time
 * @param isRepeated long texts that come again are examples; those that do not are the user's
 */
export const causeOfTexts = (values: readonly string[], isRepeated: boolean): TextCause => {
  const found = textCause(values.slice(0, MOST_VALUES))
  return found ?? (isRepeated ? 'retrieved-examples' : 'user-text-first')
}
