/** Parses the file of upstreams by model name. Pure; reports every mistake at once. */
import { z } from 'zod'
import { baseUrlSchema } from './environment.ts'
import { parseEntries } from './entries.ts'
import { DEFAULT_UPSTREAM, type NamedUpstream } from '../core/upstream-choice.ts'

const ENTRY = z.strictObject({
  // the name is sent in a header
  name: z.string().regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits or . _ -'),
  baseUrl: baseUrlSchema('apiKeyEnv'),
  apiKeyEnv: z.string().min(1).optional(),
  models: z
    .array(
      z
        .string()
        .regex(/^[^*]*\*?$/, 'may have one * at its end')
        .min(1)
    )
    .min(1),
  fallback: z.array(z.string()).default([]),
})

type Entry = z.infer<typeof ENTRY>
type Environment = Record<string, string | undefined>

const fallbackMistake = (entries: Entry[], { name }: Entry, other: string): string | null => {
  const found = entries.find((one) => one.name === other)
  if (other === name) return `${other} is the entry itself`
  if (found === undefined) return `${other} is not an entry`
  return found.apiKeyEnv === undefined
    ? `${other} needs an apiKeyEnv; without it, it would receive the keys of ${name}`
    : null
}

const mistakesOf = (entries: Entry[], entry: Entry, env: Environment): string[] => {
  const { name, apiKeyEnv, fallback } = entry
  const mistakes: string[] = []
  if (name === DEFAULT_UPSTREAM) mistakes.push(`the name ${name} is reserved for UPSTREAM_BASE_URL`)
  if (entries.find((one) => one.name === name) !== entry)
    mistakes.push('an earlier entry has the same name')
  if (apiKeyEnv !== undefined && !/^[!-~]+$/.test(env[apiKeyEnv] ?? ''))
    mistakes.push(
      `${apiKeyEnv} must be set in the environment to a key of printable ASCII characters`
    )
  for (const other of fallback) {
    const mistake = fallbackMistake(entries, entry, other)
    if (mistake !== null) mistakes.push(`fallback: ${mistake}`)
  }
  return mistakes.map((mistake) => `${name}: ${mistake}`)
}

/**
 * @param env has the API keys, under the names that the file gives in `apiKeyEnv`
 * @throws AppError `invalid-config` with one line per mistake in its message
 */
export const parseUpstreams = (text: string, env: Environment): NamedUpstream[] => {
  const entries = parseEntries('the upstreams file', text, ENTRY, (all) =>
    all.flatMap((entry) => mistakesOf(all, entry, env))
  )
  return entries.map(({ name, baseUrl, apiKeyEnv, models, fallback }) => ({
    name,
    baseUrl,
    apiKey: apiKeyEnv === undefined ? null : env[apiKeyEnv]!,
    models,
    fallback,
  }))
}
