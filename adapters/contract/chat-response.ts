/** Chat completions and chunks from what a backend generates. Pure but for the generator it reads. */
import type {
  ChatChunk,
  ChatCompletion,
  ChatRequest,
  FinishReason,
  TokenLogprob,
} from '../../src/openai/chat.ts'
import type { CompletionEnd, TokenDelta } from './backend.ts'

export type Generation = AsyncGenerator<TokenDelta, CompletionEnd, undefined>

/** What all chunks of one answer share. */
export interface AnswerHead {
  id: string
  /** seconds since the epoch */
  created: number
  model: string
  /** stands for weights and rendering; absent where the backend names none */
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
    },
  ],
  usage: answer.usage,
})

const chunk = (
  head: AnswerHead,
  delta: ChatChunk['choices'][number]['delta'],
  logprobs: TokenLogprob[] | null,
  finishReason: FinishReason | null
): ChatChunk => ({
  ...head,
  object: 'chat.completion.chunk',
  choices: [
    {
      index: 0,
      delta,
      logprobs: logprobs ? { content: logprobs } : null,
      finish_reason: finishReason,
    },
  ],
})

/**
 * The chunks of a streamed answer: role, text as it comes, finish reason, usage when asked for.
 * @param first the generation's first step, taken already
 */
export async function* chunks(
  head: AnswerHead,
  request: ChatRequest,
  first: IteratorResult<TokenDelta, CompletionEnd>,
  generation: Generation
): AsyncGenerator<ChatChunk> {
  const withLogprobs = request.logprobs === true
  yield chunk(head, { role: 'assistant', content: '' }, null, null)
  let step = first
  while (!step.done) {
    const { text, logprobs } = step.value
    if (text !== '' || withLogprobs)
      yield chunk(head, { content: text }, withLogprobs ? logprobs : null, null)
    step = await generation.next()
  }
  yield chunk(head, {}, null, step.value.finishReason)
  if (request.stream_options?.include_usage)
    yield { ...chunk(head, {}, null, null), choices: [], usage: step.value.usage }
}
