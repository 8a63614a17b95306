/** Which upstreams may answer a model's requests. Pure. */

/** @param patterns exact names of models, or prefixes with a trailing `*` */
export const isModelIn = (patterns: readonly string[], model: string): boolean =>
  patterns.some((pattern) =>
    pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : model === pattern
  )

/** An entry of the upstreams file, with its key read. */
export interface NamedUpstream {
  name: string
  baseUrl: string
  /** sent in place of the client's own credential; null forwards that */
  apiKey: string | null
  /** names of models, or their beginnings with `*` behind */
  models: readonly string[]
  /** names of entries that are asked when this one has no answer */
  fallback: readonly string[]
}

/** The upstream of all that no entry is for; no entry may be called so. */
export const DEFAULT_UPSTREAM = 'default'

/** @returns the first entry that a model's requests are for; null where they are for no entry */
export const findUpstream = (
  entries: readonly NamedUpstream[],
  model: string
): NamedUpstream | null =>
  // what has no model's name is no chat completion that could be read
  model === '' ? null : (entries.find(({ models }) => isModelIn(models, model)) ?? null)

/**
 * Who stands in for an entry, in order. An upstream without a key of its own never does: it would get
 * a credential that the client meant for another.
 */
export const standInsOf = (
  entries: readonly NamedUpstream[],
  { fallback }: NamedUpstream
): NamedUpstream[] =>
  fallback.flatMap((name) => entries.filter((one) => one.name === name && one.apiKey !== null))
