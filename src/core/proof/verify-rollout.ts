/** The checks of a proof file that are about what followed the decision: states, pairs and their evidence. */
import { lossBoundsOf } from '../internalization/live-route.ts'
import { percent } from '../figure-text.ts'
import { leastCounted } from '../rollout/border.ts'
import { meanLoss, START_EVERY } from '../rollout/evidence.ts'
import { lossOf, PAIR_OUTCOMES } from '../rollout/pair.ts'
import { stageName, type EvidenceFigures } from '../rollout/stages.ts'
import { borderChecks } from './border-part.ts'
import { check, namesText, type Check } from './check.ts'
import { differences } from './differences.ts'
import type { ProofFile, HistoryStep } from './proof-file.ts'
import { outcomeChecks, type StoredOutcomes } from './outcome-part.ts'
import { figuresAt, type RolloutPart } from './rollout-part.ts'
import type { PromiseConstants } from './verify-promise.ts'

/** Evidence that was stored at a time, with the name of its check. */
interface StoredEvidence {
  name: string
  at: number
  evidence: EvidenceFigures
  /** see `leastCounted` */
  countsFrom: number
}

const became = ({ state, stage }: HistoryStep): string =>
  stage === null ? state : stageName(stage)

/** @param before the steps before a decision */
const countedAfter = (before: readonly HistoryStep[]): number =>
  leastCounted(before.findLast(({ state }) => state === 'live')?.border ?? null)

const storedEvidence = ({ history, rollout }: ProofFile): StoredEvidence[] => {
  const ofSteps = history.flatMap((step, i): StoredEvidence[] => {
    const { at, evidence } = step
    const countsFrom = countedAfter(history.slice(0, i))
    const name = `evidence for ${became(step)}`
    return evidence === null ? [] : [{ name, at, evidence, countsFrom }]
  })
  if (rollout === null) return ofSteps
  const { at, evidence } = rollout.report
  const countsFrom = countedAfter(history.filter((step) => step.at < at))
  return [...ofSteps, { name: 'newest evidence', at, evidence, countsFrom }]
}

const wasServed = ({ state }: HistoryStep): boolean => state === 'live' || state === 'approval'

const stateFault = ({ internalization, verdict, history, rollout }: ProofFile): string | null => {
  const last = history.at(-1)?.state
  // of before a border was made narrower, or a part withheld
  const isOld = (rollout?.report.at ?? 0) <= (history.at(-1)?.at ?? 0)
  if (last !== internalization.state)
    return `the file says ${internalization.state}, and the history ends with ${last ?? 'nothing'}`
  if (verdict.verdict === 'reject' && history.some(wasServed))
    return 'it was offered for approval or went live although its verdict is reject'
  if (
    last === 'live' &&
    rollout !== null &&
    !isOld &&
    rollout.report.evidence.rollback >= Math.log(rollout.report.rollbackCapital)
  )
    return 'it is live although its evidence is enough for a rollback'
  const ended = history.findIndex(({ state, evidence }) => state === 'retired' && evidence !== null)
  return ended >= 0 && history.slice(ended).some(wasServed)
    ? 'it went live again after a rollback by its evidence'
    : null
}

const stateCheck = (file: ProofFile): Check => {
  const fault = stateFault(file)
  const said = `${file.internalization.state}, after ${file.history.length} changes`
  return check('state', fault === null, said, fault ?? '')
}

const losses = ({ conversations }: RolloutPart): Check => {
  const pairs = conversations.flat()
  const wrong = pairs.filter(
    ({ outcome, rating = null, loss }) => lossOf({ outcome, rating }) !== loss
  )
  return check(
    'losses',
    wrong.length === 0,
    `the losses of ${pairs.length} pairs follow from outcomes and ratings`,
    `the losses of ${wrong.length} pairs do not follow from outcomes and ratings`
  )
}

/** The report also counts pairs of conversations that are not over. */
const outcomes = ({ conversations, report }: RolloutPart): Check => {
  const pairs = conversations.flat()
  const over = PAIR_OUTCOMES.filter(
    (name) => pairs.filter(({ outcome }) => outcome === name).length > (report.outcomes[name] ?? 0)
  )
  return check(
    'outcomes',
    over.length === 0,
    'the listed pairs are among those that the report counts',
    `there are more pairs than the report counts: ${over.join(', ')}`
  )
}

/** A credit is possible only where the upstream is asked again, which the file does not say otherwise. */
const boundsCheck = (file: ProofFile, stored: readonly StoredEvidence[]): Check => {
  const { verdict, internalization } = file
  const hasWinner = verdict.arms[verdict.arm] !== undefined
  const isWidened = file.history.some(({ border }) => border != null)
  const allowed = (hasWinner ? [true, false] : []).flatMap((hasCredits) =>
    (isWidened ? [false, true] : [false]).map((isMoved) =>
      lossBoundsOf({ id: internalization.id, verdict }, hasCredits, isMoved)
    )
  )
  const wrong = stored.filter(
    ({ evidence: { margin, proven, least, credits } }) =>
      (credits > 0 && least === 0) ||
      !allowed.some((bounds) => differences(bounds, { margin, proven, least }).length === 0)
  )
  return check(
    'bounds',
    wrong.length === 0,
    'the bounds of the loss follow from the verdict',
    `the bounds of the loss do not follow from the verdict: ${namesText(wrong.map(({ name }) => name))}`
  )
}

const NO_ROLLOUT = {
  summed: [],
  conversations: [],
  drafts: [],
  isWhole: true,
  feedback: { blocks: [] },
}

const evidenceCheck = (file: ProofFile, stored: StoredEvidence): Check => {
  const { name, at, evidence, countsFrom } = stored
  const { isWhole, ...pairs } = file.rollout ?? NO_ROLLOUT
  if (!isWhole)
    return { name, holds: true, said: 'not computed: its pairs were deleted with the log' }
  if (countsFrom > -Infinity && pairs.summed.length > 0)
    return { name, holds: true, said: 'not computed: the file does not have each of its pairs' }
  const remade = figuresAt(pairs, { ...evidence, at, countsFrom }, evidence)
  if (remade === null)
    return {
      name,
      holds: false,
      said: `the file does not have its ${evidence.pairs} conversations`,
    }
  const differing = differences(evidence, remade.figures)
  if (differing.length > 0 && remade.isRatedSince)
    return { name, holds: true, said: 'not computed: some of its pairs were rated afterwards' }
  return check(
    name,
    differing.length === 0,
    `${evidence.pairs} conversations with a mean loss of ${percent(meanLoss(evidence))} give the same figures`,
    `the conversations give other figures: ${namesText(differing)}`
  )
}

/** Whether the evidence was counted from where a stage began. */
const stagesCheck = ({ history, rollout }: ProofFile, stored: readonly StoredEvidence[]): Check => {
  const starts = [
    0,
    ...history.flatMap(({ stage }) => stage?.before.pairs ?? []),
    ...(rollout === null ? [] : [rollout.report.stage.before.pairs]),
  ]
  const wrong = stored.filter(
    ({ evidence: { pairs, stagePairs } }) => stagePairs > 0 && !starts.includes(pairs - stagePairs)
  )
  return check(
    'stages',
    wrong.length === 0,
    'evidence for a stage is counted from the start of the previous stage',
    `the evidence is not counted from the start of a stage: ${namesText(wrong.map(({ name }) => name))}`
  )
}

const storedOutcomes = ({ history, rollout }: ProofFile): StoredOutcomes[] => [
  ...history.flatMap((step): StoredOutcomes[] =>
    step.feedback === null ? [] : [{ name: `feedback for ${became(step)}`, figures: step.feedback }]
  ),
  ...(rollout === null ? [] : [{ name: 'newest feedback', figures: rollout.report.feedback }]),
]

/** A rollback needs its capital, of pairs or of feedback, and a step that the worker takes needs evidence for it. */
const capitalFault = (
  step: HistoryStep,
  rollout: RolloutPart | null,
  stepCapital: number
): string | null => {
  const { state, by, evidence } = step
  if (evidence === null) return null
  if (state === 'retired') {
    const needed = rollout === null ? Infinity : Math.log(rollout.report.rollbackCapital)
    const most = Math.max(evidence.rollback, step.feedback?.rollback ?? -Infinity)
    return most >= needed ? null : `a rollback at a capital of ${Math.exp(most).toFixed(1)}`
  }
  return by === 'worker' && evidence.step < Math.log(stepCapital)
    ? `${became(step)} at a capital of ${Math.exp(evidence.step).toFixed(1)}`
    : null
}

const capitalCheck = (
  { history, rollout }: ProofFile,
  { stepCapital }: Pick<PromiseConstants, 'stepCapital'>
): Check => {
  const faults = history.flatMap((step) => capitalFault(step, rollout, stepCapital) ?? [])
  return check(
    'capitals',
    faults.length === 0,
    'every rollback and every stage that the worker began had the required capital',
    `decisions without the required capital: ${namesText(faults)}`
  )
}

/** A sum within which a bet begins would hide the bet. */
const sumsCheck = ({ summed }: RolloutPart): Check => {
  let before = 0
  const wrong = summed.filter((sum) => {
    const fits = sum.pairs > 0 && (before % START_EVERY) + sum.pairs <= START_EVERY
    before += sum.pairs
    return !fits || Math.min(sum.losses, sum.credits) < 0 || sum.losses + sum.credits > sum.pairs
  })
  return check(
    'sums',
    wrong.length === 0,
    `${summed.length} sums contain ${before} conversations, and no bet begins within a sum`,
    `${wrong.length} sums do not follow the rule`
  )
}

/** Ten readings of the longest list that a file has, and a hundred of the lists that files usually have. */
const [MAX_CONVERSATIONS_READ, MAX_BLOCKS_READ, MAX_DECISIONS] = [10_000_000, 500_000, 1000]

/**
 * Each decision reads all conversations and blocks before it, so a file of many decisions would take time that
 * grows with the square of its size. @returns why that is too much; null: it is not
 */
export const workFault = (
  history: ProofFile['history'],
  rollout: RolloutPart | null
): string | null => {
  const decisions =
    history.filter((step) => step.evidence ?? step.feedback ?? step.border).length + 1
  const feedbacks = history.filter(({ feedback }) => feedback !== null).length + 1
  const { summed, conversations, drafts, feedback } = rollout ?? NO_ROLLOUT
  const pairs = conversations.reduce(
    (sum, turns) => sum + turns.length,
    summed.length + drafts.length
  )
  return decisions > MAX_DECISIONS ||
    decisions * pairs > MAX_CONVERSATIONS_READ ||
    feedbacks * feedback.blocks.length > MAX_BLOCKS_READ
    ? `it has ${decisions} decisions on ${pairs} pairs and ${feedback.blocks.length} blocks, which take too long`
    : null
}

/** @param expected the capital at which the worker may enter a stage */
export const rolloutChecks = (
  file: ProofFile,
  expected: Pick<PromiseConstants, 'stepCapital'>
): Check[] => {
  const stored = storedEvidence(file)
  const { rollout } = file
  return [
    stateCheck(file),
    ...(rollout === null
      ? []
      : [
          losses(rollout),
          ...(rollout.summed.length === 0 ? [] : [sumsCheck(rollout)]),
          outcomes(rollout),
          ...outcomeChecks(rollout.feedback, storedOutcomes(file), file.verdict.margin),
        ]),
    ...(stored.length === 0
      ? []
      : [boundsCheck(file, stored), stagesCheck(file, stored), capitalCheck(file, expected)]),
    ...stored.map((one) => evidenceCheck(file, one)),
    ...borderChecks(file, expected.stepCapital),
  ]
}
