/** A live route for one system prompt and a single question, as benchmarks and tests put it into a store. */
import { canonicalJson } from '../../../../src/core/json.ts'
import type { Route } from '../../../../src/core/route/route.ts'
import { ANSWERS, KINDS } from '../../records/route-rules.ts'

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
