/** What both sides of the comparison train on; the peer gets it as JSON. */

/**
 * Rows a step, tokens a row: the last stage's short exchanges, and rows behind a prompt, separate and
 * packed behind one copy of it. Separate rows are few, because a step of 16 would need some 20 GB;
 * time a row does not depend on their number there.
 */
export const TRAINING = {
  rank: 16,
  short: { rows: 8, prefixTokens: 0, promptTokens: 25, completionTokens: 8 },
  prompted: { rows: 4, prefixTokens: 800, promptTokens: 20, completionTokens: 20 },
  packed: { rows: 16, prefixTokens: 800, promptTokens: 20, completionTokens: 20 },
} as const

export const STEPS = 3
