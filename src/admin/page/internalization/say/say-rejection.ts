/** Why an internalization was rejected and what would help, in sentences for a person who decides. Pure. */
import { writtenRules } from '../../../../core/answer/field-rules.ts'
import type {
  InternalizationState,
  Internalization,
} from '../../../../core/internalization/internalization.ts'
import { sayReason, sentenceOf } from '../../../../core/reasons/say-reason.ts'
import { percent, whole } from '../../../../views/format.ts'
import { said, type Said } from './said.ts'

/** A judge that reads some fields alone is not the only one that rejects. */
const OTHER_FIELDS =
  'Answers with another value in a field that is not written count as rejected, too: the fields that disagree are listed with the figures.'

/** Of repeated questions: where more requests than the margin allows have several answers, no arm can pass. */
const contradictingLog = (
  { plan, verdict }: Pick<Internalization, 'plan' | 'verdict'>,
  margin: number
): Pick<Said, 'says' | 'helps' | 'example'> | null => {
  const repeats = plan?.population.repeats
  if (repeats === undefined || repeats.changedShare <= margin) return null
  const { changed, changedShare, examples } = repeats
  const measures =
    verdict?.change === null
      ? ' With UPSTREAM_API_KEY the test also measures how often it contradicts itself, and allows for that.'
      : ''
  return {
    says: [
      `${whole(changed)} repeated questions got different answers from the upstream: ${percent(changedShare)} of the requests ask one of them, and no small model can agree with all of these.`,
    ],
    helps: `Make the upstream answer a repeated question consistently: state in the prompt which of the answers is right, or lower the temperature. Then internalize again from newer traffic.${measures}`,
    example: examples[0] ?? null,
  }
}

export const sayRejection = (
  row: Pick<Internalization, 'plan' | 'verdict'>,
  { reason }: Extract<InternalizationState, { name: 'rejected' }>
): Said => {
  const helps = 'It cannot go live any more; a new internalization can begin.'
  if (reason.code === 'said')
    return said(['A person rejected it.'], { helps, reason: reason.figures.text })
  const isLoss = reason.code === 'loss-too-large'
  const { margin, isJudged } = isLoss ? reason.figures : { margin: 1, isJudged: false }
  const contradicting = isLoss && !isJudged ? contradictingLog(row, margin) : null
  const sentence = sayReason(reason)
  const hasFields = isJudged && writtenRules(row.plan?.answers.fields).length > 0
  return said(
    [
      ...(contradicting?.says ?? []),
      sentenceOf(sentence.says),
      ...(hasFields ? [OTHER_FIELDS] : []),
    ],
    {
      helps:
        contradicting?.helps ?? (sentence.helps === undefined ? helps : sentenceOf(sentence.helps)),
      example: contradicting?.example ?? null,
    }
  )
}
