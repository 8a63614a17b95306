/** Counts of a run with kills, and the figures made from them. */
import { zero, type Figure, type Figures } from '../../test/kit/report.ts'
import type { Victim } from './engine-tree.ts'
import { countsOf } from '../../src/core/counts.ts'

export const emptyTally = () => ({
  kills: [] as Victim[],
  /** how each internalization ended */
  ends: [] as string[],
  /** status of every job at the end */
  jobs: [] as string[],
  recordsAcknowledged: 0,
  recordsLost: 0,
  stagesTrainedTwice: 0,
  damagedLoras: 0,
  unansweredBatches: 0,
  processesLeftBehind: 0,
})

export type Tally = ReturnType<typeof emptyTally>

/** How often each name occurs. */
export const counted = (names: string[]): Figure => ({
  value: [...countsOf(names)].map(([name, count]) => `${name} ${count}`).join(', '),
  unit: '',
})

const isEnd = (status: string): boolean => status === 'succeeded' || status === 'failed'
const isGood = (end: string): boolean => end === 'live' || end.startsWith('rejected')

export const figuresOf = (tally: Tally): Figures => {
  return {
    kills: { value: tally.kills.length, unit: 'kills' },
    killed: counted(tally.kills),
    jobs: counted(tally.jobs),
    jobs_without_end: zero(tally.jobs.filter((status) => !isEnd(status)).length, 'jobs'),
    stages_trained_twice: zero(tally.stagesTrainedTwice, 'stages'),
    loras_served_damaged: zero(tally.damagedLoras, 'loras'),
    records_acknowledged: { value: tally.recordsAcknowledged, unit: 'records' },
    records_lost: zero(tally.recordsLost, 'records'),
    request_batches_cut: zero(tally.unansweredBatches, 'batches'),
    processes_left_behind: zero(tally.processesLeftBehind, 'processes'),
    ends: { ...counted(tally.ends), bar: 'live or rejected', holds: tally.ends.every(isGood) },
  }
}
