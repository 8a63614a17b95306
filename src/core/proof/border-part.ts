/** The drafts below the border of a live route, and the check of each border that pairs have proved. */
import {
  borderAt,
  BorderReader,
  provedBorder,
  type Border,
  type BorderEvidence,
  type BorderSums,
} from '../rollout/border.ts'
import { check, namesText, type Check } from './check.ts'
import { differences } from './differences.ts'
import type { HistoryStep, ProofFile } from './proof-file.ts'
import type { RolloutPart } from './rollout-part.ts'

/** Drafts that a file lists; a border that needs more cannot be computed from it. */
export const MAX_LISTED_DRAFTS = 100_000

/** What the pairs of a decision say of each border; fewer of them where the file has fewer. */
const sumsOf = (
  { conversations, drafts = [] }: Pick<RolloutPart, 'conversations' | 'drafts'>,
  { answered, drafts: count }: Pick<BorderEvidence, 'answered' | 'drafts'>,
  borders: readonly number[]
): BorderSums => {
  const reader = new BorderReader(borders)
  for (const [pair] of conversations.slice(0, answered)) {
    const { outcome, confidence, rating = null } = pair!
    reader.read({ outcome, confidence, rating })
  }
  for (const { confidence, agrees } of drafts.slice(0, count))
    reader.read({
      outcome: agrees ? 'draft-agreed' : 'draft-disagreed',
      confidence,
      rating: null,
    })
  return reader.sums()
}

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
  const sums = sumsOf(rollout, evidence, borders)
  if (sums.answered < evidence.answered || sums.drafts < evidence.drafts)
    return 'the file does not have its pairs'
  const remade = borderAt(sums, number, file.verdict.margin).evidence
  const differing = differences(evidence, remade)
  if (differing.length > 0) return `the pairs give other figures: ${namesText(differing)}`
  const { margin, capital } = remade
  return provedBorder(sums.counts, before, { margin, capital: stepCapital }) < number
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
