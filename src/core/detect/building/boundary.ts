/**
 * Where constant text may end inside a line: never in the middle of a word or a joined number
 * (2024-05-02), and beside text of the end user only at a delimiter. Pure functions over the values
 * that stand at one place in all samples.
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

const commonPrefix = (values: string[]): number => {
  const [first = '', ...others] = values
  let length = first.length
  for (const other of others) {
    let at = 0
    while (at < length && other.charCodeAt(at) === first.charCodeAt(at)) at++
    length = at
  }
  return length
}

const commonSuffix = (values: string[], limit: number): number => {
  const [first = '', ...others] = values
  let length = limit
  for (const other of others) {
    let at = 0
    while (
      at < length &&
      other.charCodeAt(other.length - 1 - at) === first.charCodeAt(first.length - 1 - at)
    ) {
      at++
    }
    length = at
  }
  return length
}

/** Moves a cut back to the start of the token that it would split. `before` reads leftwards. */
const backOff = (length: number, inside: (at: number) => number, after: number[]): number => {
  let cut = length
  const continues = after.some((code) => isWord(code))
  if (!continues) return cut
  let joined = true
  while (cut > 0 && joined) {
    const code = inside(cut - 1)
    joined =
      isWord(code) ||
      (isJoiner(code) &&
        cut > 1 &&
        isDigit(inside(cut - 2)) &&
        (cut === length || isDigit(inside(cut))))
    if (joined) cut--
  }
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

const cutAt = (values: string[], prefix: number, suffix: number): Trimmed => ({
  prefix: values[0]!.slice(0, prefix),
  suffix: values[0]!.slice(values[0]!.length - suffix),
  cores: values.map((value) => value.slice(prefix, value.length - suffix)),
})

/** shared by all values, this many characters of words are no chance */
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
 * As trimSoft, for text that an end user may have written: what all of them happen to share
 * ("Write a ", "?") stays with the value unless a delimiter shows that the application wrote it.
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
  // what stands before the first line break may be the user's own last word
  const owned = suffix.includes('\n') ? suffix.length - suffix.indexOf('\n') : suffix.length
  return cutAt(values, start, closes ? suffix.length : delimited ? owned : 0)
}

/** True when a token border lies at both ends of the text wherever the values go on. */
export const endsAtBorder = (text: string, before: string, after: string): boolean => {
  const startsInside =
    before !== '' && isWord(before.charCodeAt(before.length - 1)) && isWord(text.charCodeAt(0))
  const endsInside =
    after !== '' && isWord(text.charCodeAt(text.length - 1)) && isWord(after.charCodeAt(0))
  return !startsInside && !endsInside
}
