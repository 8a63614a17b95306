import type { Engine, GeneratedDelta } from '../../../src/engine/engine.ts'
import type { ChatRequest, FinishReason } from '../../../src/openai/chat.ts'

export const PACED_USAGE = { prompt_tokens: 7, completion_tokens: 20, total_tokens: 27 }

/** An engine whose tokens come when a test says them. */
export class PacedEngine implements Pick<Engine, 'name' | 'stream'> {
  readonly name = 'paced'
  readonly requests: ChatRequest[] = []
  /** generations that are over, to their end or broken off */
  over = 0
  /** whether all that was said has been taken, and more is wanted */
  isWaiting = false
  private readonly steps: (GeneratedDelta | Error)[] = []
  private taken = 0
  private wake = (): void => {}

  /** One token of each text. */
  say(texts: readonly string[], logprob = -0.01): void {
    const tokens = texts.map((text) => ({
      text,
      logprobs: [{ token: text, logprob, bytes: null, top_logprobs: [] }],
    }))
    this.add(...tokens)
  }

  end(finishReason: FinishReason = 'stop'): void {
    this.add({ text: '', logprobs: [], finishReason, usage: PACED_USAGE })
  }

  die(): void {
    this.add(new Error('the engine died'))
  }

  async *stream(
    request: ChatRequest,
    { signal }: { signal?: AbortSignal } = {}
  ): AsyncIterable<GeneratedDelta> {
    this.requests.push(request)
    signal?.addEventListener('abort', () => this.wake())
    try {
      for (;;) {
        signal?.throwIfAborted()
        const step = this.steps[this.taken]
        if (step === undefined) {
          await this.more()
          continue
        }
        this.taken++
        if (step instanceof Error) throw step
        yield step
        if (step.finishReason) return
      }
    } finally {
      this.over++
    }
  }

  private async more(): Promise<void> {
    this.isWaiting = true
    await new Promise<void>((resolve) => {
      this.wake = resolve
    })
    this.isWaiting = false
  }

  private add(...steps: (GeneratedDelta | Error)[]): void {
    this.steps.push(...steps)
    this.wake()
  }
}
