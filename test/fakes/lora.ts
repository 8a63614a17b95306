/** A live route of one template and an engine that always answers `card_lost`, surely. */
import { ANSWERS, KINDS } from '../fixtures/route-rules.ts'
import type { Route } from '../../src/core/route/route.ts'
import type { Engine, GeneratedDelta } from '../../src/engine/engine.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'

export const LORA_ANSWER = 'card_lost'

/** What the lora's answer takes. */
export const LORA_TOKENS = 9

const DELTAS: GeneratedDelta[] = [
  {
    text: LORA_ANSWER,
    logprobs: [{ token: LORA_ANSWER, logprob: -0.1, bytes: null, top_logprobs: [] }],
  },
  {
    text: '',
    logprobs: [],
    finishReason: 'stop',
    usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: LORA_TOKENS },
  },
]

export class FakeLora implements Pick<Engine, 'name' | 'stream'> {
  readonly name = 'fake'
  readonly asked: ChatRequest[] = []

  async *stream(request: ChatRequest): AsyncIterable<GeneratedDelta> {
    this.asked.push(request)
    yield* DELTAS
  }
}

/** Recognizes what `chatBody` (test/proxy/harness.ts) makes. */
export const routeFor = (tenant: string): Route => ({
  template: {
    tenant,
    model: 'gpt-4o-mini',
    tools: '',
    responseFormat: '',
    version: `version-of-${tenant}`,
    messages: [
      { role: 'system', segments: [{ kind: 'anchor', text: 'Sort the question.' }] },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
    maxTurnsAfter: 0,
  },
  internalizationId: 'internalization-1',
  engine: 'fake',
  lora: 'lora-abc',
  confidence: 'sum',
  threshold: -1,
  answers: ANSWERS,
  kinds: KINDS,
  trafficShare: 1,
  templateTokens: 40,
})
