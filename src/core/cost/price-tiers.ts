/**
 * Prices that differ from a model's standard ones: of requests above a number of input tokens, and of service tiers
 * such as `flex`, `priority` and `batch`, which the answer names. Where the tier is not known, the standard price counts.
 */

/** US dollars per million tokens. */
export interface Amounts {
  input: number
  cachedInput: number
  /** of a token that is written to the provider's cache; `input` when absent */
  cacheWrite?: number
  output: number
}

/** Prices of the whole request, where it has more input tokens. */
export interface LongContext extends Amounts {
  aboveTokens: number
}

export interface Tier extends Amounts {
  /** absent: requests of any length have one price */
  longContext?: LongContext
}

export interface Tiered extends Tier {
  /** by the `service_tier` of the answer; absent: all have one price */
  serviceTiers?: Record<string, Tier>
}

/**
 * The price of requests with so many input tokens; the price itself where the standard one counts.
 * @param serviceTier of the answer; null: the standard one, or not known
 */
export const priceAt = <P extends Tiered>(
  price: P,
  inputTokens: number,
  serviceTier: string | null
): P => {
  const { serviceTiers = {} } = price
  const named = serviceTier !== null && Object.hasOwn(serviceTiers, serviceTier)
  const tier: Tier = (named ? serviceTiers[serviceTier] : undefined) ?? price
  const { longContext } = tier
  const isLong = longContext !== undefined && inputTokens > longContext.aboveTokens
  if (tier === price && !isLong) return price
  const { input, cachedInput, cacheWrite = input, output } = isLong ? longContext : tier
  return { ...price, input, cachedInput, cacheWrite, output }
}
