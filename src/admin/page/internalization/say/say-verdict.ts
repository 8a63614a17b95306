/** A verdict in sentences for a person who decides: what is answered, what is promised, and what won. Pure. */
import { modelOfArm, type TrainedArmName } from '../../../../core/learn/schedule.ts'
import type { Verdict } from '../../../../core/gate/gate.ts'
import type { Arm, Internalization } from '../../../../core/internalization/internalization.ts'
import { trainedSeconds } from '../../../../core/cost/template-economics.ts'
import { duration, percent, points, whole } from '../../parts/format.ts'
import { promiseOf } from './say-promise.ts'
import { winningFigures } from '../../../../core/internalization/internalization.ts'

/**
 * What the winning arm answers, and how often its answers agree.
 * @param model the upstream's
 * @param verb such as `would answer`
 */
export const sayAnswers = (verdict: Verdict, model: string, verb: string): string => {
  const {
    arm,
    coverage,
    rows,
    agreementAnswered: observed,
    agreementAnsweredBound: bound,
  } = winningFigures(verdict)
  return (
    `It ${verb} ${percent(coverage)} of the requests ${modelOfArm(arm) === null ? 'without the prompt' : 'in its place'}; of these at least ` +
    `${percent(bound)} agree with ${model} (${percent(observed)} were observed, on ` +
    `${whole(Math.round(coverage * rows))} of ${whole(rows)} held-out requests). ${model} answers the rest.`
  )
}

export const sayPromise = (
  verdict: Pick<Verdict, 'margin' | 'upstreamAgreement'>,
  model: string
): string => {
  const { margin, upstreamAgreement } = verdict
  const least = percent(promiseOf(verdict))
  return upstreamAgreement === 1
    ? `The promise is an agreement of at least ${least}: the margin is ${points(margin)}.`
    : `${model} agrees with its own second answers in ${percent(upstreamAgreement)} of the cases. The promise is an agreement at most ${points(margin)} lower: at least ${least}.`
}

/** What an arm is, for a person who never trained a model. */
const ARM_TEXTS: Record<TrainedArmName, string> = {
  'label-head':
    'a label head: a classifier that chooses one of the known labels and never saw the prompt',
  'field-head':
    'a field head: a tagger that copies values from the message, chooses others, and never saw the prompt',
  'query-only': 'a small model with a LoRA that was trained without the prompt from the beginning',
  schedule: 'a small model with a LoRA, trained while the prompt was removed stage by stage',
}

export const armText = ({ name, model }: Pick<Arm, 'name' | 'model'>): string =>
  model === undefined
    ? ARM_TEXTS[name as TrainedArmName]
    : `${model.name}, another model of the upstreams, which reads the whole prompt`

const baseOf = ({ encoder, model }: Arm, baseModel: string): string => {
  if (model !== undefined) return ''
  return encoder === undefined
    ? `, on the base model ${baseModel}`
    : `, on the sentence encoder ${encoder}`
}

/** @returns null before a verdict */
export const sayWinner = (row: Internalization): string | null => {
  const { plan, verdict } = row
  const arm = verdict && plan?.arms[verdict.arm]
  if (!arm) return null
  const { length: count } = plan.arms
  const trained = arm.model === undefined ? ' that were trained' : ''
  const begin = count === 1 ? 'It is' : `Of ${count} candidates${trained}, the winner is`
  const seconds = trainedSeconds(row)
  const training = seconds === 0 ? '' : ` All training took ${duration(1000 * seconds)}.`
  return `${begin} ${armText(arm)}${baseOf(arm, plan.baseModel)}.${training}`
}
