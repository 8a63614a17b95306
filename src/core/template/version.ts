/**
 * Versions of templates: 32 hex digits. The first 20 (80 bits) are of the key and the constant text, the last 12 of
 * the caller that the template is for. Templates of one text are siblings: the shared one, and those of one caller.
 */
import { createHash } from 'node:crypto'
import type { TemplateKey, TemplateMessage } from './template.ts'

const TEXT_DIGITS = 20
const CALLER_DIGITS = 12

const digits = (text: string, count: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, count)

const textDigits = (version: string): string => version.slice(0, TEXT_DIGITS)

const withCaller = (text: string, caller: string): string =>
  text + digits(`${text} ${caller}`, CALLER_DIGITS)

/** Of the key and the ordered anchors; a variable part counts as a mark between them. */
export const versionOf = (key: TemplateKey, messages: TemplateMessage[]): string => {
  const shape = messages.map(({ role, segments }) => [
    role,
    segments.map((segment) => (segment.kind === 'anchor' ? segment.text : null)),
  ])
  const { tenant, model, tools, responseFormat } = key
  return withCaller(
    digits(JSON.stringify([tenant, model, tools, responseFormat, shape]), TEXT_DIGITS),
    ''
  )
}

/** The sibling for one caller. */
export const boundVersion = (version: string, caller: string): string =>
  withCaller(textDigits(version), caller)

export const areSiblings = (one: string, other: string): boolean =>
  textDigits(one) === textDigits(other)
