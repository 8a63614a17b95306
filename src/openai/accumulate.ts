/**
 * Chunks of a streamed chat completion → the completion they add up to. Works on bytes cut
 * anywhere; keeps fields that it does not know. Knows nothing of connections, and whether the
 * stream was whole is for the caller to judge (`isDone`).
 */
import { createParser } from 'eventsource-parser'
import type { ChatChoice, ChatCompletion, FinishReason, TokenLogprob, Usage } from './chat.ts'

type Fields = Record<string, unknown>

export interface CompletionAccumulator {
  /** Bytes as they came; an event and a character may be cut at any byte. */
  push(bytes: Uint8Array): void
  /** What has arrived so far; null before the first chunk with an id or a choice. */
  completion(): ChatCompletion | null
  /** The last error object that the stream carried instead of a chunk. */
  error(): unknown
  /** Whether the stream said `[DONE]`. */
  isDone(): boolean
}

/** Text that says who or what, not text that grows: the last value wins. */
const REPLACED_IN_DELTA = new Set(['role', 'name', 'id', 'type', 'tool_call_id'])

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const indexOf = (value: unknown): number =>
  isFields(value) && Number.isInteger(value.index) ? (value.index as number) : 0

/**
 * List items that carry an `index` are parts of one item; others are appended. Appends in place:
 * copying the log-probabilities at every chunk would be quadratic in the answer's length.
 */
const mergeLists = (merged: unknown[], added: unknown[]): unknown[] => {
  for (const item of added) {
    if (!isFields(item) || !Number.isInteger(item.index)) {
      merged.push(item)
      continue
    }
    const place = merged.findIndex((other) => isFields(other) && indexOf(other) === item.index)
    if (place === -1) merged.push(mergeDelta({}, item))
    else merged[place] = mergeDelta(merged[place] as Fields, item)
  }
  return merged
}

const mergeValue = (name: string, before: unknown, added: unknown): unknown => {
  if (added === null || added === undefined) return before ?? added
  if (typeof added === 'string' && typeof before === 'string') {
    return REPLACED_IN_DELTA.has(name) ? added || before : before + added
  }
  if (Array.isArray(added)) return mergeLists(Array.isArray(before) ? before : [], added)
  if (isFields(added)) return mergeDelta(isFields(before) ? before : {}, added)
  return added
}

/** Text grows, lists grow by `index`, objects merge, everything else is replaced. */
const mergeDelta = (before: Fields, delta: Fields): Fields => {
  const merged = { ...before }
  for (const name of Object.keys(delta)) {
    merged[name] = mergeValue(name, before[name], delta[name])
  }
  return merged
}

/** `index` orders tool calls on the wire of a stream; a completion's tool calls have none. */
const withoutIndex = (message: Fields): Fields =>
  Array.isArray(message.tool_calls)
    ? {
        ...message,
        tool_calls: [...message.tool_calls]
          .sort((a, b) => indexOf(a) - indexOf(b))
          .map((call) => {
            if (!isFields(call)) return call
            const { index: _index, ...rest } = call
            return rest
          }),
      }
    : message

interface ChoiceState {
  message: Fields
  logprobs: Fields | null
  finishReason: FinishReason | null
  rest: Fields
}

const addToChoice = (state: ChoiceState, choice: Fields): void => {
  const { index: _index, delta, logprobs, finish_reason: finishReason, ...rest } = choice
  if (isFields(delta)) state.message = mergeDelta(state.message, delta)
  if (isFields(logprobs)) state.logprobs = mergeDelta(state.logprobs ?? {}, logprobs)
  if (typeof finishReason === 'string') state.finishReason = finishReason as FinishReason
  state.rest = mergeDelta(state.rest, rest)
}

const toChoice = ([index, state]: [number, ChoiceState]): ChatChoice => ({
  ...state.rest,
  index,
  message: { content: null, ...withoutIndex(state.message), role: 'assistant' },
  logprobs:
    state.logprobs === null
      ? null
      : { content: null, ...(state.logprobs as { content?: TokenLogprob[] | null }) },
  finish_reason: state.finishReason,
})

/** The state of one stream and the two things done to it: add a chunk, read the sum. */
class Accumulation {
  private top: Fields | null = null
  private readonly choices = new Map<number, ChoiceState>()

  add(chunk: Fields): void {
    const { choices, object: _object, ...rest } = chunk
    this.top ??= {}
    for (const name of Object.keys(rest)) {
      if (rest[name] !== null) this.top[name] = rest[name]
    }
    for (const choice of Array.isArray(choices) ? choices : []) {
      if (isFields(choice)) addToChoice(this.choice(indexOf(choice)), choice)
    }
  }

  private choice(index: number): ChoiceState {
    const known = this.choices.get(index)
    if (known) return known
    const state = { message: {}, logprobs: null, finishReason: null, rest: {} }
    this.choices.set(index, state)
    return state
  }

  completion(): ChatCompletion | null {
    if (this.top === null) return null
    const { id, created, model, usage, ...rest } = this.top
    return {
      ...rest,
      id: String(id ?? ''),
      object: 'chat.completion',
      created: Number(created ?? 0),
      model: String(model ?? ''),
      choices: [...this.choices].sort(([a], [b]) => a - b).map(toChoice),
      ...(isFields(usage) ? { usage: usage as Usage } : {}),
    }
  }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * Adds up the server-sent events of one chat completion. Comments, events without JSON and fields
 * nobody knows do no harm; several choices, tool calls, log-probabilities and a usage chunk without
 * choices are put where the unstreamed answer has them.
 */
export const createAccumulator = (): CompletionAccumulator => {
  const sum = new Accumulation()
  const decoder = new TextDecoder()
  let error: unknown
  let done = false
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === '[DONE]') {
        done = true
        return
      }
      const chunk = parseJson(data)
      if (!isFields(chunk)) return
      // pings and the like are JSON too
      const isChunk = Array.isArray(chunk.choices) || isFields(chunk.usage)
      if ('error' in chunk && chunk.error !== null) error = chunk.error
      else if (isChunk) sum.add(chunk)
    },
  })
  return {
    push: (bytes) => parser.feed(decoder.decode(bytes, { stream: true })),
    completion: () => sum.completion(),
    error: () => error,
    isDone: () => done,
  }
}
