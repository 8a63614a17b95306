/**
 * Versions of templates: 32 hex digits. The first 20 (80 bits) are of the key and the constant text, the last 12 of
 * the caller that the template is for. Templates of one text are siblings: the shared one, and those of one caller.
 */
import { createHash, hash } from 'node:crypto'
import type { TemplateKey, TemplateMessage, Template } from './template.ts'

/** The template as requests to the new model have it. */
export const followedTemplate = (old: Template, model: string): Template => {
  const shared = versionOf({ ...old, model }, old.messages)
  const version = old.caller === undefined ? shared : boundVersion(shared, old.caller)
  return { ...old, model, version, movedFrom: old.version }
}

/** Versions that a person has moved to a template, the newest first. */
export const sourcesOf = ({ movedFrom, movedBefore = [] }: Template): string[] =>
  movedFrom === undefined ? [] : [movedFrom, ...movedBefore]

/** The template, moved from another one; those that were moved to it before still are. */
export const movedTo = (known: Template, from: string): Template => {
  const before = sourcesOf(known).filter((version) => version !== from)
  return { ...known, movedFrom: from, ...(before.length > 0 && { movedBefore: before }) }
}

const ID_DIGITS = 32

/** Id of the client's record, also of a request that is moved for the second time: what is forgotten has its id. */
export const clientId = ({ id, bought }: { id: string; bought?: { of: string } }): string =>
  bought?.of ?? id

/** Id of the record of a bought answer: a second run finds what the first one has bought. @param id see `clientId` */
export const boughtId = (id: string, model: string): string =>
  hash('sha256', `${id}\n${model}`).slice(0, ID_DIGITS)

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
