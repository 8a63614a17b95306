/** What a route may answer where a benchmark leaves that open: short texts to single questions. */
import type { AnswerRules } from '../../src/core/answer-rules.ts'
import type { ProvenKinds } from '../../src/core/request-kind.ts'

export const ANSWERS: AnswerRules = {
  responseType: 'short-text',
  labels: null,
  defers: false,
  maxChars: 2000,
  maxTokens: 1024,
}

export const KINDS: ProvenKinds = { traits: ['turn 1'], values: [], maxChars: 100_000 }
