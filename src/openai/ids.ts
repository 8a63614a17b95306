/**
 * Ids of a lora's answers, each with the form and length of the API's own: a client sends them back, and the API
 * refuses others (`test/kit/upstream/api-limits.ts`). Those of the Responses API are made from the id of the record, a
 * UUID, and read without a store: of a provider's ids one of 2^40 ends with the mark. Pure.
 */
/** The API compares the prefix with the type of the item; an output of a call has that of the call. */
export type ItemPrefix = 'resp' | 'msg' | 'fc' | 'rs'

/** What an id of ours means. */
export interface OwnId {
  prefix: ItemPrefix
  /** id of the record */
  record: string
  /** in the output; null of the response itself */
  output: number | null
  /** in the input of the request */
  input: number | null
}

/** `promp` in hexadecimal digits, so that an id has no others. */
const MARK = '70726f6d70'
/** How each id of ours ends in JSON: a native search finds bodies that have one. */
export const ID_END = `${MARK}"`

const PLACE_DIGITS = 6
/** Places of the input begin here. A body has room for fewer items. */
const INPUT = 0x800000

const OWN_ID = new RegExp(`^(resp|msg|fc|rs)_([0-9a-f]{32})([0-9a-f]{${PLACE_DIGITS}})${MARK}$`)

const digitsOf = (record: string): string => record.replaceAll('-', '')

const idOf = (prefix: ItemPrefix, record: string, place: number): string =>
  `${prefix}_${digitsOf(record)}${place.toString(16).padStart(PLACE_DIGITS, '0')}${MARK}`

/** @param record a UUID */
export const responseId = (record: string): string => idOf('resp', record, 0)

export const outputItemId = (prefix: ItemPrefix, record: string, place: number): string =>
  idOf(prefix, record, place)

export const inputItemId = (prefix: ItemPrefix, record: string, place: number): string =>
  idOf(prefix, record, INPUT + place)

/** @returns null for an id that is the provider's */
export const readOwnId = (id: string): OwnId | null => {
  const [, prefix, digits, hexPlace] = OWN_ID.exec(id) ?? []
  if (prefix === undefined || digits === undefined || hexPlace === undefined) return null
  const place = Number.parseInt(hexPlace, 16)
  const isInput = place >= INPUT
  return {
    prefix: prefix as ItemPrefix,
    record: digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    output: isInput || prefix === 'resp' ? null : place,
    input: isInput ? place - INPUT : null,
  }
}

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** @param hex digits of a number below 62^length */
const lettersOf = (hex: string, length: number): string => {
  const letters: string[] = []
  for (let rest = BigInt(`0x${hex}`); letters.length < length; rest /= 62n)
    letters.unshift(LETTERS.charAt(Number(rest % 62n)))
  return letters.join('')
}

/** `chatcmpl-` and 29 letters. @param record a UUID */
export const completionId = (record: string): string =>
  `chatcmpl-${lettersOf(digitsOf(record), 29)}`

/** Hexadecimal digits at the end of a record's id that are in the ids of its calls: its random ones, and some time. */
const RANDOM_DIGITS = 23

/** Last letters of a call's id. One of 62^6 ids of a provider ends so. */
const CALL_MARK = 'Promp7'

/** `call_` and 24 letters; chat completions allow 40 characters, the Responses API 64. */
export const callId = (record: string, place: number): string => {
  const at = place.toString(16).padStart(3, '0')
  return `call_${lettersOf(`${digitsOf(record).slice(-RANDOM_DIGITS)}${at}`, 18)}${CALL_MARK}`
}

/** How each id of a call of ours ends in JSON. */
export const CALL_ID_END = `${CALL_MARK}"`
