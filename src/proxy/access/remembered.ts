/** Remembers the answers of a pure check for short texts, because clients send the same ones again. */
import { LRUCache } from 'lru-cache'

/** @param options.maxChars longer texts are checked every time, so that the memory is bounded in bytes */
export const remembered = (
  check: (text: string) => boolean,
  { max, maxChars }: { max: number; maxChars: number }
): ((text: string) => boolean) => {
  const known = new LRUCache<string, boolean>({ max })
  return (text) => {
    const answer = known.get(text)
    if (answer !== undefined) return answer
    const checked = check(text)
    if (text.length <= maxChars) known.set(text, checked)
    return checked
  }
}
