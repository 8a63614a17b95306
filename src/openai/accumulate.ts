/**
 * Accumulates the chunks of a streamed chat completion into the completion. Bytes may be cut anywhere,
 * and unknown fields are kept. Does not know whether the stream was whole.
 */
import { createParser } from 'eventsource-parser'
import type { ChatChoice, ChatCompletion, FinishReason, TokenLogprob, Usage } from './chat.ts'

type Fields = Record<string, unknown>

/** Strings of a delta that are replaced by the newest value; all others are appended to. */
const REPLACED_IN_DELTA = new Set(['role', 'name', 'id', 'type', 'tool_call_id', 'finish_reason'])

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

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

/** A choice of a chunk, ready to be merged: invalid deltas and log-probabilities are left out. */
const choicePart = ({ delta, logprobs, ...rest }: Fields): Fields => ({
  ...rest,
  index: indexOf(rest),
  ...(isFields(delta) ? { delta } : {}),
  ...(isFields(logprobs) ? { logprobs } : {}),
})

const toChoice = ({ index, delta, logprobs, finish_reason, ...rest }: Fields): ChatChoice => ({
  ...rest,
  index: index as number,
  message: { content: null, ...withoutIndex((delta ?? {}) as Fields), role: 'assistant' },
  logprobs: isFields(logprobs)
    ? { content: null, ...(logprobs as { content?: TokenLogprob[] | null }) }
    : null,
  finish_reason: typeof finish_reason === 'string' ? (finish_reason as FinishReason) : null,
})

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * One stream of server-sent events. Comments and events that are not a chunk are ignored. Choices,
 * tool calls, log-probabilities and the usage chunk get the places of an answer without streaming.
 */
export class CompletionAccumulator {
  /** the last error object that the stream sent instead of a chunk */
  error: unknown
  private top: Fields | null = null
  private readonly choices: Fields[] = []
  private readonly decoder = new TextDecoder()
  private readonly parser = createParser({ onEvent: ({ data }) => this.addEvent(data) })

  /** @param bytes the next bytes; they may end within an event or a character */
  push(bytes: Uint8Array): void {
    this.parser.feed(this.decoder.decode(bytes, { stream: true }))
  }

  /** @returns the completion so far; null before the first chunk with choices or usage */
  completion(): ChatCompletion | null {
    if (this.top === null) return null
    const { id, created, model, usage, ...rest } = this.top
    return {
      ...rest,
      id: String(id ?? ''),
      object: 'chat.completion',
      created: Number(created ?? 0),
      model: String(model ?? ''),
      choices: [...this.choices].sort((a, b) => indexOf(a) - indexOf(b)).map(toChoice),
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
    const added = Array.isArray(choices) ? choices.filter(isFields) : []
    mergeLists(this.choices, added.map(choicePart))
  }
}
