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

/** The template that a person has moved another one to. */
export interface Follower {
  version: string
  model: string
  /** answers requests that name the new model; false: it is learned and proved */
  isLive: boolean
}

/** @param live versions with a live route @returns by the version that is followed */
export const followersOf = (
  templates: readonly Pick<Template, 'version' | 'model' | 'movedFrom'>[],
  live: ReadonlySet<string>
): Map<string, Follower[]> => {
  const followers = new Map<string, Follower[]>()
  for (const { version, model, movedFrom } of templates) {
    if (movedFrom === undefined) continue
    const follower = { version, model, isLive: live.has(version) }
    followers.set(movedFrom, [...(followers.get(movedFrom) ?? []), follower])
  }
  return followers
}
