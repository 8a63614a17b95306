/**
 * Where constant text may end inside a line: never in the middle of a word or a joined number
 * (2024-05-02), and beside text of the end user only at a delimiter. Works on the values of one place in
 * all samples.
 */

const isWord = (code: number): boolean =>
  (code >= 48 && code <= 57) ||
  (code >= 65 && code <= 90) ||
  (code >= 97 && code <= 122) ||
  code === 95 ||
  code > 127

const isDigit = (code: number): boolean => code >= 48 && code <= 57
/** - . / : and , join digits into one value */
const isJoiner = (code: number): boolean => code >= 44 && code <= 58 && !isDigit(code)

/** @returns characters that all values have in common at their start */
const commonPrefix = (values: string[]): number => {
  const [first = '', ...others] = values
  let length = first.length
  for (const other of others) {
    let at = 0
    while (at < length && other[at] === first[at]) at++
    length = at
  }
  return length
}

/** @returns the same at their end, `limit` at most */
const commonSuffix = (values: string[], limit: number): number => {
  const [first = '', ...others] = values
  let length = limit
  for (const other of others) {
    let at = 0
    while (at < length && other.at(-1 - at) === first.at(-1 - at)) at++
    length = at
  }
  return length
}

/** Characters of `line` between its common start and its common end with `other`. */
export const charsApart = (line: string, other: string): number => {
  const head = commonPrefix([line, other])
  return (
    line.length - head - commonSuffix([line, other], Math.min(line.length, other.length) - head)
  )
}

/**
 * Moves a cut back to the start of the token that it would split.
 * @param inside character codes before the cut, by distance from the value's end
 * @param after character codes behind the cut
 */
const backOff = (length: number, inside: (at: number) => number, after: number[]): number => {
  if (!after.some(isWord)) return length
  const isJoined = (cut: number): boolean =>
    isWord(inside(cut - 1)) ||
    (isJoiner(inside(cut - 1)) &&
      cut > 1 &&
      isDigit(inside(cut - 2)) &&
      (cut === length || isDigit(inside(cut))))
  let cut = length
  while (cut > 0 && isJoined(cut)) cut--
  return cut
}

export interface Trimmed {
  prefix: string
  suffix: string
  cores: string[]
}

/** Common prefix and suffix of the values, cut at token borders. */
export const trimSoft = (values: string[]): Trimmed => {
  const [first = ''] = values
  const shortest = Math.min(...values.map((value) => value.length))
  const rawPrefix = commonPrefix(values)
  const prefix = backOff(
    rawPrefix,
    (at) => first.charCodeAt(at),
    values.map((value) => value.charCodeAt(rawPrefix))
  )
  const rawSuffix = commonSuffix(values, shortest - prefix)
  const suffix = backOff(
    rawSuffix,
    (at) => first.charCodeAt(first.length - 1 - at),
    values.map((value) => value.charCodeAt(value.length - 1 - rawSuffix))
  )
  return cutAt(values, prefix, suffix)
}

const cutAt = (values: string[], prefix: number, suffix: number): Trimmed => {
  const [first = ''] = values
  return {
    prefix: first.slice(0, prefix),
    suffix: first.slice(first.length - suffix),
    cores: values.map((value) => value.slice(prefix, value.length - suffix)),
  }
}

/** so long a phrase is not shared by all values by chance */
export const LONG_PHRASE_CHARS = 24
const PREFIX_DELIMITER = /(?:[\n|>]|[:\]] |["'`“«([{<])$/u
const SUFFIX_DELIMITER = /[\n|<:]/u
const QUOTES: Record<string, string> = {
  '"': '"',
  "'": "'",
  '`': '`',
  '“': '”',
  '«': '»',
  '(': ')',
  '[': ']',
  '{': '}',
  '<': '>',
}

const isPhrase = (text: string, chars: number): boolean =>
  text.length >= chars && text.trim().split(/\s+/u).length >= 2

/**
 * As trimSoft, for text that an end user may have written: shared text ("Write a ", "?") stays with the
 * value unless a delimiter shows that the application wrote it.
 */
export const trimStrict = (values: string[]): Trimmed => {
  const { prefix, suffix } = trimSoft(values)
  let start = prefix.length
  if (!isPhrase(prefix, LONG_PHRASE_CHARS)) {
    while (start > 0 && !PREFIX_DELIMITER.test(prefix.slice(0, start))) start--
  }
  const opened = QUOTES[prefix.slice(0, start).at(-1) ?? '']
  const closes = opened !== undefined && suffix.startsWith(opened)
  const delimited = SUFFIX_DELIMITER.test(suffix) || isPhrase(suffix, LONG_PHRASE_CHARS)
  // text before the first line break may be the user's own last word
  const owned = suffix.includes('\n') ? suffix.length - suffix.indexOf('\n') : suffix.length
  return cutAt(values, start, closes ? suffix.length : delimited ? owned : 0)
}

/** True when the text begins and ends at token borders. */
export const endsAtBorder = (text: string, before: string, after: string): boolean => {
  const startsInside =
    before !== '' && isWord(before.charCodeAt(before.length - 1)) && isWord(text.charCodeAt(0))
  const endsInside =
    after !== '' && isWord(text.charCodeAt(text.length - 1)) && isWord(after.charCodeAt(0))
  return !startsInside && !endsInside
}
