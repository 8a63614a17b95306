/**
 * Accumulates the chunks of a streamed chat completion into the completion. Bytes may be cut anywhere,
 * and unknown fields are kept. Does not know whether the stream was whole.
 */
import { createParser } from 'eventsource-parser'
import type { AnswerAccumulator } from './answer.ts'
import type { ChatChoice, ChatCompletion, FinishReason, TokenLogprob, Usage } from './chat.ts'
import { isFields, parseJson, type Fields } from './fields.ts'

/** Strings of a delta that are replaced by the newest value; all others are appended to. */
const REPLACED_IN_DELTA = new Set(['role', 'name', 'id', 'type', 'tool_call_id'])

const indexOf = (value: unknown): number =>
  isFields(value) && Number.isInteger(value.index) ? (value.index as number) : 0

/**
 * Merges list items with the same `index` and appends items without one. Appends in place: a copy of
 * the log-probabilities at every chunk would be quadratic in the answer's length.
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

/** Appends strings, merges lists by `index`, merges objects, and replaces all other values. */
const mergeDelta = (before: Fields, delta: Fields): Fields => {
  const merged = { ...before }
  for (const name of Object.keys(delta)) {
    merged[name] = mergeValue(name, before[name], delta[name])
  }
  return merged
}

/** Sorts the tool calls by `index` and removes it: only a stream's tool calls have an index. */
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

/**
 * One stream of server-sent events. Comments and events that are not a chunk are ignored. Choices,
 * tool calls, log-probabilities and the usage chunk get the places of an answer without streaming.
 */
export class CompletionAccumulator implements AnswerAccumulator {
  /** the last error object that the stream sent instead of a chunk */
  error: unknown
  private top: Fields | null = null
  private readonly choices = new Map<number, ChoiceState>()
  private readonly decoder = new TextDecoder()
  private readonly parser = createParser({ onEvent: ({ data }) => this.addEvent(data) })

  /** @param bytes the next bytes; they may end within an event or a character */
  push(bytes: Uint8Array): void {
    this.parser.feed(this.decoder.decode(bytes, { stream: true }))
  }

  /** @returns the completion so far; null before the first chunk with choices or usage */
  answer(): ChatCompletion | null {
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

  private addEvent(data: string): void {
    const event = parseJson(data)
    if (!isFields(event)) return
    if ('error' in event && event.error !== null) this.error = event.error
    // events such as pings are JSON, too
    else if (Array.isArray(event.choices) || isFields(event.usage)) this.addChunk(event)
  }

  private addChunk({ choices, object: _object, ...rest }: Fields): void {
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
}
