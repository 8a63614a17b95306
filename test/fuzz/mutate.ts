/** Random changes of a corpus of files; the same seed gives the same changes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PIECES } from '../kit/traffic/broken-pieces.ts'
import { seededRandom } from '../../src/random.ts'

export const readCorpus = (folder: string): Buffer[] =>
  readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name)))

const MOST_CHANGES = 6
const MOST_BYTES = 64

const spliced = (bytes: Buffer, from: number, to: number, put: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(to)])

/** Endless variants of the corpus with inserted, deleted, repeated and changed bytes. */
export function* mutations(corpus: Buffer[], seed: number): Generator<Buffer, never, undefined> {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!
  const change = (bytes: Buffer): Buffer => {
    const from = below(bytes.length + 1)
    const to = Math.min(bytes.length, from + below(MOST_BYTES))
    switch (below(6)) {
      case 0:
        return spliced(bytes, from, from, pick(PIECES))
      case 1:
        return spliced(bytes, from, to, Buffer.alloc(0))
      case 2:
        return spliced(bytes, from, from, bytes.subarray(from, to))
      case 3:
        return spliced(bytes, from, Math.min(bytes.length, from + 1), Buffer.of(below(256)))
      case 4: {
        const other = pick(corpus)
        return Buffer.concat([bytes.subarray(0, from), other.subarray(below(other.length))])
      }
      default:
        return bytes.subarray(0, from)
    }
  }
  for (;;) {
    let bytes = pick(corpus)
    for (let changes = below(MOST_CHANGES) + 1; changes > 0; changes--) bytes = change(bytes)
    yield bytes
  }
}
