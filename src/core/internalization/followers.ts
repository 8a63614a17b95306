/** Which templates follow others to a new model, and how far they are. Pure. */
import { groupBy } from '../group-by.ts'
import { sourcesOf } from '../template/version.ts'
import type { Template } from '../template/template.ts'
import type { Internalization } from './internalization.ts'

/** The template that a person has moved another one to. */
export interface Follower {
  version: string
  model: string
  /** `live`: requests that name the new model are answered; `rejected`: its newest internalization has ended */
  state: 'live' | 'proving' | 'rejected'
}

const stateOf = (own: readonly Internalization[]): Follower['state'] => {
  if (own.some(({ state }) => state.name === 'live')) return 'live'
  const newest = own.at(-1)?.state.name
  return newest === 'rejected' || newest === 'failed' || newest === 'retired'
    ? 'rejected'
    : 'proving'
}

/** @param rows internalizations, oldest first @returns by the version that is followed */
export const followersOf = (
  templates: readonly Template[],
  rows: readonly Internalization[]
): Map<string, Follower[]> => {
  const byVersion = groupBy(rows, ({ templateVersion }) => templateVersion)
  const followers = new Map<string, Follower[]>()
  for (const template of templates) {
    const { version, model } = template
    const state = stateOf(byVersion.get(version) ?? [])
    for (const source of sourcesOf(template))
      followers.set(source, [...(followers.get(source) ?? []), { version, model, state }])
  }
  return followers
}
