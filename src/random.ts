/** A small seeded generator for results that must be reproducible. */

/**
 * Uniform in [0, 1), 32 bits of state (Mulberry32, public domain, T. Ettinger 2017).
 * Not for anything secret.
 */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Derives independent seeds from one seed; the same pair always gives the same seed. */
export const deriveSeed = (seed: number, stream: number): number =>
  Math.floor(seededRandom(Math.imul(seed, 0x9e3779b1) ^ stream)() * 2 ** 32)

/** Fisher–Yates in place. */
export const shuffle = <Items extends { [index: number]: unknown; length: number }>(
  items: Items,
  random: () => number
): Items => {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[items[i], items[j]] = [items[j]!, items[i]!]
  }
  return items
}

/**
 * One random place of each `size` neighbours of `count` places, ascending. The last group may lack places, and
 * each place has the chance 1 / size.
 */
export const drawOfEach = (count: number, size: number, random: () => number): number[] => {
  const places: number[] = []
  for (let first = 0; first < count; first += size) {
    const place = first + Math.floor(random() * size)
    if (place < count) places.push(place)
  }
  return places
}
