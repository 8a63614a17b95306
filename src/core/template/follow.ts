/**
 * A template that follows another one to a new model: the same prompt, whose requests name the new model. Pure.
 */
import { hash } from 'node:crypto'
import type { Template } from './template.ts'
import { boundVersion, versionOf } from './version.ts'

/** The template as requests to the new model have it. */
export const followedTemplate = (old: Template, model: string): Template => {
  const shared = versionOf({ ...old, model }, old.messages)
  const version = old.caller === undefined ? shared : boundVersion(shared, old.caller)
  return { ...old, model, version, movedFrom: old.version }
}

const ID_DIGITS = 32

/** Id of the record of a bought answer: a second run finds what the first one has bought. */
export const boughtId = (recordId: string, model: string): string =>
  hash('sha256', `${recordId}\n${model}`).slice(0, ID_DIGITS)
