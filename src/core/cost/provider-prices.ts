/**
 * What a provider that computes for the engine asks: each token of a training step, of an answer's input and of its
 * output. Pure; the engine says the prices itself.
 */
import type { EnginePrices } from '../../openai/engine-state.ts'
import type { Internalization } from '../internalization/internalization.ts'
import { epochsFor, isHead, modelOfArm, type ArmName } from '../learn/schedule.ts'
import { PER_MILLION, type Price } from './prices.ts'

export interface ProviderPrices extends EnginePrices {
  provider: string
  /** that is adapted */
  model: string
  /** day on which the engine said them, YYYY-MM-DD */
  asOf: string
}

/** As a row of the price file. No cache of the provider's is counted on. */
export const priceOfProvider = ({
  provider,
  model,
  asOf,
  input,
  output,
}: ProviderPrices): Price => ({
  model,
  asOf,
  source: `${provider}, as the engine says`,
  input,
  cachedInput: input,
  output,
})

/** Heads are trained on the engine's own machine, and other models not at all. */
const isOfProvider = (name: ArmName): boolean => !isHead(name) && modelOfArm(name) === null

/** Tokens that the finished stages of all its loras computed. */
export const trainedTokens = ({ plan }: Internalization): number =>
  (plan?.arms ?? [])
    .filter(({ name }) => isOfProvider(name))
    .flatMap(({ results }) => results)
    .reduce(
      // of an engine that does not count them the rate is known
      (sum, { trainedTokens: tokens, metrics }) =>
        sum + (tokens ?? metrics.tokens_per_second * metrics.seconds),
      0
    )

/**
 * Before the training: every row in every epoch, once for each arm that trains a lora.
 * @param arms empty: one that trains a lora
 */
export const expectedTrainingTokens = (
  { queryTokens, outputTokens }: { queryTokens: number; outputTokens: number },
  { trainRows, arms }: { trainRows: number; arms: readonly ArmName[] }
): number => {
  const loras = arms.length === 0 ? 1 : arms.filter(isOfProvider).length
  return loras * trainRows * epochsFor(trainRows) * (queryTokens + outputTokens)
}

/** US dollars. */
export const trainingTokensUsd = (tokens: number, { training }: EnginePrices): number =>
  PER_MILLION * tokens * training

/** Of one that says no prices. */
export const unpricedText = (provider: string): string =>
  `${provider} computes for the engine, and its prices are not known: set TINKER_PRICES or ENGINE_HOSTED_PRICES`

/** `Nebius computes for the engine, at 0.13 USD a million input, 0.4 USD output and 0.4 USD training tokens` */
export const providerText = (provider: string, prices: EnginePrices | null): string =>
  prices === null
    ? `${provider} computes for the engine`
    : `${provider} computes for the engine, at ${prices.input} USD a million input, ${prices.output} USD output and ${prices.training} USD training tokens`
