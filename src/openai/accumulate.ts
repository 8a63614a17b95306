/**
 * Accumulates the chunks of a streamed chat completion into the completion. Bytes may be cut anywhere,
 * and unknown fields are kept. Does not know whether the stream was whole.
 */
import type { AnswerAccumulator } from './answer.ts'
import type { ChatChoice, ChatCompletion, FinishReason, TokenLogprob, Usage } from './chat.ts'
import { ObjectReader } from './event-reader.ts'
import { isFields, ownOf, type Fields } from './fields.ts'

/** Strings of a delta that are replaced by the newest value; all others are appended to. */
const REPLACED_IN_DELTA = new Set(['role', 'name', 'id', 'type', 'tool_call_id'])

/**
 * Members, list items and choices that one answer has at most. A stream of short events could otherwise make an
 * answer many times its own size.
 */
const MAX_PARTS = 20_000

/** Sets a member of the object itself, also one named `__proto__`. */
const setOwn = (fields: Fields, name: string, value: unknown): void => {
  if (name !== '__proto__') fields[name] = value
  else
    Object.defineProperty(fields, name, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    })
}

const indexOf = (value: unknown): number =>
  isFields(value) && Number.isInteger(value.index) ? (value.index as number) : 0

/**
 * Merges deltas in place: a copy of all members at every chunk, or a search through all items, would be
 * quadratic in the answer's length.
 */
class Merger {
  /** parts so far */
  parts = 0
  /** list → the places of its items by `index` */
  private readonly places = new WeakMap<unknown[], Map<number, number>>()

  /** Appends strings, merges lists by `index`, merges objects, and replaces all other values. */
  merge(merged: Fields, delta: Fields): Fields {
    for (const name of Object.keys(delta)) {
      if (!Object.hasOwn(merged, name)) this.parts++
      setOwn(merged, name, this.value(name, ownOf(merged, name), delta[name]))
    }
    return merged
  }

  private value(name: string, before: unknown, added: unknown): unknown {
    if (added === null || added === undefined) return before ?? added
    if (typeof added === 'string' && typeof before === 'string') {
      return REPLACED_IN_DELTA.has(name) ? added || before : before + added
    }
    if (Array.isArray(added)) return this.list(Array.isArray(before) ? before : [], added)
    if (isFields(added)) return this.merge(isFields(before) ? before : {}, added)
    return added
  }

  /** Merges list items with the same `index` and appends items without one. */
  private list(merged: unknown[], added: unknown[]): unknown[] {
    const places = this.places.get(merged) ?? new Map<number, number>()
    this.places.set(merged, places)
    for (const item of added) {
      const place = isFields(item) && Number.isInteger(item.index) && places.get(indexOf(item))
      if (typeof place === 'number') this.merge(merged[place] as Fields, item as Fields)
      else {
        const index = indexOf(item)
        if (isFields(item) && !places.has(index)) places.set(index, merged.length)
        merged.push(place === undefined ? this.merge({}, item as Fields) : item)
      }
    }
    return merged
  }
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

const addToChoice = (merger: Merger, state: ChoiceState, choice: Fields): void => {
  const { index: _index, delta, logprobs, finish_reason: finishReason, ...rest } = choice
  if (isFields(delta)) merger.merge(state.message, delta)
  if (isFields(logprobs)) state.logprobs = merger.merge(state.logprobs ?? {}, logprobs)
  if (typeof finishReason === 'string') state.finishReason = finishReason as FinishReason
  merger.merge(state.rest, rest)
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
  private readonly merger = new Merger()
  private readonly events = new ObjectReader(
    (event) => this.addEvent(event),
    () => !this.isTooLarge
  )

  /** @param bytes the next bytes; they may end within an event or a character */
  push(bytes: Uint8Array): void {
    this.events.push(bytes)
  }

  /**
   * @returns the completion so far; null before the first chunk with choices or usage, for an answer of more
   * than 20,000 parts, and for a stream that is not read to its end
   */
  answer(): ChatCompletion | null {
    if (this.top === null || this.isTooLarge || this.events.isUnreadable) return null
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

  private get isTooLarge(): boolean {
    return this.merger.parts > MAX_PARTS
  }

  private addEvent(event: Fields): void {
    if ('error' in event && event.error !== null) this.error = event.error
    // events such as pings are JSON, too
    else if (Array.isArray(event.choices) || isFields(event.usage)) this.addChunk(event)
  }

  private addChunk({ choices, object: _object, ...rest }: Fields): void {
    this.top ??= {}
    for (const name of Object.keys(rest)) {
      if (rest[name] === null) continue
      if (!Object.hasOwn(this.top, name)) this.merger.parts++
      setOwn(this.top, name, rest[name])
    }
    for (const choice of Array.isArray(choices) ? choices : []) {
      if (isFields(choice)) addToChoice(this.merger, this.choice(indexOf(choice)), choice)
    }
  }

  private choice(index: number): ChoiceState {
    const known = this.choices.get(index)
    if (known) return known
    const state = { message: {}, logprobs: null, finishReason: null, rest: {} }
    this.choices.set(index, state)
    this.merger.parts++
    return state
  }
}
