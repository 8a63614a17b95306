/**
 * Makes the price list that ships with the project (src/core/cost/price-table.ts) of the file
 * `model_prices_and_context_window_backup.json` in a release of the Python package `litellm`, whose authors copy
 * the providers' pages:
 *
 *   npm run bench:make-prices -- --from <file> --as-of <day of the release> > src/core/cost/price-table.ts
 *
 * Base prices alone: no batch, no priority, no prompts beyond a tier of long context.
 */
import { readFileSync } from 'node:fs'
import { optional, readOptions } from './harness/options.ts'

const args = readOptions({ from: optional, asOf: optional })
if (args.from === undefined || args.asOf === undefined)
  throw new Error('--from names the file of prices, and --as-of the day of its release, YYYY-MM-DD')

/** The part of an entry that is used; prices in US dollars a token. */
interface Entry {
  litellm_provider?: string
  mode?: string
  input_cost_per_token?: number
  output_cost_per_token?: number
  cache_read_input_token_cost?: number
  cache_creation_input_token_cost?: number
  prompt_cache_min_tokens?: number
  max_output_tokens?: number
  deprecation_date?: string
}

interface Provider {
  name: string
  /** page that the prices come from */
  source: string
  /** of the models' names, without the provider's */
  models: RegExp
  /** of a prefix, tokens, unless an entry has its own (the provider's documentation of its cache) */
  minCachedPrefixTokens?: number
}

const PROVIDERS: Provider[] = [
  {
    name: 'openai',
    source: 'https://developers.openai.com/api/docs/pricing',
    models:
      /^(gpt-[3-9][\w.]*(-(mini|nano|pro|turbo|sol|luna|terra|astra|codex))?|o\d(-mini|-pro)?)$/,
    minCachedPrefixTokens: 1024,
  },
  {
    name: 'anthropic',
    source: 'https://platform.claude.com/docs/en/about-claude/pricing',
    models: /^claude-(haiku|sonnet|opus)-\d(-\d)?$/,
  },
  {
    name: 'gemini',
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
    models: /^gemini-[\d.]+-(pro|flash|flash-lite|argon|hydrogen)(-preview)?$/,
    minCachedPrefixTokens: 1024,
  },
  {
    name: 'deepseek',
    source: 'https://api-docs.deepseek.com/quick_start/pricing',
    models: /^deepseek-(chat|reasoner|flash|v4-flash|v4-pro)$/,
  },
  {
    name: 'mistral',
    source: 'https://mistral.ai/pricing',
    models: /^(mistral-(large|medium|small)|ministral-(3b|8b|14b))-latest$/,
  },
  { name: 'xai', source: 'https://docs.x.ai/docs/models', models: /^grok-[\d.]+$/ },
]

/** Dollars a million tokens, without the rounding of a double. */
const perMillion = (usd: number): number => Number((usd * 1e6).toPrecision(6))

const rowOf = (model: string, entry: Entry, { minCachedPrefixTokens }: Provider): string => {
  const input = entry.input_cost_per_token!
  const cached = entry.cache_read_input_token_cost
  const least = entry.prompt_cache_min_tokens ?? minCachedPrefixTokens
  // a write of 0 costs what it costs as input
  const write = entry.cache_creation_input_token_cost || undefined
  return [
    model,
    perMillion(input),
    perMillion(cached ?? input),
    write && perMillion(write),
    perMillion(entry.output_cost_per_token!),
    cached === undefined ? undefined : least,
    entry.max_output_tokens,
    entry.deprecation_date,
  ]
    .map((value) => value ?? '-')
    .join(' ')
}

const isPriced = ({ mode, input_cost_per_token, output_cost_per_token }: Entry): boolean =>
  ['chat', 'responses'].includes(mode ?? '') && !!input_cost_per_token && !!output_cost_per_token

const entries = Object.entries(JSON.parse(readFileSync(args.from, 'utf8')) as Record<string, Entry>)

const providerText = (provider: Provider): string => {
  const rows = entries
    .map(([name, entry]) => ({ model: name.split('/').at(-1)!, name, entry }))
    .filter(({ entry }) => entry.litellm_provider === provider.name && isPriced(entry))
    .filter(({ model }) => provider.models.test(model))
    .toSorted((one, other) => one.model.localeCompare(other.model, 'en', { numeric: true }))
  const unique = new Map(rows.map(({ model, entry }) => [model, rowOf(model, entry, provider)]))
  return `# ${provider.source}\n${[...unique.values()].join('\n')}`
}

process.stdout.write(`/** Made by \`npm run bench:make-prices\`; \`price-list.ts\` reads it. */

/** Day of the release that the prices are from, YYYY-MM-DD. */
export const AS_OF = '${args.asOf}'

/**
 * Model; US dollars per million tokens of input, cached input, writes to the cache, output; tokens of the shortest
 * prefix that is cached and of the longest answer; day on which the provider retires the model. Above them their page.
 */
export const PRICE_TABLE = \`
${PROVIDERS.map(providerText).join('\n')}
\`
`)
