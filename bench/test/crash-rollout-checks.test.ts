/** The checks of `bench:crash --rollout` find each kind of fault. */
import { saidBy } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import type { LoggedRecord } from '../crash/checks.ts'
import {
  answersAfterRollback,
  answersBeyondBorder,
  historyFaults,
  pairFaults,
  reportFaults,
} from '../crash/rollout/checks.ts'
import type { HistoryRow, PairRow } from '../crash/rollout/store-view.ts'
import type { Answer } from '../crash/rollout/traffic.ts'
import type { Border, BorderEvidence } from '../../src/core/rollout/border.ts'
import type { EvidenceFigures } from '../../src/core/rollout/stages.ts'
import type { RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { exampleOutcome } from '../../test/kit/records/examples.ts'

const record = (id: string, reason: string | null): LoggedRecord => ({
  id,
  sequence: 1,
  at: 1,
  durationMs: 1,
  model: 'm',
  route: exampleOutcome({ outcome: 'skipped', reason }),
})
const row = (recordId: string, outcome: string | null, confidence = -0.05): PairRow => ({
  recordId,
  outcome,
  confidence,
})

describe('pairs', () => {
  const records = [record('a', 'audit'), record('b', 'audit'), record('c', 'traffic-share')]

  it.each<[string, PairRow[], number, Partial<ReturnType<typeof pairFaults>>]>([
    ['all there', [row('a', 'agreed'), row('b', null)], 0, { lost: 0, twice: 0, withoutRecord: 0 }],
    ['one lost', [row('a', 'agreed')], 0, { lost: 1 }],
    ['one dropped', [row('a', 'agreed')], 1, { lost: 0 }],
    ['one twice', [row('a', 'agreed'), row('b', null), row('b', null)], 0, { twice: 1 }],
    ['one without its record', [row('a', null), row('x', null)], 0, { lost: 1, withoutRecord: 1 }],
  ])('%s', (_case, rows, dropped, faults) => {
    expect(pairFaults(records, rows, dropped)).toMatchObject({ audited: 2, ...faults })
  })
})

const ROWS = [row('a', 'agreed'), row('b', 'disagreed'), row('c', 'fallback'), row('d', null)]
const evidence = (changes: Partial<EvidenceFigures> = {}): EvidenceFigures =>
  ({ pairs: 2, losses: 1, credits: 0, step: 3, rollback: 6, ...changes }) as EvidenceFigures

const live = (share: number, changes: Partial<EvidenceFigures> | null = {}) => ({
  name: 'live' as const,
  stage: { share, before: { pairs: 0, losses: 0, credits: 0 }, began: 0 },
  ...(changes !== null && { evidence: evidence(changes) }),
})
const retired = (changes: Partial<EvidenceFigures> = {}) => ({
  name: 'retired' as const,
  reason: saidBy('rolled back'),
  evidence: evidence(changes),
})

const chain = (...states: HistoryRow['to'][]): HistoryRow[] =>
  states.map((to, index) => ({ at: index, from: states[index - 1] ?? null, to }))

const report = (changes: Partial<EvidenceFigures>, outcomes: object): RolloutReport =>
  ({ evidence: evidence(changes), outcomes }) as RolloutReport

describe('the evidence', () => {
  const OUTCOMES = { agreed: 1, disagreed: 1, fallback: 1 }

  it.each<[string, RolloutReport, number]>([
    ['that the rows have', report({}, OUTCOMES), 0],
    [
      'of fewer rows, before the newest',
      report({ pairs: 1, losses: 0, credits: 0 }, { agreed: 1 }),
      0,
    ],
    ['with a pair twice', report({ pairs: 3, losses: 1, credits: 0 }, OUTCOMES), 1],
    ['with another loss', report({ losses: 2 }, OUTCOMES), 1],
    ['with another outcome', report({}, { ...OUTCOMES, agreed: 2, fallback: 0 }), 1],
  ])('of a report %s', (_case, made, faults) => {
    expect(reportFaults(made, ROWS)).toHaveLength(faults)
  })

  it.each<[string, HistoryRow[], string[]]>([
    ['in order', chain({ name: 'approval' }, live(0.05, null), live(1), retired()), []],
    ['with a gap', chain(live(0.05, null), live(1)).slice(1), ['the history has a gap']],
    ['back', chain(live(1, null), live(0.05)), ['a stage went back']],
    [
      'too early',
      chain(live(0.05, null), live(1, { step: 2 })),
      ['a stage began without the evidence'],
    ],
    [
      'by other sums',
      chain(live(0.05, null), live(1, { losses: 0 })),
      ['a step has other sums than the rows'],
    ],
    [
      'rolled back too early',
      chain(live(1, null), retired({ rollback: 5 })),
      ['it was rolled back without the evidence'],
    ],
    ['after the end', chain(live(1, null), retired(), live(1)), ['it left the end']],
  ])('of a history %s', (_case, history, faults) => {
    expect(historyFaults(history, ROWS, { step: 20, rollback: 300 })).toEqual(faults)
  })
})

const border = (changes: Partial<BorderEvidence> = {}): Border => ({
  threshold: -0.5,
  evidence: {
    pairs: 3,
    losses: 1,
    credits: 0,
    answered: 2,
    drafts: 2,
    margin: 0.05,
    capital: 3,
    ...changes,
  },
})
const moved = (to: Border): HistoryRow[] =>
  chain(live(0.05, null), { ...live(0.05, null), border: to })

describe('a border that moves', () => {
  const rows = [
    row('a', 'agreed'),
    row('b', 'draft-disagreed', -0.4),
    row('c', 'fallback'),
    row('d', 'draft-agreed', -0.9),
    row('e', 'agreed'),
    row('f', 'draft-disagreed', -0.4),
  ]

  it.each<[string, Border, string[]]>([
    ['by its rows', border(), []],
    ['by a pair twice', border({ pairs: 4 }), ['a border moved without the evidence']],
    ['by rows that are lost', border({ answered: 3 }), ['a border moved without the evidence']],
    ['without a loss', border({ losses: 0 }), ['a border moved without the evidence']],
    ['too early', border({ capital: 2 }), ['a border moved without the evidence']],
  ])('%s', (_case, to, faults) => {
    expect(historyFaults(moved(to), rows, { step: 20, rollback: 300 })).toEqual(faults)
  })

  it.each<[string, number, number, number]>([
    ['an answer above both', 0, -0.05, 0],
    ['one below the first, before it moved', 0, -0.3, 1],
    ['one below the first, afterwards', 2, -0.3, 0],
    ['one below both', 2, -0.7, 1],
  ])('%s', (_case, at, confidence, found) => {
    const given = { ...record('a', null), at, durationMs: 0 }
    const answered = { ...given, route: exampleOutcome({ outcome: 'answered', confidence }) }
    expect(answersBeyondBorder([answered], moved(border()), -0.1)).toBe(found)
  })
})

const RETIRED_AT = 100_000
const answer = (sentAt: number, changes: Partial<Answer> = {}): Answer => ({
  number: 1,
  life: { baseUrl: '', startedAt: 0 },
  sentAt,
  answeredAt: sentAt + 1,
  route: 'answered',
  lora: 'lora',
  ...changes,
})

describe('answers after a rollback', () => {
  it.each<[string, Answer, number]>([
    ['before it', answer(RETIRED_AT - 1), 0],
    ['within two seconds', answer(RETIRED_AT + 1_999), 0],
    ['later', answer(RETIRED_AT + 2_001), 1],
    [
      'by a proxy that started later',
      answer(RETIRED_AT + 10, { life: { baseUrl: '', startedAt: RETIRED_AT + 5 } }),
      1,
    ],
    ['by another lora', answer(RETIRED_AT + 9_000, { lora: 'successor' }), 0],
    ['by the upstream', answer(RETIRED_AT + 9_000, { route: null, lora: null }), 0],
  ])('%s', (_case, one, forbidden) => {
    expect(answersAfterRollback([one], 'lora', RETIRED_AT)).toMatchObject({ forbidden })
  })
})
