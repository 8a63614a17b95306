/**
 * Text of requests, made safe to read: characters that change the direction or the look of other text, or
 * that cannot be seen, are written as their names. Escaping is the renderer's. Pure.
 */

const NAMES: Record<string, string> = {
  '\u00ad': 'SHY',
  '\u061c': 'ALM',
  '\u200b': 'ZWSP',
  '\u200e': 'LRM',
  '\u200f': 'RLM',
  '\u202a': 'LRE',
  '\u202b': 'RLE',
  '\u202c': 'PDF',
  '\u202d': 'LRO',
  '\u202e': 'RLO',
  '\u2060': 'WJ',
  '\u2066': 'LRI',
  '\u2067': 'RLI',
  '\u2068': 'FSI',
  '\u2069': 'PDI',
  '\ufeff': 'BOM',
}

/** Controls but tab and line feed; marks that are not seen, but those that join letters; lone surrogates. */
const UNSEEN = /(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}]/gu

const nameOf = (character: string): string => {
  const code = character.codePointAt(0)!
  return NAMES[character] ?? `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

export const visibleText = (text: string): string =>
  text.replace(/\r\n/g, '\n').replace(UNSEEN, (character) => `‹${nameOf(character)}›`)

export interface CutText {
  text: string
  /** characters that were left out */
  rest: number
}

/** The beginning of a text; a pair of surrogates is not divided. */
export const cutText = (text: string, chars: number): CutText => {
  if (text.length <= chars) return { text, rest: 0 }
  const cut = text.slice(0, chars).replace(/[\uD800-\uDBFF]$/, '')
  return { text: cut, rest: text.length - cut.length }
}
