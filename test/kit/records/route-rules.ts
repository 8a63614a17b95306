/** A live route, and what it may answer where a test leaves that open: short texts to single questions. */
import type { AnswerRules } from '../../../src/core/answer/answer-rules.ts'
import { canonicalJson } from '../../../src/core/json.ts'
import type { ProvenKinds } from '../../../src/core/route/request-kind.ts'
import type { Route } from '../../../src/core/route/route.ts'

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

interface LiveRoute {
  tenant: string
  model: string
  prompt: string
  version: string
  engine: string
  lora: string
  templateTokens: number
  /** of the requests that it answers; none by default */
  parameters?: Record<string, unknown>
}

/** For one system prompt and a single question. */
export const liveRoute = ({
  tenant,
  model,
  prompt,
  version,
  parameters,
  ...engine
}: LiveRoute): Route => ({
  template: {
    tenant,
    model,
    tools: '',
    responseFormat: '',
    version,
    messages: [
      { role: 'system', segments: [{ kind: 'anchor', text: prompt }] },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
    maxTurnsAfter: 0,
  },
  internalizationId: `internalization-of-${version}`,
  ...engine,
  confidence: 'sum',
  threshold: -1,
  answers: ANSWERS,
  kinds: parameters
    ? { ...KINDS, traits: ['turn 1', `parameters=${canonicalJson(parameters)}`] }
    : KINDS,
  trafficShare: 1,
  auditShare: 0,
  auditPart: 1,
})
