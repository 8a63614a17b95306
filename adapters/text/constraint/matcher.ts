/**
 * Recognizes texts byte by byte. A matcher is a place in all texts that are still possible; it is immutable,
 * so many continuations can be tried from one place. What follows a part is made when the part ends, so
 * matchers of recursive schemas are finite.
 */
import {
  ENDABLE,
  firstNumberPart,
  isBetweenCharacters,
  isDigit,
  nextInString,
  nextNumberPart,
  QUOTE,
  STRING_START,
  type NumberPart,
  type StringState,
} from './json-tokens.ts'

export interface Matcher {
  /** @returns null where no text goes on with the byte */
  step(byte: number): Matcher | null
  /** whether the text may end here */
  readonly mayEnd: boolean
}

/** What follows a part; null where nothing can. */
export type Rest = () => Matcher | null
/** A part with what follows it; null where no text has the part. */
export type Part = (rest: Rest) => Matcher | null

const UTF8 = new TextEncoder()

/** Nothing follows. */
export const END: Matcher = { step: () => null, mayEnd: true }

/**
 * Places that are followed at the same time. Further places are dropped. Then fewer texts are possible, and
 * all of them fit the schema.
 */
const MAX_PLACES = 32

class Either implements Matcher {
  readonly places: Matcher[]
  readonly mayEnd: boolean
  /** by byte: a vocabulary of tokens that is tried from here begins with few different bytes */
  private readonly next = new Map<number, Matcher | null>()

  constructor(places: Matcher[]) {
    this.places = places.slice(0, MAX_PLACES)
    this.mayEnd = this.places.some(({ mayEnd }) => mayEnd)
  }

  step(byte: number): Matcher | null {
    let next = this.next.get(byte)
    if (next === undefined) {
      next = either(this.places.map((place) => place.step(byte)))
      this.next.set(byte, next)
    }
    return next
  }
}

/** Any of several; the first ones are kept where there are too many. @returns null for none */
export const either = (alternatives: (Matcher | null)[]): Matcher | null => {
  const places = alternatives.flatMap((one) => (one instanceof Either ? one.places : (one ?? [])))
  return places.length > 1 ? new Either(places) : (places[0] ?? null)
}

interface Choice {
  bytes: Uint8Array
  rest: Rest
}

/** @param at bytes of the choices that were read */
const choiceAt = (choices: readonly Choice[], at: number): Matcher => ({
  step: (byte) => {
    const left = choices.filter(({ bytes }) => bytes[at] === byte)
    const longer = left.filter(({ bytes }) => bytes.length > at + 1)
    return either([
      ...left.map(({ bytes, rest }) => (bytes.length === at + 1 ? rest() : null)),
      longer.length > 0 ? choiceAt(longer, at + 1) : null,
    ])
  },
  mayEnd: false,
})

const choice = ({ text, rest }: { text: string; rest: Rest }): Choice => ({
  bytes: UTF8.encode(text),
  rest,
})

/** One of several texts, none empty, each with what follows it: one place for all of them. */
export const oneText = (texts: readonly { text: string; rest: Rest }[]): Matcher | null =>
  texts.length === 0 ? null : choiceAt(texts.map(choice), 0)

/** @param text not empty */
export const literal = (text: string, rest: Rest): Matcher => choiceAt([choice({ text, rest })], 0)

export interface Length {
  least: number
  most: number
}
export const ANY_LENGTH: Length = { least: 0, most: Infinity }

const inString = (state: StringState, characters: number, length: Length, rest: Rest): Matcher => ({
  step: (byte) => {
    const isNew = isBetweenCharacters(state)
    if (isNew && byte === QUOTE) return characters >= length.least ? rest() : null
    if (isNew && characters >= length.most) return null
    const next = nextInString(state, byte)
    return next && inString(next, characters + (isNew ? 1 : 0), length, rest)
  },
  mayEnd: false,
})

/** A string with so many characters; an escaped one counts as one. */
export const string =
  (length: Length): Part =>
  (rest) =>
    literal('"', () => inString(STRING_START, 0, length, rest))

/** @param read of the number so far; one that a double cannot hold is none */
const numberAt = (read: string, part: NumberPart, isWhole: boolean, rest: Rest): Matcher => {
  const mayEnd = ENDABLE.has(part)
  return {
    step: (byte) => {
      const next = isWhole && !isDigit(byte) ? null : nextNumberPart(part, byte)
      if (next === null) return mayEnd ? (rest()?.step(byte) ?? null) : null
      const longer = read + String.fromCharCode(byte)
      if (ENDABLE.has(next) && !Number.isFinite(Number(longer))) return null
      return numberAt(longer, next, isWhole, rest)
    },
    get mayEnd() {
      return mayEnd && rest()?.mayEnd === true
    },
  }
}

/** @param isWhole without a point and an exponent */
export const number =
  (isWhole: boolean): Part =>
  (rest) => ({
    step: (byte) => {
      const part = firstNumberPart(byte)
      return part && numberAt(String.fromCharCode(byte), part, isWhole, rest)
    },
    mayEnd: false,
  })

/** `[`, items with commas, `]`. */
export const list = (itemAt: (index: number) => Part, length: Length): Part => {
  const from =
    (index: number, rest: Rest): Rest =>
    () => {
      const after = from(index + 1, rest)
      const item: Rest = () => itemAt(index)(after)
      const more = (): Matcher | null => (index === 0 ? item() : literal(',', item))
      return either([
        index >= length.least ? literal(']', rest) : null,
        index < length.most ? more() : null,
      ])
    }
  return (rest) => literal('[', from(0, rest))
}

export interface Member {
  name: string
  isRequired: boolean
  value: Part
}

/** `{`, members in the given order with commas, `}`; others than the required ones may be left out. */
export const object = (members: readonly Member[]): Part => {
  const from =
    (index: number, isFirst: boolean, rest: Rest): Rest =>
    () => {
      const required = members.findIndex((member, at) => at >= index && member.isRequired)
      const last = required < 0 ? members.length - 1 : required
      const next = members.slice(index, last + 1).map(({ name, value }, offset) => {
        const after = from(index + offset + 1, false, rest)
        const text = `${isFirst ? '' : ','}${JSON.stringify(name)}:`
        return { text, rest: () => value(after) }
      })
      return oneText(required < 0 ? [{ text: '}', rest }, ...next] : next)
    }
  return (rest) => literal('{', from(0, true, rest))
}

const FROM_UTF8 = new TextDecoder()

/** A name that is not among those before it, behind its opening quote. */
const newName = (
  state: StringState,
  read: readonly number[],
  before: ReadonlySet<string>,
  rest: (name: string) => Matcher | null
): Matcher => ({
  step: (byte) => {
    if (byte === QUOTE && isBetweenCharacters(state)) {
      const name = JSON.parse(`"${FROM_UTF8.decode(Uint8Array.from(read))}"`) as string
      return before.has(name) ? null : rest(name)
    }
    const next = nextInString(state, byte)
    return next && newName(next, [...read, byte], before, rest)
  },
  mayEnd: false,
})

/** `{`, any members with such values and different names, `}`. */
export const record = (value: Part): Part => {
  const member = (before: ReadonlySet<string>, rest: Rest): Matcher =>
    literal('"', () =>
      newName(STRING_START, [], before, (name) =>
        literal(':', () => value(more(new Set([...before, name]), rest)))
      )
    )
  const more =
    (before: ReadonlySet<string>, rest: Rest): Rest =>
    () =>
      either([literal('}', rest), literal(',', () => member(before, rest))])
  return (rest) => literal('{', () => either([literal('}', rest), member(new Set(), rest)]))
}

/** One of several texts. */
export const word =
  (texts: readonly string[]): Part =>
  (rest) =>
    oneText(texts.map((text) => ({ text, rest })))

/** Deepest nesting of a value without a schema. */
const MAX_DEPTH = 64

/** Any value; at the greatest depth no list and no object. */
export const value =
  (depth = 0): Part =>
  (rest) => {
    const inner = value(depth + 1)
    const nested =
      depth < MAX_DEPTH ? [list(() => inner, ANY_LENGTH)(rest), record(inner)(rest)] : []
    return either([
      string(ANY_LENGTH)(rest),
      number(false)(rest),
      word(['true', 'false', 'null'])(rest),
      ...nested,
    ])
  }

/** Any object. */
export const anyObject: Part = (rest) => record(value(1))(rest)
