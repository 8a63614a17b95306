/** Why an internalization was rejected and what would help, in sentences for a person who decides. Pure. */
import { writtenRules } from '../../../../core/answer/field-rules.ts'
import { LEAST_UPSTREAM_AGREEMENT } from '../../../../core/gate/figures.ts'
import type { ArmFigures } from '../../../../core/gate/gate.ts'
import type { Verdict } from '../../../../core/proof/decision-facts.ts'
import type { Admission } from '../../../../core/judge/admission.ts'
import { failingSlices } from '../../../../core/gate/slices.ts'
import type {
  Internalization,
  Population,
} from '../../../../core/internalization/internalization.ts'
import { isHead, modelOfArm, type ArmName } from '../../../../core/learn/schedule.ts'
import { percent, points, whole } from '../../../../views/format.ts'

export interface SaidRejection {
  /** the cause, in a sentence */
  says: string
  /** what would help this arm against this cause */
  helps: string
  /** a record that shows the cause; absent: none does */
  example?: string
}

const FREE_TEXT: SaidRejection = {
  says: 'Its answers are free text. Two good texts may share few words, so only a judge can say whether they agree, and none may.',
  helps:
    'A judge: JUDGE_MODEL names one, and the recorded reason says what it lacks. Or ask for labels, JSON, code or sentences of up to 240 characters, which are compared without one. A field head (ENCODER_PATH) also learns longer replies that are written from a few patterns.',
}

const JUDGE_HELPS =
  'Another judge (JUDGE_MODEL, JUDGE_RUBRIC_FILE), which is then admitted by planted faults. Tries with the same judge share one level.'

/** Of a verdict that its judge has decided, and not the arms; null: it has not. */
const sayJudge = ({ judge, reason }: Verdict): SaidRejection | null => {
  if (reason.startsWith('PROOF_USD='))
    return {
      says: 'The money for the judge was spent before all answers were compared.',
      helps: 'A larger PROOF_USD; then internalize again.',
    }
  if (/JUDGE_MODEL is|rubric .* has changed/.test(reason))
    return {
      says: 'The judge that is set now is not the one of its plan.',
      helps: 'Internalize again: this admits the judge that is set.',
    }
  if (/^the judge .* must be admitted anew/.test(reason))
    return {
      says: 'The judge changed its version while it compared the answers.',
      helps:
        'Internalize again, which admits the new version. If the provider changes versions often, a model name with a date.',
    }
  if (judge === undefined || judge.isAdmitted) return null
  const { pairs, alarms } = judge.falseAlarms
  return {
    says: `The judge ${judge.judge.model} is not admitted: it rejects ${alarms} of ${pairs} sound answers, or finds too few planted faults.`,
    helps: JUDGE_HELPS,
  }
}

const LITTLE_TRAFFIC: SaidRejection = {
  says: 'There is too little traffic to prove anything.',
  helps: 'More traffic or an import of logs, or a larger MARGIN, which a smaller proof decides.',
}

const FEW_TEXTS: SaidRejection = {
  says: 'Too few of the requests are answered with plain text or function calls. A small model gives no other answers.',
  helps: 'A separate prompt for the requests with other answers, such as refusals.',
}

/** What the worker says before it trains, by words of its reasons. */
const BEFORE_TRAINING: (SaidRejection & { words: RegExp })[] = [
  { words: /^the answers are free text/, ...FREE_TEXT },
  {
    words: /^the gate cannot compare the written fields/,
    says: 'Rules say that fields of its answers are written. Only a judge can say whether two texts agree, and none may.',
    helps:
      'A judge: JUDGE_MODEL names one, and the recorded reason says what it lacks. Without the rules, all fields must be equal.',
  },
  {
    words: /came in conversations and bursts|all in one burst/,
    says: 'Its traffic came in bursts. The answers within a burst may all be right or all be wrong, so they prove little.',
    helps:
      'Traffic of more hours; or BURST_MINUTES=0, if the requests do not depend on each other.',
  },
  {
    words: /all in one conversation/,
    says: 'All of its requests belong to one conversation, which cannot be both learned from and judged.',
    helps: 'More conversations, or an import of logs.',
  },
  { words: /too few to (show|train)|are new to training/, ...LITTLE_TRAFFIC },
  { words: /held-out requests with plain text/, ...FEW_TEXTS },
  {
    words: /PROOF_USD|does not compete/,
    says: 'No other model of ARMS may be compared; the history says why, and what the comparison would cost.',
    helps: 'The setting that the history names; then internalize again.',
  },
  {
    words: /^no answer can be checked against the response format/,
    says: 'Its requests ask for a response format that the proxy cannot check, so a wrong answer would not be noticed.',
    helps: 'A JSON schema within the limits of the documentation, or none.',
  },
  {
    words: /needs your consent: set TRAINING_CONSENT=/,
    says: 'The terms of its upstream do not plainly allow training on these answers, or are not known.',
    helps:
      'If your own agreement allows it, TRAINING_CONSENT as the reason gives it, and a restart: the prompt is then tried again at once.',
  },
  {
    words: /^no request fits the/,
    says: 'The requests are too long for the small model, even without the prompt.',
    helps: 'A base model with a longer context.',
  },
  {
    words: /^the engine has no encoder|^the answers are (?:(?:no|not) labels|labels, and ARMS)/,
    says: 'No enabled training method can learn its answers.',
    helps: 'Enable loras (ARMS), or give the engine an encoder (ENCODER_PATH).',
  },
  {
    words: /^the route that it follows was rolled back/,
    says: 'The route that it should have replaced was rolled back. It was trained on the same outdated traffic.',
    helps: 'The worker begins a new one from newer traffic.',
  },
]

const FORGOTTEN: SaidRejection & { words: RegExp } = {
  words: /records that were forgotten/,
  says: 'It was trained on records that have since been forgotten.',
  helps: 'Internalize again: the new one is trained on the remaining traffic.',
}

const sum = (counts: number[]): number => counts.reduce((total, count) => total + count, 0)

const shortOfRows = ({ rows, deferred }: ArmFigures, { minCoverage }: Verdict): SaidRejection => {
  const answerable = rows - sum(Object.values(deferred))
  if (answerable < Math.ceil(minCoverage * rows))
    return {
      says: `It may answer only ${percent(answerable / rows)} of the held-out requests, and a route must answer ${percent(minCoverage)}. The other requests have a form that only the upstream answers.`,
      helps: FEW_TEXTS.helps,
    }
  return LITTLE_TRAFFIC
}

const changedUpstream = (
  { changed, rows }: NonNullable<Verdict['change']>,
  model: string
): SaidRejection => ({
  says: `${model} has changed: for ${changed} of ${rows} held-out requests, it gave the same new answer twice, and this answer differs from the log. The small model learned outdated answers.`,
  helps: 'Newer traffic. With AUTO_INTERNALIZE the worker learns from it when there is enough.',
})

const contradictingUpstream = (upstreamAgreement: number, model: string): SaidRejection => ({
  says: `${model} repeats its own answer on only ${percent(upstreamAgreement)} of the requests, so no program can tell right answers from wrong ones.`,
  helps: 'Ask for labels or JSON, or lower the temperature of the requests.',
})

const worseInSlices = (winner: ArmFigures, model: string): SaidRejection => {
  const failing = failingSlices(winner.slices).map(
    ({ slice, agreement, rows, upstreamAgreement }) =>
      `“${slice}” (${percent(agreement)} of ${rows} answers agree; ${model} agrees with itself on ${percent(upstreamAgreement)})`
  )
  return {
    says: `Its answers are good on average, but more than 10 points worse in a part of the traffic: ${failing.join(', ')}.`,
    helps: 'More traffic of that part, or a prompt of its own for it.',
  }
}

const TRIES_AGAIN =
  'Nothing has to be done. With AUTO_INTERNALIZE the worker tries again with newer traffic.'

const notBetterThanPresent = (
  { moreWrong, coverage, wrong }: NonNullable<Verdict['replacement']>,
  { reason }: Verdict
): SaidRejection =>
  reason.includes('wrong')
    ? {
        says: `It passed the test, but the route that is live stays: this one may answer up to ${percent(moreWrong)} more of the requests wrong (${percent(wrong.successor)} against ${percent(wrong.present)}).`,
        helps: TRIES_AGAIN,
      }
    : {
        says: `It passed the test, but it is not shown to answer more than the route that is live (${percent(coverage.successor)} against ${percent(coverage.present)} of the requests).`,
        helps: TRIES_AGAIN,
      }

/** More time or a larger model does not help a head, and an encoder does not help a lora. */
const RAISES_AGREEMENT: Record<'head' | 'lora' | 'model', string> = {
  model: 'Another model (ARMS), or a prompt that leaves it less choice.',
  head: 'More questions to learn from, another encoder (ENCODER_PATH), or a lora beside the head (ARMS, MODEL_PATH).',
  lora: 'More questions to learn from, more time (TRAIN_MINUTES), or a larger base model (MODEL_PATH).',
}

const kindOf = (arm: ArmName): keyof typeof RAISES_AGREEMENT => {
  if (modelOfArm(arm) !== null) return 'model'
  return isHead(arm) ? 'head' : 'lora'
}

/** Of repeated questions: where more requests than the margin allows have several answers, no arm can pass. */
const contradictingLog = (
  { changed, changedShare, examples }: Population['repeats'],
  { change }: Verdict,
  model: string
): SaidRejection => ({
  says: `${whole(changed)} repeated questions got different answers from ${model}: ${percent(changedShare)} of the requests ask one of them, and no small model can agree with all of these.`,
  helps: `Make ${model} answer a repeated question consistently: state in the prompt which of the answers is right, or lower the temperature. Then internalize again from newer traffic.${
    change === null
      ? ' With UPSTREAM_API_KEY the test also measures how often it contradicts itself, and allows for that.'
      : ''
  }`,
  ...(examples[0] !== undefined && { example: examples[0] }),
})

const disagreeing = (winner: ArmFigures, verdict: Verdict, model: string): SaidRejection => ({
  says: `It does not agree with ${model} often enough: ${percent(winner.agreement)} if it answered every request that it may answer. At a coverage of ${percent(verdict.minCoverage)}, no confidence threshold keeps it within the margin of ${points(verdict.margin)}.`,
  helps: `${RAISES_AGREEMENT[kindOf(winner.arm)]} If more disagreement is acceptable, a larger MARGIN.`,
})

type Plan = Internalization['plan']

/** A judge that reads some fields alone is not the only one that rejects. */
const otherFields = (plan: Plan): string =>
  writtenRules(plan?.answers.fields).length === 0
    ? ''
    : ' Answers with another value in a field that is not written count as rejected, too: the fields that disagree are listed with the figures.'

const strictJudge = (
  upstreamAgreement: number,
  { judge }: Admission,
  { model, plan }: { model: string; plan: Plan }
): SaidRejection => ({
  says: `The judge ${judge.model} accepts only ${percent(upstreamAgreement)} of the second answers of ${model}, so it cannot tell good answers from bad ones.${otherFields(plan)}`,
  helps: JUDGE_HELPS,
})

const rejectedByJudge = (
  winner: ArmFigures,
  { judge }: Admission,
  { model, plan }: { model: string; plan: Plan }
): SaidRejection => ({
  says: `The judge ${judge.model} accepts ${percent(winner.agreement)} of its answers, and that is too few beside those of ${model}: ${percent(winner.upstreamAgreement ?? 1)} of its second answers are accepted.${otherFields(plan)}`,
  helps: `${RAISES_AGREEMENT[kindOf(winner.arm)]} If more rejections are acceptable, a larger MARGIN.`,
})

const sayJudged = (verdict: Verdict, plan: Plan, model: string): SaidRejection => {
  const repeats = plan?.population.repeats ?? null
  const winner = verdict.arms[verdict.arm]
  if (winner === undefined || winner.rows === 0)
    return {
      says: 'No held-out request was answered, so there is nothing to judge.',
      helps: 'Internalize again when the log has traffic of this prompt.',
    }
  const ofJudge = sayJudge(verdict)
  if (ofJudge !== null) return ofJudge
  if (verdict.responseType === 'free-text' && verdict.judge === undefined) return FREE_TEXT
  if (verdict.change?.isChanged === true) return changedUpstream(verdict.change, model)
  const ofUpstream = winner.upstreamAgreement ?? 1
  if (ofUpstream < LEAST_UPSTREAM_AGREEMENT)
    return verdict.judge === undefined
      ? contradictingUpstream(ofUpstream, model)
      : strictJudge(ofUpstream, verdict.judge, { model, plan })
  if (verdict.replacement !== undefined) return notBetterThanPresent(verdict.replacement, verdict)
  if (winner.shortage !== null) return shortOfRows(winner, verdict)
  if (failingSlices(winner.slices).length > 0) return worseInSlices(winner, model)
  // a judge may take different answers to a repeated question for the same
  if (verdict.judge !== undefined) return rejectedByJudge(winner, verdict.judge, { model, plan })
  return repeats !== null && repeats.changedShare > verdict.margin
    ? contradictingLog(repeats, verdict, model)
    : disagreeing(winner, verdict, model)
}

/**
 * @param model the upstream's
 * @param by who rejected it, as the history says
 */
export const sayRejection = (
  { verdict, plan = null }: Pick<Internalization, 'verdict'> & Partial<Internalization>,
  reason: string,
  { model, by }: { model: string; by: string }
): SaidRejection => {
  if (verdict?.verdict === 'reject') return sayJudged(verdict, plan, model)
  const known = [FORGOTTEN, ...(by === 'worker' ? BEFORE_TRAINING : [])].find(({ words }) =>
    words.test(reason)
  )
  return {
    says: known?.says ?? (by === 'worker' ? 'The worker rejected it.' : 'A person rejected it.'),
    helps: known?.helps ?? 'It cannot go live any more; a new internalization can begin.',
  }
}
