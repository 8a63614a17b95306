/** A simulated held-out row: a request of its own, without fresh answers, in both samples. */
import type { HeldOutRow } from '../../src/core/gate/gate.ts'

const HOUR_MS = 3_600_000

/** @param place of the row, from 0 on; simulated requests come an hour apart */
export const simulatedRow = (
  place: number,
  { agrees, confidence }: { agrees: boolean; confidence: number }
): HeldOutRow => ({
  agrees,
  agreesToday: null,
  logprobSum: confidence,
  logprobMin: confidence,
  deferred: null,
  fresh: null,
  at: place * HOUR_MS,
  conversation: String(place),
  isTraffic: true,
  isUnseen: true,
  slices: [],
})
