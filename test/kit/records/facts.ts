/** A proof file without a store: random held-out rows of two arms, and a rollout of audited pairs. */
import {
  blockFigures,
  type OutcomeBlock,
  type OutcomeFigures,
} from '../../../src/core/outcomes/outcome-figures.ts'
import { rolledBack } from '../../../src/core/internalization/change-reason.ts'
import { digestOf, digestOfIds, digestOfRows } from '../../../src/core/proof/digest.ts'
import { decideOn, type DecisionFacts } from '../../../src/core/proof/decision-facts.ts'
import { makeProofFile, type ProofFile } from '../../../src/core/proof/proof-file.ts'
import {
  ConversationList,
  type ReportedEvidence,
  type RolloutPart,
} from '../../../src/core/proof/rollout-part.ts'
import type {
  HistoryEntry,
  Internalization,
  InternalizationState,
} from '../../../src/core/internalization/internalization.ts'
import { PROMISE } from '../../../src/core/proof/verify-promise.ts'
import { levelOfTry } from '../../../src/core/gate/gate.ts'
import { lossBoundsOf } from '../../../src/core/internalization/live-route.ts'
import { ConversationReader } from '../../../src/core/rollout/conversations.ts'
import {
  isAnswered,
  lossOf,
  type PairOutcome,
  type WatchedPair,
} from '../../../src/core/rollout/pair.ts'
import { NO_STREAMS, oneOf, withLosses } from '../../../src/core/rollout/pair-reader.ts'
import { evidenceFigures, type EvidenceFigures } from '../../../src/core/rollout/stages.ts'
import { seededRandom } from '../../../src/random.ts'
import { exampleApproved, exampleTemplate } from './examples.ts'
import { askedToday } from './held-out-row.ts'
import { liveAt } from './rollout.ts'

const NOON = 1_800_000_000_000

/** Held-out rows with fresh answers of the upstream, unless it was not asked, half of them in both samples; a slot has the values `pro` and `basic`. */
export const exampleFacts = (
  changes: Partial<DecisionFacts> = {},
  { rows = 400, loss = 0.01, seed = 3, isAsked = true } = {}
): DecisionFacts => {
  const random = seededRandom(seed)
  const records = Array.from({ length: rows }, (_, i) => ({
    id: `held-out-${i}`,
    at: NOON + i * 3_600_000,
    fresh: isAsked ? askedToday(true, random() < 0.97).fresh : null,
    conversation: `held-out-${i % 5 === 4 ? i - 1 : i}`,
    isTraffic: i % 4 !== 3,
    isUnseen: i % 4 !== 0,
    slices: ['turn 1', `plan=${random() < 0.5 ? 'pro' : 'basic'}`, `length ≤ ${100 * (i % 4)}`],
  }))
  const answers = (arm: number) =>
    records.map(() => {
      const confidence = -(random() ** 3)
      const isSure = confidence > -0.5 * (arm + 1)
      const agrees = random() > (isSure ? loss : 0.3)
      return {
        agrees,
        agreesToday: isAsked ? agrees : null,
        logprobSum: 2 * confidence,
        logprobMin: confidence,
        deferred: random() < 0.05 ? 'not-a-label' : null,
      }
    })
  return {
    responseType: 'label',
    margin: 0.05,
    alpha: levelOfTry(0),
    minCoverage: 0.2,
    burstMs: 300_000,
    favouredArm: 1,
    records,
    arms: [
      { arm: 'schedule', statistic: 'sum', answers: answers(0) },
      { arm: 'query-only', statistic: 'min', answers: answers(1) },
    ],
    present: null,
    ...changes,
  }
}

/** Waits for approval, with the verdict that follows from the facts; the second arm wins. */
export const exampleJudged = (facts = exampleFacts()): Internalization =>
  exampleApproved('internalization-1', { verdict: decideOn(facts) })

const drawOutcome = (random: () => number, oneIn: number): PairOutcome => {
  if (random() < 1 / oneIn) return 'disagreed'
  const share = random()
  if (share < 0.02) return 'second-agrees'
  return share < 0.9 ? 'agreed' : 'fallback'
}

/** Audited requests of which one in `oneIn` is a loss, some a credit; conversations of one to three turns. */
export const auditedPairs = (count: number, oneIn: number, seed = 5): WatchedPair[] => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, (_, i) => ({
    place: i + 1,
    at: NOON + i * 60_000,
    conversation: String(Math.floor(i / (1 + (i % 3)))),
    outcome: drawOutcome(random, oneIn),
    drawn: 1,
    rating: null,
    ratedAt: null,
    confidence: -random(),
    chars: 20,
    isNewLabel: null,
    upstreamModel: null,
    parts: [],
  }))
}

const conversationsOf = (pairs: readonly WatchedPair[]) => {
  const reader = new ConversationReader<WatchedPair>(false)
  const ended = pairs.filter(isAnswered).flatMap((pair) => reader.read(pair, pair))
  return [...ended, ...reader.overBy(Infinity)]
}

/** As the worker has them. */
const figuresOf = (
  pairs: readonly WatchedPair[],
  { count, before }: { count: number; before: number },
  internalization: Internalization
): EvidenceFigures => {
  let streams = NO_STREAMS
  for (const { turns, at } of conversationsOf(pairs).slice(0, count))
    streams = withLosses(streams, oneOf(turns.map(lossOf)), at, before)
  return evidenceFigures(streams, lossBoundsOf(internalization, true))
}

export interface ExampleRollout {
  pairs: WatchedPair[]
  /** conversations after which a stage begins; the last one ends the route */
  decisions: number[]
  /** whether the last decision is a rollback */
  isRolledBack: boolean
  /** pairs that are listed one by one */
  limit?: number
}

/** Rated conversations in their order: of an audited one each, two or three of the lora's side. */
const exampleBlocks = (): OutcomeBlock[] =>
  Array.from({ length: 40 }, (_, i) => ({
    at: NOON + i,
    lora: { conversations: 2 + (i % 2), bad: i % 3 === 0 ? 1 / 3 : 0 },
    audit: { conversations: 1, bad: Number(i % 7 === 0) },
  }))

const outcomesOf = (blocks: OutcomeBlock[]): OutcomeFigures => ({
  ...blockFigures(blocks, exampleJudged(exampleFacts()).verdict!.margin),
  conversations: { lora: 100, audit: blocks.length },
  missing: null,
  revision: 3,
})

const rolloutOf = (
  internalization: Internalization,
  { pairs, decisions, isRolledBack, limit }: ExampleRollout
): { history: HistoryEntry[]; rollout: RolloutPart } => {
  const at = pairs.at(-1)!.at + 3_600_000
  const stages = decisions.map((count, i) => {
    const evidence = figuresOf(pairs, { count, before: decisions[i - 1] ?? 0 }, internalization)
    return { evidence, stage: { share: (i + 1) / 10, before: evidence, began: 0 } }
  })
  const states = stages.map(({ evidence, stage }, i): InternalizationState =>
    isRolledBack && i === stages.length - 1
      ? { name: 'retired', reason: rolledBack(evidence), evidence }
      : { name: 'live', stage, evidence }
  )
  const last = stages.at(-1)!
  const blocks = exampleBlocks()
  const outcomes = outcomesOf(blocks)
  const report: ReportedEvidence = {
    at,
    stage: { share: 0, before: { pairs: decisions.at(-2) ?? 0, losses: 0, credits: 0 }, began: 0 },
    evidence: last.evidence,
    feedback: outcomes,
    rollbackCapital: 300,
    stepCapital: 20,
    outcomes: {
      agreed: pairs.filter(({ outcome }) => outcome === 'agreed').length,
      disagreed: pairs.filter(({ outcome }) => outcome === 'disagreed').length,
      'upstream-differs': 0,
      'second-agrees': pairs.filter(({ outcome }) => outcome === 'second-agrees').length,
      'draft-agreed': 0,
      'draft-disagreed': 0,
      withheld: 0,
      fallback: pairs.filter(({ outcome }) => outcome === 'fallback').length,
      refused: 0,
      unusable: 0,
    },
  }
  const list = new ConversationList([0, ...decisions], limit)
  for (const conversation of conversationsOf(pairs).slice(0, decisions.at(-1)))
    list.add(conversation)
  const conversations = list.read()
  return {
    history: [liveAt(0), ...states].map((to) => ({ at, from: null, to, by: 'admin', note: null })),
    rollout: {
      lora: 'lora-of-arm-1',
      report,
      isWhole: true,
      ...conversations,
      drafts: [],
      feedback: { revision: 3, blocks },
    },
  }
}

/** As it is after its way through JSON. */
export const exampleEvidenceFile = (
  given: { facts?: DecisionFacts; rollout?: ExampleRollout | null } = {}
): ProofFile => {
  const facts = given.facts ?? exampleFacts()
  const judged = exampleJudged(facts)
  const internalization = { ...judged, plan: judged.plan!, verdict: judged.verdict! }
  const isRejected = internalization.verdict.verdict === 'reject'
  const state: InternalizationState = isRejected
    ? { name: 'rejected', reason: internalization.verdict.reason }
    : { name: 'approval' }
  const decided: HistoryEntry = { at: NOON, from: null, to: state, by: 'worker', note: null }
  const rolled = given.rollout ? rolloutOf(internalization, given.rollout) : null
  const file = makeProofFile({
    writtenBy: '0.1.0',
    writtenAt: NOON,
    internalization,
    template: exampleTemplate(),
    facts,
    madeBy: '0.1.0',
    history: [decided, ...(rolled?.history ?? [])],
    rollout: rolled?.rollout ?? null,
  })
  return JSON.parse(JSON.stringify(file)) as ProofFile
}

/** As by somebody who also writes new digests. */
export const resealed = (file: ProofFile): ProofFile => {
  const { digest: _digest, decision, training, ...rest } = file
  const records = decision.records.map(({ id }) => id)
  const sealed = {
    ...rest,
    training: { ...training, recordsDigest: digestOfIds(training.records) },
    decision: {
      ...decision,
      recordsDigest: digestOfIds(records),
      arms: decision.arms.map((arm) => ({
        ...arm,
        rowsDigest: digestOfRows(decision.records, arm.answers),
      })),
    },
  }
  return { ...sealed, digest: digestOf(sealed) }
}

/** The settings with which tests make verdicts of few rows that come at once. */
export const QUICK_PROMISE = { ...PROMISE, margin: 1, burstMinutes: 0 }
