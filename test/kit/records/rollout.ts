/** Rollouts where a test is about something else, and reports with figures that no formula changes. */
import type { OutcomeFigures } from '../../../src/core/outcomes/outcome-figures.ts'
import { NO_PAIRS } from '../../../src/core/rollout/evidence.ts'
import type {
  EvidenceFigures,
  RolloutSettings,
  RolloutStage,
} from '../../../src/core/rollout/stages.ts'
import type { Border } from '../../../src/core/rollout/border.ts'
import { PAIR_OUTCOMES } from '../../../src/core/rollout/pair.ts'
import type { WithheldPart } from '../../../src/core/rollout/withheld.ts'
import type { RolloutReport } from '../../../src/lifecycle/rollout-report.ts'

/** All of the traffic at once, and no audits. */
export const AT_ONCE: RolloutSettings = {
  stages: [1],
  minHours: 0,
  auditShare: 0,
  rollbackCapital: 300,
  stepCapital: 20,
  steps: false,
  auditUsdPerDay: null,
}

/** A canary, a larger share, and all of the traffic. */
export const STAGED: RolloutSettings = { ...AT_ONCE, stages: [0.05, 0.25, 1], auditShare: 0.03 }

/** A stage that has no pairs before it. */
export const stageOf = (share: number, began = 0): RolloutStage => ({
  share,
  before: NO_PAIRS,
  began,
})

export const liveAt = (share: number) => ({ name: 'live', stage: stageOf(share) }) as const

/** Capitals of 0.0536, 2.2 and 9.2. */
export const exampleEvidence = (changes: Partial<EvidenceFigures> = {}): EvidenceFigures => ({
  pairs: 160,
  losses: 4,
  credits: 0,
  interval: [0.003, 0.082],
  margin: 0.05,
  proven: 0.039,
  least: 0,
  rollback: Math.log(0.0536),
  step: Math.log(2.2),
  drift: Math.log(9.2),
  stagePairs: 128,
  roseAt: null,
  sinceRise: { pairs: 160, losses: 4, credits: 0 },
  ...changes,
})

/** 8.0 % and 4.1 % of 200 blocks; capitals of 0.3 and 2.7. */
export const exampleFeedback = (changes: Partial<OutcomeFigures> = {}): OutcomeFigures => ({
  blocks: 200,
  bad: { lora: 0.08, audit: 0.041 },
  interval: [-0.041, 0.119],
  margin: 0.05,
  rollback: Math.log(0.3),
  harm: Math.log(2.7),
  conversations: { lora: 205, audit: 3_811 },
  missing: 343_117,
  revision: 0,
  ...changes,
})

/** Before the first block. */
export const noFeedback = (conversations: OutcomeFigures['conversations']): OutcomeFigures =>
  exampleFeedback({ blocks: 0, bad: null, interval: [-1, 1], conversations, missing: null })

/** Proved by 1,000 answers and drafts, with a capital of 25. */
export const exampleBorder = (threshold: number): Border => ({
  threshold,
  evidence: {
    pairs: 1_000,
    losses: 21,
    credits: 0,
    answered: 900,
    drafts: 120,
    margin: 0.05,
    capital: Math.log(25),
  },
})

/** Wrong in all its pairs, with a capital of 31,000. */
export const exampleWithheld = (name: string, pairs: number): WithheldPart => ({
  kind: 'answer',
  name,
  pairs,
  losses: pairs,
  credits: 0,
  capital: Math.log(31_000),
})

export const NO_PAIRS_YET = Object.fromEntries(
  PAIR_OUTCOMES.map((outcome) => [outcome, 0])
) as RolloutReport['outcomes']

/** A canary that waits for more evidence. */
export const exampleReport = (changes: Partial<RolloutReport> = {}): RolloutReport => ({
  at: 1_000,
  stage: { share: 0.05, before: { pairs: 32, losses: 1, credits: 0 }, began: 0 },
  evidence: exampleEvidence(),
  border: {
    present: 1,
    widest: 4,
    coverage: 0.612,
    next: {
      threshold: -0.5,
      coverage: 0.63,
      evidence: {
        pairs: 221,
        losses: 5,
        credits: 0,
        answered: 160,
        drafts: 71,
        margin: 0.05,
        capital: Math.log(3.1),
      },
    },
  },
  feedback: exampleFeedback(),
  rollbackCapital: 300,
  stepCapital: 20,
  outcomes: {
    ...NO_PAIRS_YET,
    agreed: 152,
    disagreed: 4,
    'upstream-differs': 4,
    fallback: 71,
    unusable: 2,
  },
  indicators: [],
  upstreamVersions: [],
  deprecatedOn: null,
  isDeprecated: false,
  waiting: 3,
  dropped: 0,
  waitsFor: [],
  mayStep: false,
  auditPart: 1,
  driftedAt: null,
  drift: null,
  spentUsdToday: 0.0123,
  auditUsdPerDay: 1,
  ...changes,
})
