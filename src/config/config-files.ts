/** Reads the files that the configuration names. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Config } from './config.ts'
import { withPriceList } from '../core/cost/price-list.ts'
import { parsePrices } from './price-file.ts'
import type { Price } from '../core/cost/prices.ts'
import type { EconomicsSettings } from '../core/cost/template-economics.ts'
import { createTrainingTerms, type TrainingTerms } from '../core/terms/terms.ts'
import { RUBRIC, type Rubric } from '../core/judge/judge-prompt.ts'
import { trafficShares } from '../core/rollout/stages.ts'
import { AppError } from '../errors.ts'
import type { NamedUpstream } from '../core/upstream-choice.ts'
import { parseUpstreams } from './upstreams-file.ts'

const readText = (key: string, path: string): Promise<string> =>
  readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('invalid-config', `${key}: ${path} cannot be read`, { cause })
  })

/** Every comparison sends it. */
const MAX_RUBRIC_CHARS = 8_000

/** The operator's prices, and those that ship with the project for other models. @throws AppError `invalid-config` */
export const loadPrices = async ({ pricesFile }: Pick<Config, 'pricesFile'>): Promise<Price[]> =>
  withPriceList(pricesFile === null ? [] : parsePrices(await readText('PRICES_FILE', pricesFile)))

/** Samples of held-out requests, and fresh answers of the upstream to each request. */
const [SAMPLES, ANSWERS_TODAY] = [2, 2]

/** The settings for the computation of savings. */
export const economicsSettings = (config: Config, prices: Price[]): EconomicsSettings => ({
  prices,
  engineUsdPerHour: config.engineUsdPerHour,
  captureShare: config.capture.share,
  trafficShare: trafficShares({ share: 1 }, config.rollout).trafficShare,
  trainSeconds: config.internalize.trainSeconds,
  arms: config.internalize.arms,
  proofUsd: config.internalize.proofUsd,
  hasJudge: config.judge !== null,
  // without a key the evaluation cannot buy fresh answers
  upstreamReplays:
    config.upstream.apiKey === null
      ? 0
      : ANSWERS_TODAY *
        Math.min(
          config.internalize.upstreamReplays ?? Infinity,
          SAMPLES * config.internalize.holdoutRows
        ),
})

/** What the terms of the configured upstreams say of training, with the operator's consent. */
export const trainingTerms = (
  { upstream, trainingConsent }: Config,
  upstreams: readonly NamedUpstream[]
): TrainingTerms => createTrainingTerms({ standard: upstream, upstreams, consent: trainingConsent })

/**
 * @param env has the API keys, under the names that the file gives in `apiKeyEnv`
 * @throws AppError `invalid-config`
 */
export const loadUpstreams = async (
  { access, upstream: { file } }: Config,
  env: Record<string, string | undefined>
): Promise<NamedUpstream[]> => {
  if (file === null) return []
  const upstreams = parseUpstreams(await readText('UPSTREAMS_FILE', file), env)
  const without = upstreams.find(({ apiKey }) => apiKey === null)
  if (access === 'keys' && without !== undefined)
    throw new AppError(
      'invalid-config',
      `UPSTREAMS_FILE: ${without.name} needs an apiKeyEnv with ACCESS=keys, or it would get UPSTREAM_API_KEY`
    )
  return upstreams
}

/** By which the judge compares: the operator's, or the project's. @throws AppError `invalid-config` */
export const loadRubric = async ({ judge }: Pick<Config, 'judge'>): Promise<Rubric> => {
  const file = judge?.rubricFile ?? null
  if (file === null) return RUBRIC
  const text = (await readText('JUDGE_RUBRIC_FILE', file)).trim()
  if (text === '' || text.length > MAX_RUBRIC_CHARS)
    throw new AppError(
      'invalid-config',
      `JUDGE_RUBRIC_FILE: ${file} has ${text.length} characters, and may have 1 to ${MAX_RUBRIC_CHARS}`
    )
  return { name: basename(file), text }
}
