/** Full prompt against adapted prompt, asked directly at the engine. */
import type { Engine } from '../../../src/engine/engine.ts'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'

export interface LatencySample {
  firstTokenMs: number
  lastTokenMs: number
}

export interface Latencies {
  fullNoCache: LatencySample[]
  fullCached: LatencySample[]
  adapted: LatencySample[]
}

const timed = async (engine: Engine, request: ChatRequest): Promise<LatencySample> => {
  const start = performance.now()
  let firstTokenMs = 0
  for await (const delta of engine.stream(request))
    if (firstTokenMs === 0 && delta.logprobs.length + delta.text.length > 0)
      firstTokenMs = performance.now() - start
  return { firstTokenMs, lastTokenMs: performance.now() - start }
}

/** Milliseconds to each answer, one at a time, after one that warms up. */
export const answerMs = async (
  engine: Engine,
  model: string,
  prompts: ChatMessage[][]
): Promise<number[]> => {
  const samples: number[] = []
  for (const messages of [prompts[0]!, ...prompts])
    samples.push((await timed(engine, { model, messages, logprobs: true })).lastTokenMs)
  return samples.slice(1)
}

const withOtherQuery = (messages: ChatMessage[]): ChatMessage[] =>
  messages.map((message, index) =>
    index === messages.length - 1
      ? { ...message, content: `${String(message.content)} ...` }
      : message
  )

/**
 * One request at a time, the three kinds in turn, so that drift of the machine hits all alike.
 * @param adaptedMessages messages for the lora in place of a request's
 */
export const measureLatencies = async (
  engine: Engine,
  models: { base: string; lora: string; labels: string[] | null },
  requests: ChatRequest[],
  adaptedMessages: (request: ChatRequest) => ChatMessage[]
): Promise<Latencies> => {
  const { base, lora, labels } = models
  const result: Latencies = { fullNoCache: [], fullCached: [], adapted: [] }
  // the same answer length for all three: the labels, or the same number of tokens
  const answer = labels === null ? { max_tokens: 16 } : { structured_outputs: { choice: labels } }
  const shared = { temperature: 0, logprobs: true, ...answer }
  for (const asked of requests) {
    const request = { ...shared, model: base, messages: asked.messages }
    result.fullNoCache.push(await timed(engine, { ...request, cache_prompt: false }))
    // the provider's best case: everything before the end user's message is in its cache
    await timed(engine, { ...request, messages: withOtherQuery(asked.messages) })
    result.fullCached.push(await timed(engine, request))
    result.adapted.push(
      await timed(engine, {
        ...shared,
        model: lora,
        messages: adaptedMessages(asked),
        cache_prompt: false,
      })
    )
  }
  return result
}
