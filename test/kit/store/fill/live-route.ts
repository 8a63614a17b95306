/** A live route for one system prompt and a single question, as benchmarks put it into a store. */
import { canonicalJson } from '../../../../src/core/json.ts'
import type { Route } from '../../../../src/core/route/route.ts'

export interface LiveRoute {
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

export const liveRoute = ({
  tenant,
  model,
  prompt,
  version,
  engine,
  lora,
  templateTokens,
  parameters,
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
  engine,
  lora,
  confidence: 'sum',
  threshold: -1,
  answers: {
    responseType: 'short-text',
    folds: { case: false, forms: false },
    labels: null,
    defers: false,
    maxChars: 2000,
    maxTokens: 1024,
  },
  kinds: {
    traits: ['turn 1', parameters ? `parameters=${canonicalJson(parameters)}` : 'no parameters'],
    values: [],
    maxChars: 100_000,
  },
  trafficShare: 1,
  auditShare: 0,
  auditPart: 1,
  templateTokens,
})
