/** What the provider asks for. Pure. */
import type { EnginePrices } from '../../src/openai/engine-state.ts'

/**
 * List prices of 7 October 2026, USD a million tokens, by the base model's name at the provider:
 * tinker-docs.thinkingmachines.ai/tinker/models/models_and_pricing. TINKER_PRICES replaces them.
 */
const PRICES_2026_10_07: Record<string, EnginePrices> = {
  'Qwen/Qwen3-8B': { input: 0.195, output: 0.6, training: 0.44 },
}

/** @param given of the settings; null: as listed, and null for a base that is not */
export const pricesOf = (baseModel: string, given: EnginePrices | null): EnginePrices | null =>
  given ?? PRICES_2026_10_07[baseModel] ?? null
