/** Names of models as configuration writes them: exact, or a beginning with `*` behind. */

export const isModelIn = (patterns: readonly string[], model: string): boolean =>
  patterns.some((pattern) =>
    pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : model === pattern
  )
