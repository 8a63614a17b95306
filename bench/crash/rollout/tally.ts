/** Counts of a run with kills in rollouts, and the figures made from them. */
import { zero, type Figures } from '../../../test/kit/report.ts'
import { counted } from '../tally.ts'
import type { Target } from './victims.ts'

export const emptyTally = () => ({
  kills: [] as { phase: string; target: Target }[],
  /** how each loop ended */
  ends: [] as string[],
  audited: 0,
  judged: 0,
  pairsLost: 0,
  pairsTwice: 0,
  pairsWithoutRecord: 0,
  /** of a live route, while the engine answers */
  pairsUnjudged: 0,
  /** what the report or the history says and the rows do not, in words */
  evidenceFaults: [] as string[],
  answers: 0,
  answeredByLora: 0,
  bordersMoved: 0,
  answersBeyondBorder: 0,
  answersAfterRollback: 0,
  latestAnswerMs: 0,
  routesAfterRollback: 0,
  recordsAcknowledged: 0,
  recordsLost: 0,
  recordsTwice: 0,
  /** answers whose record was still in the log queue at a kill */
  answersUnlogged: 0,
  processesLeftBehind: 0,
})

export type Tally = ReturnType<typeof emptyTally>

export const figuresOf = (tally: Tally): Figures => ({
  rollout_kills: { value: tally.kills.length, unit: 'kills' },
  phases: counted(tally.kills.map(({ phase }) => phase)),
  killed: counted(tally.kills.map(({ target }) => target)),
  ends: {
    ...counted(tally.ends),
    bar: 'all rolled back',
    holds: tally.ends.every((end) => end === 'rolled back'),
  },
  audited: { value: tally.audited, unit: 'records' },
  pairs_judged: { value: tally.judged, unit: 'pairs' },
  pairs_lost: zero(tally.pairsLost, 'pairs'),
  pairs_twice: zero(tally.pairsTwice, 'pairs'),
  pairs_without_record: zero(tally.pairsWithoutRecord, 'pairs'),
  pairs_unjudged: zero(tally.pairsUnjudged, 'pairs'),
  evidence_faults: {
    ...zero(tally.evidenceFaults.length, 'faults'),
    ...(tally.evidenceFaults.length > 0 && {
      value: [...new Set(tally.evidenceFaults)].join('; '),
    }),
  },
  answers: { value: tally.answers, unit: 'answers' },
  answers_by_lora: { value: tally.answeredByLora, unit: 'answers' },
  borders_moved: {
    value: tally.bordersMoved,
    unit: 'moves',
    bar: 'one in each loop',
    holds: tally.bordersMoved === tally.ends.length,
  },
  answers_beyond_border: zero(tally.answersBeyondBorder, 'answers'),
  answers_after_rollback: zero(tally.answersAfterRollback, 'answers'),
  latest_answer_after_rollback: { value: tally.latestAnswerMs, unit: 'ms' },
  routes_after_rollback: zero(tally.routesAfterRollback, 'routes'),
  records_acknowledged: { value: tally.recordsAcknowledged, unit: 'records' },
  records_lost: zero(tally.recordsLost, 'records'),
  records_twice: zero(tally.recordsTwice, 'records'),
  answers_unlogged: { value: tally.answersUnlogged, unit: 'answers' },
  processes_left_behind: zero(tally.processesLeftBehind, 'processes'),
})
