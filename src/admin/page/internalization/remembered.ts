/** What takes long to read is read once for all who look at it within some seconds. */
import { LRUCache } from 'lru-cache'

const MAX_VALUES = 200

/**
 * @param now milliseconds
 * @returns reads a value by its key, or waits for the reading that has begun; a failed one is forgotten
 */
export const createRemembered = <T>(ttlMs: number, now: () => number) => {
  const known = new LRUCache<string, { value: Promise<T>; until: number }>({ max: MAX_VALUES })
  return (key: string, read: () => Promise<T>): Promise<T> => {
    const found = known.get(key)
    if (found !== undefined && found.until > now()) return found.value
    const value = read()
    known.set(key, { value, until: now() + ttlMs })
    value.catch(() => known.delete(key))
    return value
  }
}
