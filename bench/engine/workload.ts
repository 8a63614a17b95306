/** What both sides of the comparison train on and decode; the peers get it as JSON. */

/** Rows a step, tokens a row: the last stage's short exchanges, and rows behind a prompt. */
export const TRAINING = {
  rank: 16,
  short: { rows: 8, prefixTokens: 0, promptTokens: 25, completionTokens: 8 },
  prompted: { rows: 4, prefixTokens: 800, promptTokens: 20, completionTokens: 20 },
} as const

export const STEPS = 3
