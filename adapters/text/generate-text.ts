/**
 * Makes text of token ids: whole characters only, without stop strings, with constraints for choices,
 * calls and JSON.
 */
import type { CompletionEnd, TokenDelta } from '../host/backend.ts'
import type { TokenLogprob } from '../../src/openai/chat.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import { createCalls } from './constraint/calls.ts'
import { createChoices, createJsonObject } from './constraint/constraint.ts'
import type { Constraint } from './constraint/constraint.ts'
import type { AnswerBounds, SampledToken, TokenChoice, TokenGenerator } from './tokens.ts'

/** The part of a tokenizer that text needs. */
export interface Vocabulary {
  /** plain text, no control tokens; it continues the prompt */
  encode(text: string): number[]
  /** the token's bytes of UTF-8; empty for control tokens */
  decodeBytes(id: number): Uint8Array
  /** tokens that end a generation; the first is the one that training puts after an answer */
  eosIds: readonly number[]
}

export interface TextRequest extends AnswerBounds {
  promptIds: readonly number[]
  lora: string | null
  maxTokens: number
  temperature: number
  topP: number
  seed: number
  stop: readonly string[]
  topLogprobs: number
  usePrefixCache: boolean
}

interface HeldToken {
  logprob: TokenLogprob
  /** characters of all text before this token */
  start: number
}

const LOSSY = new TextDecoder()

/** Characters at the end of `text` that a stop string may begin with. */
const heldCharacters = (text: string, stop: readonly string[]): number => {
  let held = 0
  for (const word of stop)
    for (let length = Math.min(word.length - 1, text.length); length > held; length--)
      if (text.endsWith(word.slice(0, length))) {
        held = length
        break
      }
  return held
}

/** Where the first stop string begins, or -1. */
const findStop = (text: string, stop: readonly string[]): number => {
  const found = stop.map((word) => text.indexOf(word)).filter((index) => index >= 0)
  return found.length === 0 ? -1 : Math.min(...found)
}

/** Text that grows by tokens. Text that can no longer change can be taken. */
export class TextAssembler {
  private readonly stop: readonly string[]
  private readonly showEnd: boolean
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  /** decoded text in which a stop string may begin */
  private pending = ''
  /** characters taken or pending */
  private length = 0
  private readonly held: HeldToken[] = []
  private readonly ready: TokenDelta[] = []
  private stopped = false

  /** @param options.showEnd the end token's log-probability counts, so it is reported (choices) */
  constructor(
    private readonly vocabulary: Vocabulary,
    options: { stop: readonly string[]; showEnd: boolean }
  ) {
    this.stop = options.stop.filter(Boolean)
    this.showEnd = options.showEnd
  }

  /** @returns true when a stop string is complete */
  push(token: SampledToken): boolean {
    if (this.vocabulary.eosIds.includes(token.tokenId)) {
      if (this.showEnd) this.held.push({ logprob: this.describe(token), start: this.length })
      return true
    }
    this.held.push({ logprob: this.describe(token), start: this.length })
    const bytes = this.vocabulary.decodeBytes(token.tokenId)
    this.append(this.decoder.decode(bytes, { stream: true }))
    return this.stopped
  }

  /** No token follows: incomplete characters become U+FFFD, held text is released. */
  end(): void {
    if (!this.stopped) this.append(this.decoder.decode())
    if (!this.stopped) this.release(this.pending.length)
    if (this.held.length > 0)
      this.ready.push({ text: '', logprobs: this.held.splice(0).map(({ logprob }) => logprob) })
  }

  /** The text that has become final since the last call. */
  take(): TokenDelta[] {
    return this.ready.splice(0)
  }

  private append(text: string): void {
    this.pending += text
    this.length += text.length
    const at = findStop(this.pending, this.stop)
    if (at < 0) return this.release(this.pending.length - heldCharacters(this.pending, this.stop))
    this.stopped = true
    const end = this.length - this.pending.length + at
    // tokens that lie wholly in the stop string are not part of the answer
    while (this.held.length > 0 && this.held.at(-1)!.start >= end) this.held.pop()
    this.length = end
    this.pending = this.pending.slice(0, at)
    this.release(at)
  }

  private release(characters: number): void {
    if (characters === 0) return
    const text = this.pending.slice(0, characters)
    this.pending = this.pending.slice(characters)
    const certain = this.length - this.pending.length
    const count = this.held.findIndex(({ start }) => start >= certain)
    const tokens = this.held.splice(0, count < 0 ? this.held.length : count)
    this.ready.push({ text, logprobs: tokens.map(({ logprob }) => logprob) })
  }

  private describe(token: SampledToken): TokenLogprob {
    return { ...this.choice(token), top_logprobs: token.top.map((other) => this.choice(other)) }
  }

  private choice({ tokenId, logprob }: TokenChoice): Omit<TokenLogprob, 'top_logprobs'> {
    const bytes = this.vocabulary.decodeBytes(tokenId)
    return { token: LOSSY.decode(bytes), logprob, bytes: [...bytes] }
  }
}

const constraintOf = (
  { choices, calls, jsonObject }: TextRequest,
  vocabulary: Vocabulary,
  maxTokens: number
): Constraint | null => {
  if (choices)
    return createChoices(
      choices.map((choice) => vocabulary.encode(choice)),
      vocabulary.eosIds[0]!
    )
  const tokenBytes = (id: number): Uint8Array => vocabulary.decodeBytes(id)
  if (calls) return createCalls(calls, tokenBytes, vocabulary.eosIds)
  return jsonObject ? createJsonObject(tokenBytes, maxTokens) : null
}

/**
 * Generates text: the texts of the deltas, joined, are the answer.
 * @throws AppError as `TokenGenerator.generate`
 */
export async function* generateText(
  generator: TokenGenerator,
  vocabulary: Vocabulary,
  request: TextRequest,
  signal: AbortSignal
): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
  const { promptIds, lora, temperature, topP, seed, topLogprobs, usePrefixCache } = request
  const maxTokens = Math.min(request.maxTokens, generator.maxPositions - promptIds.length)
  const assembler = new TextAssembler(vocabulary, {
    stop: request.stop,
    showEnd: request.choices !== null,
  })
  // also frees the row when the caller leaves the loop early
  const left = new AbortController()
  const tokens = generator.generate(
    {
      promptIds,
      lora,
      maxTokens,
      sampling: { temperature, topP, seed },
      topLogprobs,
      constraint: constraintOf(request, vocabulary, maxTokens),
      bounds: request,
      endIds: vocabulary.eosIds,
      usePrefixCache,
      endsWith: (token) => assembler.push(token),
    },
    AbortSignal.any([signal, left.signal])
  )
  try {
    let next = await tokens.next()
    for (; !next.done; next = await tokens.next()) yield* assembler.take()
    assembler.end()
    yield* assembler.take()
    const { finishReason, promptTokens, completionTokens, cachedTokens } = next.value
    const usage = usageOf(promptTokens, completionTokens)
    return {
      finishReason,
      usage: { ...usage, prompt_tokens_details: { cached_tokens: cachedTokens } },
    }
  } finally {
    left.abort()
  }
}
