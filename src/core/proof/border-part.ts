/** The drafts below the border of a live route, and the check of each border that pairs have proved. */
import { provedBorder, type Border, type BorderEvidence } from '../rollout/border.ts'
import {
  addCounts,
  evidenceBelow,
  NO_PAIRS,
  onePair,
  type LossCounts,
} from '../rollout/evidence.ts'
import { check, namesText, type Check } from './check.ts'
import { differences } from './differences.ts'
import type { HistoryStep, ProofFile } from './proof-file.ts'
import { lossBefore, type CountedPair, type RolloutPart } from './rollout-part.ts'

/** Drafts that a file lists; a border that needs more cannot be computed from it. */
export const MAX_LISTED_DRAFTS = 100_000

/** The pairs of a decision: those that were answered with their losses then, and the drafts. */
const readPairs = (
  { conversations, drafts = [] }: Pick<RolloutPart, 'conversations' | 'drafts'>,
  { answered, drafts: count }: Pick<BorderEvidence, 'answered' | 'drafts'>,
  lossAt: (pair: CountedPair) => number
): { confidence: number; loss: number }[] => [
  ...conversations.slice(0, answered).map(([pair]) => ({
    confidence: pair!.confidence ?? Infinity,
    loss: lossAt(pair!),
  })),
  ...drafts
    .slice(0, count)
    .map(({ confidence, agrees }) => ({ confidence, loss: Number(!agrees) })),
]

const countsAt = (pairs: readonly { confidence: number; loss: number }[], border: number) =>
  pairs.reduce<LossCounts>(
    (sum, { confidence, loss }) => (confidence >= border ? addCounts(sum, onePair(loss)) : sum),
    NO_PAIRS
  )

interface MovedStep {
  step: HistoryStep
  border: Border
  /** number of the border before */
  before: number
}

/** The steps at which pairs have moved the border, with the border before each. One that is restored is known. */
const movedSteps = (history: readonly HistoryStep[], borders: readonly number[]): MovedStep[] => {
  const known = new Set<string>()
  let present: Border | null = null
  return history.flatMap((step) => {
    const before = present === null ? 0 : borders.indexOf(present.threshold)
    present = step.border ?? null
    if (present === null || known.has(JSON.stringify(present))) return []
    known.add(JSON.stringify(present))
    return [{ step, border: present, before }]
  })
}

/** @returns why the border does not follow from the pairs; null: it does */
const faultOf = (
  file: ProofFile,
  { step, border, before }: MovedStep,
  { borders, stepCapital }: { borders: readonly number[]; stepCapital: number }
): string | null => {
  const { threshold, evidence } = border
  const number = borders.indexOf(threshold)
  if (number <= before)
    return 'it is none of the wider borders of the verdict, or out of their order'
  if (step.by !== 'worker') return `it was moved by ${step.by}`
  const rollout = file.rollout
  if (rollout === null) return 'the file has no pairs'
  const pairs = readPairs(rollout, evidence, lossBefore(step.at))
  if (pairs.length < evidence.answered + evidence.drafts) return 'the file does not have its pairs'
  const counts = borders.map((each) => countsAt(pairs, each))
  const { margin } = evidence
  if (differences({ margin }, { margin: file.verdict.margin }).length > 0)
    return 'its margin is not that of the verdict'
  const capital = evidenceBelow(counts[number]!, margin)
  const { pairs: count, losses, credits } = evidence
  const differing = differences(
    { pairs: count, losses, credits, capital: evidence.capital },
    { ...counts[number]!, capital }
  )
  if (differing.length > 0) return `the pairs give other figures: ${namesText(differing)}`
  return provedBorder(counts, before, { margin, capital: stepCapital }) < number
    ? `a capital of ${Math.exp(capital).toFixed(1)}, or less at a border before it`
    : null
}

/** The pairs of a border may be among those that the file has as sums, or rated since. */
const isComputable = ({ rollout }: ProofFile, { step, border }: MovedStep): boolean =>
  rollout === null ||
  (rollout.isWhole &&
    rollout.summed.length === 0 &&
    border.evidence.drafts <= MAX_LISTED_DRAFTS &&
    rollout.conversations
      .slice(0, border.evidence.answered)
      .every(([pair]) => (pair!.ratedAt ?? -Infinity) <= step.at))

/** @param stepCapital capital that proves a border @returns none where no border was moved */
export const borderChecks = (file: ProofFile, stepCapital: number): Check[] => {
  const winner = file.verdict.arms[file.verdict.arm]
  const borders = [winner?.threshold ?? Infinity, ...(winner?.wider ?? [])]
  return movedSteps(file.history, borders).map((moved) => {
    const { threshold, evidence } = moved.border
    const name = `border ${threshold.toPrecision(3)}`
    if (!isComputable(file, moved))
      return { name, holds: true, said: 'not computed: the file does not have each of its pairs' }
    const fault = faultOf(file, moved, { borders, stepCapital })
    return check(
      name,
      fault === null,
      `${evidence.pairs} requests of at least this confidence prove it`,
      fault ?? ''
    )
  })
}
