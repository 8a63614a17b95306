/**
 * Caches the tokens of lines, because prompts of one template share nearly all of their lines.
 *
 * Lines are cut between a newline and a character that is not white space, if a character that is not
 * white space also precedes the newline. In pre-tokenizers of the GPT-2 family no token spans such a
 * cut; a test with characters of every kind checks that for the given one.
 */
import { LRUCache } from 'lru-cache'

type Encode = (text: string) => number[]

const CUT = /(?<=\S\n)(?=\S)/u
const MAX_CACHE_BYTES = 8 * 2 ** 20
const MAX_LINE_CHARACTERS = 16_384
/** overhead of one entry */
const ENTRY_BYTES = 200

/** Letters of several scripts, a digit, punctuation, a symbol, an apostrophe and an emoji. */
const PROBES = [
  'a',
  'S',
  'ß',
  'ж',
  '語',
  '7',
  '.',
  '!',
  '"',
  "'s",
  '_',
  '-',
  '<',
  '{',
  '+',
  '€',
  '🙂',
]

const keepsLinesApart = (encode: Encode): boolean =>
  PROBES.every((before) =>
    PROBES.every((after) => {
      const apart = [...encode(`x${before}\n`), ...encode(`${after}x`)]
      return apart.join() === encode(`x${before}\n${after}x`).join()
    })
  )

/** @returns a function with a cache of lines; `encode` itself when tokens can span lines */
export const rememberLines = (encode: Encode): Encode => {
  if (!keepsLinesApart(encode)) return encode
  const cache = new LRUCache<string, number[]>({
    maxSize: MAX_CACHE_BYTES,
    sizeCalculation: (ids, line) => 2 * line.length + 8 * ids.length + ENTRY_BYTES,
  })
  const encodeLine = (line: string): number[] => {
    if (line.length > MAX_LINE_CHARACTERS) return encode(line)
    const known = cache.get(line)
    if (known) return known
    const ids = encode(line)
    cache.set(line, ids)
    return ids
  }
  return (text) => text.split(CUT).flatMap(encodeLine)
}
