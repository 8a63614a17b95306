import type { BodyData } from 'hono/utils/body'

/** A text field of a form; '' when it is missing or a file. */
export const formText = (form: BodyData, name: string): string => {
  const value = form[name]
  return typeof value === 'string' ? value : ''
}
