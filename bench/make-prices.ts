/**
 * Makes the price list that ships with the project (src/core/cost/price-table.ts) of the file
 * `model_prices_and_context_window_backup.json` in a release of the Python package `litellm`, whose authors copy
 * the providers' pages:
 *
 *   npm run bench:make-prices -- --from <file> --as-of <day of the release> > src/core/cost/price-table.ts
 *
 * With the tiers of the list: long context, and the service tiers `TIERS`.
 */
import { readFileSync } from 'node:fs'
import { optional, readOptions } from './harness/options.ts'

const args = readOptions({ from: optional, asOf: optional })
if (args.from === undefined || args.asOf === undefined)
  throw new Error('--from names the file of prices, and --as-of the day of its release, YYYY-MM-DD')

/** The part of an entry that is used; prices in US dollars a token. */
interface Entry {
  [price: string]: unknown
  litellm_provider?: string
  mode?: string
  input_cost_per_token?: number
  output_cost_per_token?: number
  cache_read_input_token_cost?: number
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

/** Suffix of a price's name in the list, by the `service_tier` of an answer. */
const TIERS = { flex: 'flex', priority: 'priority', batch: 'batches', ultrafast: 'ultrafast' }

/** `_above_272k_tokens` in the names of prices. */
const ABOVE = /^input_cost_per_token_above_(\d+)k_tokens/

const CACHED = 'cache_read_input_token_cost'

/** Input, cached input, writes to the cache, output; null where the list has no such prices. */
const amountsAt = (entry: Entry, suffix: string): string | null => {
  const priceOf = (name: string, end = suffix): number | undefined => {
    const usd = entry[`${name}${end}`]
    // a write of 0 costs what it costs as input
    return typeof usd === 'number' && usd > 0 ? perMillion(usd) : undefined
  }
  const [input, output] = [priceOf('input_cost_per_token'), priceOf('output_cost_per_token')]
  if (input === undefined || output === undefined) return null
  const cached =
    priceOf(CACHED) ?? (suffix === '' ? input : Math.min(input, priceOf(CACHED, '') ?? input))
  return [input, cached, priceOf('cache_creation_input_token_cost') ?? '-', output].join(' ')
}

/** ` flex 1 0.1 - 5 flex>272000 2 0.2 - 7.5`: tiers that the list has, each with its prices. */
const tiersOf = (entry: Entry): string => {
  const limits = Object.keys(entry).flatMap((name) => ABOVE.exec(name)?.[1] ?? [])
  const longest = [...new Set(limits.map(Number))].toSorted((a, b) => a - b)[0]
  const named: [tier: string, suffix: string][] = [
    ['', ''],
    ...Object.entries(TIERS).map(([tier, name]): [string, string] => [tier, `_${name}`]),
  ]
  const rows = named.flatMap(([tier, suffix]) => [
    [tier, tier === '' ? null : amountsAt(entry, suffix)],
    [
      `${tier}>${longest}000`,
      longest === undefined ? null : amountsAt(entry, `_above_${longest}k_tokens${suffix}`),
    ],
  ])
  return rows.flatMap(([tier, amounts]) => (amounts === null ? [] : ` ${tier} ${amounts}`)).join('')
}

const rowOf = (model: string, entry: Entry, { minCachedPrefixTokens }: Provider): string => {
  const least = entry.prompt_cache_min_tokens ?? minCachedPrefixTokens
  const others = [
    entry.cache_read_input_token_cost === undefined ? undefined : least,
    entry.max_output_tokens,
    entry.deprecation_date,
  ].map((value) => value ?? '-')
  return [model, amountsAt(entry, ''), ...others].join(' ') + tiersOf(entry)
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
 * prefix that is cached and of the longest answer; day on which the provider retires the model. Behind it the tiers, each
 * with its prices: \`>272000\` of requests with more input tokens, \`flex\` of this service tier. Above them their page.
 */
export const PRICE_TABLE = \`
${PROVIDERS.map(providerText).join('\n')}
\`
`)
