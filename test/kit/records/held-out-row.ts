import type { HeldOutRow, JudgedAnswer, SharedRow } from '../../../src/core/gate/figures.ts'

const HOUR_MS = 3_600_000

/** A held-out request of its own, in both samples, an hour after the one before. */
export const heldOutRow = (place: number, changes: Partial<HeldOutRow> = {}): HeldOutRow => ({
  agrees: true,
  agreesToday: null,
  logprobSum: 0,
  logprobMin: 0,
  deferred: null,
  fresh: null,
  at: place * HOUR_MS,
  conversation: String(place),
  isTraffic: true,
  isUnseen: true,
  slices: [],
  ...changes,
})

/** As an upstream that has not changed answers twice more; the second time it may contradict itself. */
export const askedToday = (
  agrees: boolean,
  repeats: boolean
): Pick<JudgedAnswer, 'agrees' | 'agreesToday'> & Pick<SharedRow, 'fresh'> => ({
  agrees,
  agreesToday: agrees,
  fresh: { repeats, asLogged: [true, repeats] },
})
