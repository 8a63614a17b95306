/**
 * Remembers the tokens of lines: prompts of one template share nearly all of theirs. Knows nothing
 * of vocabularies; it is given a function that encodes.
 *
 * Lines are cut between a newline and a character that is not white space, where a character that is
 * not white space also stands before the newline. No pre-tokenizer of the GPT-2 family lets a token
 * span such a cut; whether this one does not is tried out on characters of every kind.
 */
import { LRUCache } from 'lru-cache'

type Encode = (text: string) => number[]

const CUT = /(?<=\S\n)(?=\S)/u
const MAX_CACHE_BYTES = 8 * 2 ** 20
const MAX_LINE_CHARACTERS = 16_384
/** of one entry's bookkeeping */
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

/** The same function, faster for texts whose lines come again; itself where lines depend on another. */
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
