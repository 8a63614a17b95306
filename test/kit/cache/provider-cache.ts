/**
 * A provider's prompt cache, letter by letter: what of each prompt stands at the start of an earlier one of the same
 * place. It shares no code with what it judges.
 */
export interface Prompt {
  /** milliseconds since the epoch */
  at: number
  /** model and credential */
  place: string
  /** in the order in which the provider reads it */
  text: string
}

export interface ProviderRules {
  lifeMs: number
  minimumTokens: number
  /** of any text; a longer text has no fewer */
  countTokens: (text: string) => number
}

/** Figures and marks have less text in a token than words. */
const DENSE = /[^\p{L}\s]/gu
const DENSE_SHARE = 0.5

/** @param charsPerToken of words @returns a tokenizer that counts whole tokens */
export const tokenizer =
  (charsPerToken: number) =>
  (text: string): number => {
    const dense = text.match(DENSE)?.length ?? 0
    return Math.floor((text.length - dense + dense / DENSE_SHARE) / charsPerToken)
  }

const STEP = 128

const sharedChars = (one: string, other: string): number => {
  const most = Math.min(one.length, other.length)
  let at = 0
  while (at < most && one[at] === other[at]) at++
  return at
}

/** Tokens of each prompt that the cache serves. @param prompts in the order of time */
export const cachedTokens = (
  prompts: readonly Prompt[],
  { lifeMs, minimumTokens, countTokens }: ProviderRules
): number[] =>
  prompts.map(({ at, place, text }, index) => {
    let most = 0
    for (let before = index - 1; before >= 0; before--) {
      const other = prompts[before]!
      if (at - other.at > lifeMs) break
      if (other.place === place) most = Math.max(most, sharedChars(text, other.text))
    }
    const tokens = countTokens(text.slice(0, most))
    return tokens < minimumTokens ? 0 : tokens - (tokens % STEP)
  })
