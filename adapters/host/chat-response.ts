/** Makes completions and chunks from a backend's deltas. Pure, except that it reads the generator. */
import type {
  ChatChunk,
  ChatCompletion,
  ChatRequest,
  FinishReason,
  TokenLogprob,
} from '../../src/openai/chat.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import type { CompletionEnd, TokenDelta } from './backend.ts'

export type Generation = AsyncGenerator<TokenDelta, CompletionEnd, undefined>

/** Fields that all chunks of one answer share. */
export interface AnswerHead {
  id: string
  /** seconds since the epoch */
  created: number
  model: string
  /** identifies weights and rendering; absent when the backend has none */
  system_fingerprint?: string
}

/** Reads a generation to its end. */
export const collect = async (
  generation: Generation
): Promise<CompletionEnd & { text: string; logprobs: TokenLogprob[] }> => {
  const texts: string[] = []
  const logprobs: TokenLogprob[] = []
  for (;;) {
    const step = await generation.next()
    if (step.done) return { ...step.value, text: texts.join(''), logprobs }
    texts.push(step.value.text)
    logprobs.push(...step.value.logprobs)
  }
}

/** A choice's `distance`, which label heads have. */
const distanceOf = ({ distance }: { distance?: number }) =>
  distance === undefined ? {} : { distance }

export const completionBody = (
  head: AnswerHead,
  answer: CompletionEnd & { text: string; logprobs: TokenLogprob[] },
  withLogprobs: boolean
): ChatCompletion => ({
  ...head,
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: answer.text },
      logprobs: withLogprobs ? { content: answer.logprobs } : null,
      finish_reason: answer.finishReason,
      ...distanceOf(answer),
    },
  ],
  usage: answer.usage,
})

const chunk = (
  head: AnswerHead,
  delta: ChatChunk['choices'][number]['delta'],
  logprobs: TokenLogprob[] | null,
  end: { finishReason: FinishReason; distance?: number } | null
): ChatChunk => ({
  ...head,
  object: 'chat.completion.chunk',
  choices: [
    {
      index: 0,
      delta,
      logprobs: logprobs ? { content: logprobs } : null,
      finish_reason: end?.finishReason ?? null,
      ...(end && distanceOf(end)),
    },
  ],
})

/** A generation after its first step. */
export interface Begun {
  first: IteratorResult<TokenDelta, CompletionEnd>
  generation: Generation
  /** null unless every chunk has the usage so far */
  promptTokens: number | null
}

/** Chunks of a streamed answer: role, text, finish reason, and usage if the request asks for it. */
export async function* chunks(
  head: AnswerHead,
  request: ChatRequest,
  { first, generation, promptTokens }: Begun
): AsyncGenerator<ChatChunk> {
  const withLogprobs = request.logprobs === true
  let completionTokens = 0
  const soFar = () =>
    promptTokens === null ? {} : { usage: usageOf(promptTokens, completionTokens) }
  yield { ...chunk(head, { role: 'assistant', content: '' }, null, null), ...soFar() }
  let step = first
  while (!step.done) {
    const { text, logprobs } = step.value
    completionTokens += logprobs.length
    if (text !== '' || withLogprobs)
      yield { ...chunk(head, { content: text }, withLogprobs ? logprobs : null, null), ...soFar() }
    step = await generation.next()
  }
  yield { ...chunk(head, {}, null, step.value), ...soFar() }
  if (request.stream_options?.include_usage)
    yield { ...chunk(head, {}, null, null), choices: [], usage: step.value.usage }
}
