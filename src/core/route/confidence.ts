/**
 * How sure a model is of a whole answer, from the natural-log probabilities of its tokens. Evaluation and serving use
 * the same figures, so that a threshold of the one holds in the other.
 */

/**
 * `sum` and `min` of all tokens, for every answer. For long answers, where a sum says more of the length than of the
 * doubt, also `mean`; `window`, the lowest mean of `WINDOW_TOKENS` tokens in a row; and `first`, the sum of the first
 * `FIRST_TOKENS`, in which an answer chooses what it will say.
 */
export type ConfidenceStatistic = 'sum' | 'min' | keyof LongLogprobs

export interface LongLogprobs {
  mean: number
  window: number
  first: number
}

export const STATISTICS: readonly ConfidenceStatistic[] = ['sum', 'min', 'mean', 'window', 'first']

const WINDOW_TOKENS = 8
const FIRST_TOKENS = 16

export interface AnswerLogprobs {
  logprobSum: number
  logprobMin: number
  /** null, or absent: the answer is not long */
  longLogprobs?: LongLogprobs | null
}

/** The confidence of a whole answer; NaN for a statistic of long answers where it is none. */
export const confidenceOf = (
  statistic: ConfidenceStatistic,
  { logprobSum, logprobMin, longLogprobs }: AnswerLogprobs
): number => {
  if (statistic === 'sum') return logprobSum
  if (statistic === 'min') return logprobMin
  return longLogprobs?.[statistic] ?? Number.NaN
}

/** All statistics of an answer while its tokens come. Without tokens each is 0: full confidence. */
export class LogprobReader {
  private tokens = 0
  private sum = 0
  private min = 0
  private first = 0
  private lowestWindow = 0
  private windowSum = 0
  /** of the window, the oldest is overwritten */
  private readonly recent = new Float64Array(WINDOW_TOKENS)

  add(logprob: number): void {
    const place = this.tokens % WINDOW_TOKENS
    this.windowSum += logprob - (this.tokens < WINDOW_TOKENS ? 0 : this.recent[place]!)
    this.recent[place] = logprob
    this.tokens++
    this.sum += logprob
    this.min = Math.min(this.min, logprob)
    if (this.tokens <= FIRST_TOKENS) this.first += logprob
    const width = Math.min(this.tokens, WINDOW_TOKENS)
    // an answer that is shorter than a window is one
    const isWhole = this.tokens <= WINDOW_TOKENS
    const mean = this.windowSum / width
    this.lowestWindow = isWhole ? mean : Math.min(this.lowestWindow, mean)
  }

  logprobs(): Required<AnswerLogprobs> & { longLogprobs: LongLogprobs } {
    const { sum, min, first, lowestWindow, tokens } = this
    const mean = tokens === 0 ? 0 : sum / tokens
    return {
      logprobSum: sum,
      logprobMin: min,
      longLogprobs: { mean, window: lowestWindow, first },
    }
  }

  confidence(statistic: ConfidenceStatistic): number {
    return confidenceOf(statistic, this.logprobs())
  }

  /**
   * Whether the statistic cannot rise with further tokens, which are at most 0 each: then an answer that is below its
   * threshold in mid-generation stays below it.
   */
  canOnlyFall(statistic: ConfidenceStatistic): boolean {
    if (statistic === 'mean') return false
    return statistic !== 'window' || this.tokens >= WINDOW_TOKENS
  }
}

export const readLogprobs = (
  logprobs: readonly number[]
): ReturnType<LogprobReader['logprobs']> => {
  const reader = new LogprobReader()
  for (const logprob of logprobs) reader.add(logprob)
  return reader.logprobs()
}
