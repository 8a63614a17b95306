/** The callers (issued keys) of a group of requests: whether one of them sends nearly all. Bounded. */
import { countsOf } from '../../counts.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'

/** Caller of nearly all sessions, '' where callers are not told apart; null: there are several. */
export type SoleCaller = string | null

/** Others that send less have no part in what becomes known. */
const SOLE_SHARE = 0.95

export const soleCaller = (samples: readonly { caller: string }[]): SoleCaller => {
  const counts = countsOf(samples.map(({ caller }) => caller))
  return [...counts].find(([, count]) => count >= samples.length * SOLE_SHARE)?.[0] ?? null
}

/** All further callers count as one. */
const MAX_CALLERS = 64
const OTHERS = -1

/** Whether two numbers are those of two callers. One that has no number of its own may be any. */
export const areTwoCallers = (one: number, other: number): boolean =>
  one !== other && one !== OTHERS && other !== OTHERS

/** The one that is known of two numbers of one caller. */
export const knownOf = (one: number, other: number): number => (one === OTHERS ? other : one)

/** Callers by number, in the order in which they were seen. */
export class CallerNumbers {
  private readonly callers: string[] = []

  add(caller: string): number {
    const known = this.callers.indexOf(caller)
    if (known >= 0) return known
    return this.callers.length < MAX_CALLERS ? this.callers.push(caller) - 1 : OTHERS
  }

  /** @returns null for a caller that was not seen */
  find(caller: string): number | null {
    const at = this.callers.indexOf(caller)
    return at < 0 ? null : at
  }

  /** Adds those of another one. @returns the number here of each number there */
  merge(other: CallerNumbers): (number: number) => number {
    const numbers = other.callers.map((caller) => this.add(caller))
    return (number) => numbers[number] ?? OTHERS
  }

  write(writer: ByteWriter): void {
    writer.int(this.callers.length)
    for (const caller of this.callers) writer.string(caller)
  }

  read(reader: ByteReader): void {
    for (let left = reader.int(); left > 0; left--) this.callers.push(reader.string())
  }
}
