import type { BodyData } from 'hono/utils/body'
import { MAX_NOTE_CHARS } from '../../core/internalization/internalization.ts'
import { AppError } from '../../errors.ts'

/** A text field of a form; '' when it is missing or a file. */
export const formText = (form: BodyData, name: string): string => {
  const value = form[name]
  return typeof value === 'string' ? value : ''
}

/** The reason that a person gives for a decision. @throws AppError `invalid-request` where it is too long */
export const noteOf = (form: BodyData): string | undefined => {
  const note = formText(form, 'reason').trim()
  if (note.length > MAX_NOTE_CHARS)
    throw new AppError('invalid-request', `a reason may have at most ${MAX_NOTE_CHARS} characters`)
  return note === '' ? undefined : note
}
