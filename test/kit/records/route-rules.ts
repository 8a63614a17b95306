/** What a route may answer where a test leaves that open: short texts to single questions. */
import type { AnswerRules } from '../../../src/core/answer/answer-rules.ts'
import { canonicalJson } from '../../../src/core/json.ts'
import type { ProvenKinds } from '../../../src/core/route/request-kind.ts'

export const ANSWERS: AnswerRules = {
  responseType: 'short-text',
  folds: { case: false, forms: false },
  labels: null,
  defers: false,
  maxChars: 2000,
  maxTokens: 1024,
}

export const KINDS: ProvenKinds = {
  traits: ['turn 1', 'no parameters'],
  values: [],
  maxChars: 100_000,
}

/** With the requests that have exactly these parameters, too. */
export const kindsWith = (...parameters: Record<string, unknown>[]): ProvenKinds => ({
  ...KINDS,
  traits: [...KINDS.traits, ...parameters.map((each) => `parameters=${canonicalJson(each)}`)],
})
