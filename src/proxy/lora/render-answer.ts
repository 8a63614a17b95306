/** A lora's answer in the form that its caller's dialect has. Knows nothing of the client's connection. */
import { hash } from 'node:crypto'
import { argumentsText, parseCalls, functionNamed } from '../../core/answer/calls.ts'
import type { RenderedAnswer } from '../../openai/answer.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import { callId, outputItemId } from '../../openai/ids.ts'
import { withoutTier } from '../../openai/usage/usage.ts'
import type { StepDeps } from '../deps.ts'
import type { ChatExchange } from '../exchange.ts'
import type { GivenAnswer } from './draft.ts'
import type { Matched } from './match.ts'

/** The answer as the caller's dialect has it. */
export interface Rendered {
  readonly answer: RenderedAnswer
  /** the caller's body, which a renderer may repeat */
  readonly request: Record<string, unknown>
  /** of an answer that is not streamed */
  readonly body: string
}

export type RenderDeps = Pick<StepDeps, 'echoModel' | 'now'>

/** Text, or calls with ids of their own. */
const answerParts = (
  { id }: ChatExchange,
  request: ChatRequest,
  content: string
): Pick<RenderedAnswer, 'content' | 'calls'> => {
  const calls = parseCalls(content)
  if (calls === null) return { content, calls: [] }
  const withIds = calls.map(({ name, arguments: given }, place) => ({
    id: callId(id, place),
    itemId: outputItemId('fc', id, place),
    name,
    arguments: argumentsText(given, functionNamed(request, name)?.parameters),
  }))
  return { content: '', calls: withIds }
}

/** A lora is immutable, so its name says which weights answered. */
const fingerprintOf = (lora: string): string => `fp_${hash('sha256', lora).slice(0, 10)}`

export const renderAnswer = (
  deps: RenderDeps,
  matched: Matched,
  { content, logprobs, usage }: Pick<GivenAnswer, 'content' | 'logprobs' | 'usage'>
): Rendered => {
  const { exchange } = matched.admitted.read
  const { lora, model: other } = matched.route
  const { dialect, id, at, model, body, previousId } = exchange
  const continues = previousId === null ? {} : { previous_response_id: previousId }
  const request = { ...JSON.parse(body.toString()), ...continues } as Rendered['request']
  const answer = {
    id: dialect.answerId(id),
    created: Math.floor(at / 1000),
    model: deps.echoModel ? model : (other?.name ?? lora),
    fingerprint: fingerprintOf(lora),
    itemId: outputItemId('msg', id, 0),
    completed: Math.floor(deps.now() / 1000),
    logprobs,
    ...answerParts(exchange, matched.request, content),
    usage: usage && withoutTier(usage),
  }
  return { answer, request, body: JSON.stringify(dialect.render(answer, request)) }
}
