/** Which upstreams may answer a model's requests. Pure. */

/** @param patterns exact names of models, or prefixes with a trailing `*` */
export const isModelIn = (patterns: readonly string[], model: string): boolean =>
  patterns.some((pattern) =>
    pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : model === pattern
  )

/** An entry of the upstreams file, with its API key. */
export interface NamedUpstream {
  name: string
  baseUrl: string
  /** sent instead of the client's credential; null forwards the client's */
  apiKey: string | null
  /** exact names of models, or prefixes with a trailing `*` */
  models: readonly string[]
  /** names of the entries that are tried when this one has no answer */
  fallback: readonly string[]
}

/** Name of the upstream for requests without an entry; reserved. */
export const DEFAULT_UPSTREAM = 'default'

/** @returns the first entry for a model; null without one */
export const findUpstream = (
  entries: readonly NamedUpstream[],
  model: string
): NamedUpstream | null =>
  // '' stands for a request whose model is not known
  model === '' ? null : (entries.find(({ models }) => isModelIn(models, model)) ?? null)

/**
 * The stand-ins of an entry, in order. An upstream without an API key of its own is skipped: it would get
 * the client's credential for another upstream.
 */
export const standInsOf = (
  entries: readonly NamedUpstream[],
  { fallback }: NamedUpstream
): NamedUpstream[] =>
  fallback.flatMap((name) => entries.filter((one) => one.name === name && one.apiKey !== null))
