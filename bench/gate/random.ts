/**
 * A generator for simulations that draw a thousand million numbers. `src/random.ts` has 32 bits of
 * state: over a whole run it showed 5.6 % where 4.1 % is true, five standard errors off.
 */

const WARM_UP = 20

/** Uniform in [0, 1), 128 bits of state (sfc32, C. Doty-Humphrey, PractRand 2010). */
export const longRandom = (seed: number): (() => number) => {
  let [a, b, c, counter] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88, 1]
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let i = 0; i < WARM_UP; i++) next()
  return next
}
