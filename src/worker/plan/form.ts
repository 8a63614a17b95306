/** Looks once, for the whole plan, for the form of the answers that a field head would fill. */
import { findAnswerForm } from '../../core/answer/answer-form.ts'
import type { InternalizeOptions, PlannedForm } from '../../core/internalization/internalization.ts'
import type { ModelObject } from '../../openai/fine-tuning.ts'
import { trainsFields } from '../engine/watch.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'

/** Examples for a person: some of their texts may be deleted when they are looked at. */
const MAX_UNEXPLAINED = 10

type Arms = Pick<InternalizeOptions, 'arms'>

/** What is missing for a field head. @returns null: the engine has one, and it may compete */
export const withoutFieldHead = ({ arms }: Arms, encoder: ModelObject | null): string | null => {
  if (!trainsFields(encoder)) return 'set ENCODER_PATH'
  return arms.includes('field-head') ? null : 'add field-head to ARMS'
}

/** Of answers that are no labels. @returns null: no form explains nine of ten of the newest answers */
export const formOf = (train: readonly MatchedExchange[]): PlannedForm | null => {
  const found = findAnswerForm(train)
  return (
    found && {
      explained: found.explained,
      fields: found.fields,
      unexplained: found.unexplained.slice(0, MAX_UNEXPLAINED).map(({ id }) => id),
    }
  )
}
