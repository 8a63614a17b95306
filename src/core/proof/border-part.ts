/** The drafts below the border of a live route, and the check of each border that pairs have proved. */
import {
  borderAt,
  BorderReader,
  NarrowingReader,
  provedBorder,
  type Border,
  type BorderEvidence,
  type BorderSums,
  type Narrowing,
} from '../rollout/border.ts'
import { check, namesText, type Check } from './check.ts'
import { differences } from './differences.ts'
import type { HistoryStep, ProofFile } from './proof-file.ts'
import { RATING_LAG_MS, type RolloutPart } from './rollout-part.ts'

/** Drafts that a file lists; a border that needs more cannot be computed from it. */
export const MAX_LISTED_DRAFTS = 100_000

/** What the pairs of a decision say of each border; fewer of them where the file has fewer. */
const sumsOf = (
  { conversations, drafts }: Pick<RolloutPart, 'conversations' | 'drafts'>,
  { answered, drafts: count }: Pick<BorderEvidence, 'answered' | 'drafts'>,
  borders: readonly number[]
): BorderSums => {
  const reader = new BorderReader(borders)
  for (const [{ outcome, confidence, rating = null }] of conversations.slice(0, answered))
    reader.read({ outcome, confidence, rating })
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
  /** in force before; null: that of the proof */
  before: Border | null
}

/** The steps at which pairs have moved the border, with the border before each. One that is restored is known. */
const movedSteps = (history: readonly HistoryStep[]): MovedStep[] => {
  const known = new Set<string>()
  let present: Border | null = null
  return history.flatMap((step) => {
    const before = present
    // a step without a border of its own leaves none in force
    present = step.border ?? null
    if (present === null || known.has(JSON.stringify(present))) return []
    known.add(JSON.stringify(present))
    return [{ step, border: present, before }]
  })
}

/** What a border must follow from. */
interface BorderFacts {
  rollout: RolloutPart
  margin: number
  stepCapital: number
  /** that may be in force, the one of the proof first, then wider ones; and narrower ones, the narrowest first */
  borders: readonly [number, ...number[]]
  narrower: readonly number[]
}

const NOT_HERE = 'the file does not have its pairs'

const differing = (stored: object, remade: object): string | null => {
  const names = differences(stored, remade)
  return names.length > 0 ? `the pairs give other figures: ${namesText(names)}` : null
}

/** @returns why a wider border does not follow from the pairs; null: it does */
const wideningFault = (
  { border: { threshold, evidence }, before }: MovedStep,
  { rollout, margin, stepCapital, borders }: BorderFacts
): string | null => {
  const number = borders.indexOf(threshold)
  const present = before === null ? 0 : borders.indexOf(before.threshold)
  if (before?.narrowing || number <= present)
    return 'it is none of the wider borders of the verdict, or out of their order'
  const sums = sumsOf(rollout, evidence, borders)
  if (sums.answered < evidence.answered || sums.drafts < evidence.drafts) return NOT_HERE
  const remade = borderAt(sums, number, margin).evidence
  const isProved = provedBorder(sums.borders, present, { margin, capital: stepCapital }) >= number
  return (
    differing(evidence, remade) ??
    (isProved
      ? null
      : `a capital of ${Math.exp(remade.capital).toFixed(1)}, or less at a border before it`)
  )
}

/** @returns why a narrower border does not follow from the pairs; null: it does */
const narrowingFault = (
  { border, before }: MovedStep,
  { least }: Narrowing,
  { rollout, margin, stepCapital, borders, narrower }: BorderFacts
): string | null => {
  const all = [...narrower, ...borders]
  const present = before?.threshold ?? borders[0]
  const candidates = all.slice(0, Math.max(0, all.indexOf(present)))
  if (!candidates.includes(border.threshold))
    return 'it is none of the borders of the verdict that are narrower than the one before'
  const reader = new NarrowingReader(present, candidates)
  for (const [{ outcome, confidence, rating = null }] of rollout.conversations) {
    if (reader.answered === border.evidence.answered) break
    reader.read({ outcome, confidence, rating })
  }
  if (reader.answered < border.evidence.answered) return NOT_HERE
  const { rollbackCapital } = rollout.report
  const found = reader.narrowed({ margin, least, stepCapital, rollbackCapital })
  return found === null ? 'the pairs prove no narrower border' : differing(border, found.border)
}

/** @returns why the border does not follow from the pairs; null: it does */
const faultOf = (
  { rollout, verdict }: ProofFile,
  moved: MovedStep,
  stepCapital: number
): string | null => {
  const { step, border } = moved
  if (step.by !== 'worker') return `it was moved by ${step.by}`
  if (rollout === null) return 'the file has no pairs'
  const { margin, arms, arm } = verdict
  const { threshold, wider = [], narrower = [] } = arms[arm] ?? { threshold: null }
  const borders: BorderFacts['borders'] = [threshold ?? Infinity, ...wider]
  const facts = { rollout, margin, stepCapital, borders, narrower }
  return border.narrowing
    ? narrowingFault(moved, border.narrowing, facts)
    : wideningFault(moved, facts)
}

/** Whether the file has not all that a border was proved by: some of its pairs are sums, deleted, or rated since. */
const hasLess = ({ rollout }: ProofFile, { step, border }: MovedStep): boolean => {
  if (rollout === null) return false
  const { answered, drafts } = border.evidence
  // of a narrower one, those that count are not the first ones of the file
  const own = border.narrowing ? rollout.conversations : rollout.conversations.slice(0, answered)
  return (
    !rollout.isWhole ||
    rollout.summed.length > 0 ||
    drafts > MAX_LISTED_DRAFTS ||
    own.some(([{ ratedAt = -Infinity }]) => ratedAt > step.at - RATING_LAG_MS)
  )
}

/** @param stepCapital capital that proves a border @returns none where no border was moved */
export const borderChecks = (file: ProofFile, stepCapital: number): Check[] =>
  movedSteps(file.history).map((moved) => {
    const { threshold, evidence } = moved.border
    const name = `border ${threshold.toPrecision(3)}`
    const fault = faultOf(file, moved, stepCapital)
    if (fault !== null && hasLess(file, moved))
      return { name, holds: true, said: 'not computed: the file does not have each of its pairs' }
    return check(
      name,
      fault === null,
      `${evidence.pairs} requests of at least this confidence prove it`,
      fault ?? ''
    )
  })
