/** A live route of one template and an engine that always answers `card_lost` with high confidence. */
import { ROUTE } from './lora-route.ts'
import { compileRouteTable } from '../../../src/core/route/route-table.ts'
import type { Route } from '../../../src/core/route/route.ts'
import type { Engine, GeneratedDelta } from '../../../src/engine/engine.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import type { ProxyDeps } from '../../../src/proxy/deps.ts'

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

/** Dependencies of a proxy whose one live route, for `chatBody`, leads to this engine. */
export const withLora = (
  engine: Partial<Engine>,
  route: Partial<Route> = {}
): Pick<ProxyDeps, 'routes' | 'engines'> => {
  const name = engine.name ?? 'fake'
  const table = compileRouteTable([{ ...ROUTE, engine: name, ...route }])
  return { routes: () => table, engines: new Map([[name, engine as Engine]]) }
}
