import type { Engine, GeneratedDelta } from '../../../src/engine/engine.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'

/** An engine that says what a test tells it to. */
export class TalkingEngine implements Pick<Engine, 'name' | 'stream'> {
  readonly name = 'talking'
  says = ''

  async *stream(_request: ChatRequest): AsyncIterable<GeneratedDelta> {
    const logprobs = [{ token: this.says, logprob: -0.1, bytes: null, top_logprobs: [] }]
    yield { text: this.says, logprobs }
    const usage = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 }
    yield { text: '', logprobs: [], finishReason: 'stop', usage }
  }
}
