import { describe, expect, it } from 'vitest'
import { outcomeOf } from '../../src/core/answer/outcome.ts'
import type { RenderedAnswer } from '../../src/openai/answer.ts'
import { RESPONSES } from '../../src/openai/dialect.ts'

const ANSWER: RenderedAnswer = {
  id: 'resp_1',
  itemId: 'msg_1',
  created: 7,
  completed: 8,
  model: 'lora-1',
  fingerprint: 'fp_1',
  logprobs: null,
  calls: [],
  content: 'line 1\nline "2" – 遅い 🙂',
  usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
}

const message = (...content: object[]) => ({
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content,
})
const text = (value: string, annotations: object[] = []) => ({
  type: 'output_text',
  text: value,
  annotations,
})
const call = { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }
const response = (output: object[], more: object = {}) => ({
  id: 'resp_1',
  itemId: 'msg_1',
  object: 'response',
  created_at: 1,
  model: 'm',
  status: 'completed',
  output,
  ...more,
})

const outcome = (answer: unknown) => outcomeOf(RESPONSES.completionOf(answer))

const accumulated = (events: string, bytesAtATime = 7) => {
  const accumulator = RESPONSES.accumulator()
  const bytes = Buffer.from(events)
  for (let at = 0; at < bytes.length; at += bytesAtATime)
    accumulator.push(bytes.subarray(at, at + bytesAtATime))
  return accumulator
}

describe('an answer of the Responses API', () => {
  it('is the text of its message', () => {
    const reasoning = { type: 'reasoning', summary: [] }
    expect(outcome(response([reasoning, message(text('a'), text('b'))]))).toEqual({
      kind: 'text',
      text: 'ab',
    })
  })

  it.each<[string, unknown]>([
    ['tool-calls', response([message(text('I look.')), call])],
    ['refusal', response([message({ type: 'refusal', refusal: 'no' })])],
    [
      'cut-off',
      response([message(text('a'))], {
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
      }),
    ],
    [
      'filtered',
      response([message(text('a'))], {
        status: 'incomplete',
        incomplete_details: { reason: 'content_filter' },
      }),
    ],
    ['cut-off', response([], { status: 'in_progress' })],
    ['cut-off', response([], { status: 'failed', error: { code: 'server_error' } })],
    ['no-text', response([])],
    ['unreadable', response([message(text('a')), message(text('b'))])],
    ['unreadable', response([{ type: 'web_search_call' }, message(text('a'))])],
    ['unreadable', response([message(text('a', [{ type: 'url_citation' }]))])],
    ['unreadable', response([message({ type: 'output_audio' })])],
    ['unreadable', { error: { message: 'no' } }],
    ['unreadable', { object: 'chat.completion', choices: [] }],
    ['unreadable', null],
  ])('is %s where it is not', (kind, answer) => {
    expect(outcome(answer).kind).toBe(kind)
  })

  it('has the calls of a chat completion', () => {
    expect(outcome(response([call, call]))).toEqual({
      kind: 'text',
      text: '[[call]] f {}\n[[call]] f {}',
    })
    expect(RESPONSES.completionOf(response([call]))?.choices[0]).toMatchObject({
      message: {
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      finish_reason: 'tool_calls',
    })
  })
})

describe('a rendered response', () => {
  const request = {
    model: 'gpt',
    input: 'hi',
    instructions: 'Be short.',
    store: false,
    text: { verbosity: 'low' },
    metadata: { a: 'b' },
  }

  it('is read as what was rendered, and repeats the settings of its request', () => {
    const rendered = RESPONSES.render(ANSWER, request)
    expect(outcome(rendered)).toEqual({ kind: 'text', text: ANSWER.content })
    expect(rendered).toMatchObject({
      id: 'resp_1',
      model: 'lora-1',
      status: 'completed',
      instructions: 'Be short.',
      store: false,
      metadata: { a: 'b' },
      text: { format: { type: 'text' }, verbosity: 'low' },
      tools: [],
      temperature: 1,
      usage: {
        input_tokens: 12,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: 3,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 15,
      },
    })
  })

  it('is the last event of its stream, in which all events are numbered and about one item', () => {
    const events = RESPONSES.renderEvents(ANSWER, request)
    const parsed = events
      .trim()
      .split('\n\n')
      .map((event) => {
        const [name, data] = event.split('\n')
        const value = JSON.parse(data!.slice('data: '.length)) as Record<string, unknown>
        expect(name).toBe(`event: ${String(value['type'])}`)
        return value
      })
    expect(parsed.map(({ sequence_number: number }) => number)).toEqual([...parsed.keys()])
    const deltas = parsed.filter(({ type }) => type === 'response.output_text.delta')
    expect(deltas.length).toBeGreaterThan(0)
    expect([...new Set(parsed.map(({ type }) => type))]).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    const { output } = RESPONSES.render(ANSWER, request) as { output: { id: string }[] }
    const items = parsed.flatMap((event) => {
      const item = event['item'] as { id: string } | undefined
      return (event['item_id'] as string | undefined) ?? item?.id ?? []
    })
    expect(new Set(items)).toEqual(new Set([output[0]!.id]))
    expect(items).toHaveLength(5 + deltas.length)
    expect(accumulated(events).answer()).toEqual(RESPONSES.render(ANSWER, request))
  })

  it('has no usage where the engine counts no tokens', () => {
    expect(RESPONSES.render({ ...ANSWER, usage: null }, request)).not.toHaveProperty('usage')
  })
})

describe('a stream of the Responses API', () => {
  it('that breaks off leaves the response as it began, which is no answer', () => {
    const events = RESPONSES.renderEvents(ANSWER, {})
    const cut = events.slice(0, events.indexOf('event: response.completed') + 40)
    const answer = accumulated(cut).answer()
    expect(answer).toMatchObject({ id: 'resp_1', status: 'in_progress' })
    expect(outcome(answer).kind).toBe('cut-off')
  })

  it('keeps the error that it ends with', () => {
    const error = { type: 'error', code: 'server_error', message: 'away', sequence_number: 3 }
    const { error: kept, answer } = accumulated(`event: error\ndata: ${JSON.stringify(error)}\n\n`)
    expect(kept).toEqual(error)
    expect(answer).toBeTypeOf('function')
  })

  it('is not misled by texts that look like events', () => {
    const content = '"type":"response.completed","response":{"id":"fake"} {"type":"error"}'
    const events = RESPONSES.renderEvents({ ...ANSWER, content }, {})
    const { error } = accumulated(events)
    expect(error).toBeUndefined()
    expect(outcome(accumulated(events).answer())).toEqual({ kind: 'text', text: content })
  })
})
