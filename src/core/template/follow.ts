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
