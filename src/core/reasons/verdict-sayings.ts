/** The reasons of verdicts, and of the witnesses that they rest on, in words. */
import { dollars, percent } from '../figure-text.ts'
import { checkerName } from '../gate/checker.ts'
import { isHead, modelOfArm, type ArmName } from '../learn/schedule.ts'
import type { ReasonFigures, SaidReason, Sayings } from '../reason.ts'

export const MORE_TRAFFIC = 'log more traffic'
export const OTHER_ANSWERS = 'ask for labels, JSON, code or sentences of up to 240 characters'

const ANOTHER_JUDGE =
  'another judge (JUDGE_MODEL, JUDGE_RUBRIC_FILE), which is then admitted by planted faults'
const ADMITS_AGAIN = 'internalize again, which admits the judge that is set'
const NEWER_TRAFFIC =
  'learn from newer traffic, as the worker does with AUTO_INTERNALIZE once there is enough'

/** `404: the model does not exist` */
export const refusalText = ({
  status,
  message,
}: {
  status: number
  message: string | null
}): string => (message === null ? String(status) : `${status}: ${message}`)

/** More time or a larger model does not help a head, and an encoder does not help a lora. */
const raisesAgreement = (arm: ArmName): string => {
  if (modelOfArm(arm) !== null)
    return 'another model (ARMS), or a prompt that leaves it less choice'
  return isHead(arm)
    ? 'more questions to learn from, another encoder (ENCODER_PATH), or a lora beside the head (ARMS, MODEL_PATH)'
    : 'more questions to learn from, more time (TRAIN_MINUTES), or a larger base model (MODEL_PATH)'
}

const SAMPLES: Record<'traffic' | 'unseen', string> = {
  traffic: 'traffic',
  unseen: 'unseen questions',
}

const sampleText = ({
  sample,
  rows,
  effectiveRows,
  needed,
}: ReasonFigures['samples-too-small']['samples'][number]): string => {
  const worth =
    effectiveRows < rows
      ? ` (in conversations and bursts, equal to ${effectiveRows.toFixed(1)} rows)`
      : ''
  return `the sample of ${SAMPLES[sample]} has ${rows} answerable rows${worth} and needs ${needed}`
}

const lossTooLarge = (figures: ReasonFigures['loss-too-large']): SaidReason => {
  const { arm, agreement, upstreamAgreement, minCoverage, margin, isJudged } = figures
  const found = isJudged
    ? `the judge accepts ${percent(agreement)} of the answers of arm ${arm}, and ${percent(upstreamAgreement ?? 1)} of the upstream's second answers`
    : `answering everything that it may, arm ${arm} agrees on ${percent(agreement)}`
  return {
    says: `no threshold with a coverage of at least ${percent(minCoverage)} keeps the loss under ${percent(margin)}; ${found}`,
    helps: `${raisesAgreement(arm)}; if more loss is acceptable, a larger MARGIN`,
  }
}

type VerdictCode =
  | 'passed'
  | 'no-answers'
  | 'unjudged'
  | 'upstream-changed'
  | 'upstream-differs'
  | 'coverage-impossible'
  | 'none-answerable'
  | 'samples-too-small'
  | 'too-few-fresh-answers'
  | 'slices-worse'
  | 'loss-too-large'
  | 'more-wrong'
  | 'not-more-answered'
  | 'judge-unfinished'
  | 'judge-alarms'
  | 'judge-misses'
  | 'judge-admitted'
  | 'proof-money-spent'
  | 'judge-unset'
  | 'judge-changed'
  | 'rubric-changed'
  | 'judge-version-changed'
  | 'judge-silent'
  | 'judge-refused'
  | 'judge-version-unknown'
  | 'checker-unset'
  | 'checker-changed'
  | 'checker-away'

export const VERDICT_SAYINGS: Sayings<VerdictCode> = {
  passed: ({ arm, coverage, agreement }) => ({
    says: `arm ${arm} answers ${percent(coverage)} at ${percent(agreement)} agreement`,
  }),
  'no-answers': () => ({
    says: 'no held-out row was answered',
    helps: 'internalize again when the log has traffic of this prompt',
  }),
  unjudged: () => ({
    says: 'free text is not promoted: comparing it needs a judge, and there is none',
    helps: `name one with JUDGE_MODEL, or ${OTHER_ANSWERS}`,
  }),
  'upstream-changed': ({ changed, rows }) => ({
    says: `the upstream has changed: it answers ${changed} of ${rows} held-out requests twice alike and otherwise than in the log`,
    helps: NEWER_TRAFFIC,
  }),
  'upstream-differs': ({ repeats, least, isJudged }) => ({
    says:
      (isJudged
        ? "the judge accepts the upstream's second answer"
        : 'the upstream repeats its own answer') +
      ` on ${percent(repeats)} of the requests, and ${percent(least)} are needed to tell right from wrong`,
    helps: isJudged
      ? `lower its temperature, or ${ANOTHER_JUDGE}`
      : 'ask it for labels or JSON, or lower its temperature',
  }),
  'coverage-impossible': ({ answerable, minCoverage }) => ({
    says: `a lora may answer ${percent(answerable)} of the held-out traffic, less than the minimum coverage of ${percent(minCoverage)}`,
    helps: 'a separate prompt for the requests that only the upstream answers',
  }),
  'none-answerable': () => ({ says: 'the sample of traffic has no answerable rows' }),
  'samples-too-small': ({ samples, margin }) => ({
    says: `${samples.map(sampleText).join('; ')} to show a loss under ${percent(margin)}`,
    helps: `${MORE_TRAFFIC}, or raise MARGIN, which a smaller proof decides`,
  }),
  'too-few-fresh-answers': ({ margin }) => ({
    says: `too few fresh upstream answers were bought to show a loss under ${percent(margin)}`,
    helps: 'raise or unset UPSTREAM_REPLAYS',
  }),
  'slices-worse': ({ slices }) => ({
    says: `worse than the upstream by more than 10 points at every threshold that passed: ${slices
      .map(
        ({ slice, agreement, rows, upstreamAgreement }) =>
          `${slice} agrees on ${percent(agreement)} of ${rows} rows (upstream: ${percent(upstreamAgreement)})`
      )
      .join('; ')}`,
    helps: 'more traffic of that part, or a prompt of its own for it',
  }),
  'loss-too-large': lossTooLarge,
  'more-wrong': ({ moreWrong, successor, present }) => ({
    says:
      `the present route stays: the successor may answer up to ${percent(moreWrong)} more of the requests ` +
      `wrong (${percent(successor)} against ${percent(present)})`,
  }),
  'not-more-answered': ({ successor, present }) => ({
    says: `the present route stays: the successor is not shown to answer more (${percent(successor)} against ${percent(present)})`,
  }),

  'judge-unfinished': () => ({ says: 'the judge was not asked to the end' }),
  'judge-alarms': ({ pairs, alarms, upperBound, most }) => ({
    says:
      `the judge is not admitted: it rejects ${alarms} of ${pairs} second answers of the upstream, which may be ` +
      `${percent(upperBound)} of all; ${percent(most)} are allowed`,
    helps: ANOTHER_JUDGE,
  }),
  'judge-misses': ({ least }) => ({
    says: `the judge is not admitted: it is not shown to catch ${percent(least)} of any class of planted faults`,
    helps: ANOTHER_JUDGE,
  }),
  'judge-admitted': ({ pairs, alarms, least, faults }) => ({
    says:
      `it rejects ${alarms} of ${pairs} second answers of the upstream, and catches ${percent(least)} of: ` +
      faults.join(', '),
  }),
  'proof-money-spent': ({ usd }) => ({
    says: `PROOF_USD=${dollars(usd)} was spent before all answers were compared`,
    helps: 'a larger PROOF_USD; then internalize again',
  }),
  'judge-unset': ({ planned }) => ({
    says: `the answers were to be compared by ${planned}, and JUDGE_MODEL is not set now`,
    helps: ADMITS_AGAIN,
  }),
  'judge-changed': ({ planned, set }) => ({
    says: `the answers were to be compared by ${planned}, and JUDGE_MODEL is ${set} now`,
    helps: ADMITS_AGAIN,
  }),
  'rubric-changed': ({ rubric }) => ({
    says: `the text of the rubric ${rubric} has changed since the plan`,
    helps: ADMITS_AGAIN,
  }),
  'judge-version-changed': ({ model, version, other }) => ({
    says: `the judge ${model} answered as ${version} and as ${other || 'an unnamed version'}: it must be admitted anew`,
    helps:
      'internalize again, which admits the new version; if the provider changes versions often, a model name with a date',
  }),
  'judge-silent': ({ model }) => ({ says: `the judge ${model} does not answer` }),
  'judge-refused': ({ model, ...answer }) => ({
    says: `the judge ${model} is refused with ${refusalText(answer)}`,
    helps: 'mend the key or JUDGE_MODEL',
  }),
  'judge-version-unknown': ({ version, admitted }) => ({
    says: `the judge answers as ${version || 'an unnamed version'}, and ${admitted ?? 'none'} was admitted`,
    helps: 'audits wait until it does again, or until the route is proved anew',
  }),
  'checker-unset': ({ planned }) => ({
    says: `the answers were to be compared by ${checkerName(planned)}, which is not set now`,
  }),
  'checker-changed': ({ planned, set }) => ({
    says: `the answers were to be compared by ${checkerName(planned)}, and ${checkerName(set)} is set now`,
  }),
  'checker-away': ({ message }) => ({ says: message }),
}
