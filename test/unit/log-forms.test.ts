/**
 * Logs of other programs. The files in `test/kit/logs` were made by the vendors' own programs against a server that
 * answers as the API does, with invented content:
 *
 * - `langfuse-page.jsonl`, `langfuse-blob.jsonl`: `langfuse` 5.0.4, its type `ObservationV2` filled by the functions that
 *   its wrapper of OpenAI's client logs with; the second has the names of the field reference of blob storage exports;
 * - `otel-attributes.jsonl`: `opentelemetry-instrumentation-openai-v2` 2.4b0 with `opentelemetry-util-genai` 1.1b0;
 * - `otel-events.jsonl`: `azure-ai-inference` 1.0.0b9; both by the encoder of `opentelemetry-exporter-otlp-proto-common`;
 * - `litellm.jsonl`: `litellm`, a row of `get_logging_payload` and a standard logging payload, less prices;
 * - `openai-stored.jsonl`: the types of `openai` 3.57.0 and the members of the API reference's examples;
 * - `anthropic.jsonl`: `anthropic` 2.14.0, what it sent and what it returned.
 */
import { readFileSync } from 'node:fs'
import {
  assert,
  constantFrom,
  integer,
  jsonValue,
  oneof,
  property,
  type Arbitrary,
} from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readImportLine, type ImportedLine } from '../../src/core/log/import-line.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { ChatCompletion, ChatRequest } from '../../src/openai/chat.ts'
import { tokenCounts } from '../../src/openai/usage/usage.ts'
import { IN_FORMS } from '../kit/logs/forms.ts'

const read = (value: unknown, number = 1): ImportedLine[] =>
  readImportLine(
    { number, text: typeof value === 'string' ? value : JSON.stringify(value), at: 5 },
    { tenant: 't', model: 'default-model', maxBodyBytes: 100_000 }
  )

const recordsOf = (value: unknown): ExchangeRecord[] =>
  read(value).map((found) => {
    if ('reason' in found) throw new Error(found.reason)
    return found.record
  })

const reasonsOf = (value: unknown): string[] =>
  read(value).flatMap((found) => ('reason' in found ? [found.reason] : []))

const recordOf = (value: unknown): ExchangeRecord => recordsOf(value)[0]!

const requestOf = ({ request }: ExchangeRecord) => JSON.parse(request) as ChatRequest

const answerOf = ({ response }: ExchangeRecord) =>
  (JSON.parse(response!) as ChatCompletion).choices[0]!

const fixture = (name: string): string[] =>
  readFileSync(new URL(`../kit/logs/${name}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')

const SYSTEM = {
  role: 'system',
  content: "Name the intent of the customer's message. Answer with one label and nothing else.",
}
const QUERY = { role: 'user', content: 'Where is my new card?' }
const CALL = {
  id: 'call_1',
  type: 'function',
  function: { name: 'find_card', arguments: '{"id":"7"}' },
}
const TOOL = {
  type: 'function',
  function: {
    name: 'find_card',
    description: 'Finds a card.',
    parameters: { type: 'object', properties: { id: { type: 'string' } } },
  },
}
const toolUse = (place: number, id: string) => ({
  id: `toolu_${place}`,
  type: 'function',
  function: { name: 'find_card', arguments: JSON.stringify({ id }) },
})
const CACHED = { input: 1200, cachedInput: 1024, output: 4 }

describe('a file that the program itself wrote', () => {
  it.each<[string, number, object, object]>([
    ['langfuse-blob.jsonl', Date.UTC(2026, 9, 1), CACHED, { temperature: 0, max_tokens: 20 }],
    ['litellm.jsonl', 1_796_094_977_122, CACHED, { temperature: 0 }],
    ['openai-stored.jsonl', 1_790_812_800_000, CACHED, { temperature: 0 }],
    [
      'otel-attributes.jsonl',
      1_796_094_611_768,
      { input: 1200, output: 4 },
      { temperature: 0, max_tokens: 20 },
    ],
    ['anthropic.jsonl', Date.UTC(2026, 9, 1), { ...CACHED, cacheWrite: 76 }, { max_tokens: 20 }],
  ])('%s has its exchange, time, tokens and parameters', (name, at, tokens, parameters) => {
    const record = recordOf(fixture(name)[0])
    const { model, messages, ...others } = requestOf(record)
    expect([record.at, record.model]).toEqual([at, model])
    expect(messages).toEqual([SYSTEM, QUERY])
    expect(others).toEqual(parameters)
    expect(answerOf(record)).toMatchObject({
      message: { role: 'assistant', content: 'card_arrival' },
      finish_reason: 'stop',
    })
    expect(tokenCounts(record.usage!)).toMatchObject(tokens)
  })

  it('has tools and their calls, in a page of the API of Langfuse', () => {
    const found = read(fixture('langfuse-page.jsonl')[0])
    expect(found).toHaveLength(3)
    expect(found[2]).toEqual({ reason: 'it is an observation of type SPAN, not GENERATION' })
    const [, second] = found as { record: ExchangeRecord }[]
    expect(requestOf(second!.record)).toMatchObject({ messages: [SYSTEM, QUERY], tools: [TOOL] })
    expect(answerOf(second!.record)).toMatchObject({
      message: { content: null, tool_calls: [CALL] },
      finish_reason: 'tool_calls',
    })
  })

  it('has results of tools, in spans', () => {
    const { messages } = requestOf(recordOf(fixture('otel-attributes.jsonl')[1]))
    expect(messages).toEqual([
      SYSTEM,
      QUERY,
      { role: 'assistant', content: null, tool_calls: [CALL] },
      { role: 'tool', tool_call_id: 'call_1', content: 'on its way' },
    ])
  })

  it('has messages in events of spans, beside spans of other things', () => {
    const [post, chat] = fixture('otel-events.jsonl')
    expect(reasonsOf(post)).toEqual(['it has no span of a chat (gen_ai.operation.name chat)'])
    const record = recordOf(chat)
    expect(requestOf(record).messages).toEqual([SYSTEM, QUERY])
    expect(answerOf(record)).toMatchObject({
      message: { content: 'card_arrival' },
      finish_reason: 'stop',
    })
  })

  it('has the same exchange in the standard logging payload as in the row of LiteLLM', () => {
    const [row, payload] = fixture('litellm.jsonl').map(recordOf)
    expect(requestOf(payload!)).toEqual(requestOf(row!))
    expect(answerOf(payload!)).toEqual(answerOf(row!))
    expect(payload!.usage).toEqual(row!.usage)
    expect(payload!.at).toBe(1_796_094_977_122)
  })

  it('has blocks of Anthropic as parts of a chat completion', () => {
    const record = recordOf(fixture('anthropic.jsonl')[1])
    expect(requestOf(record)).toMatchObject({
      messages: [
        SYSTEM,
        QUERY,
        { role: 'assistant', content: null, tool_calls: [toolUse(1, '7')] },
        { role: 'tool', tool_call_id: 'toolu_1', content: 'on its way' },
        { role: 'user', content: 'And the other one?' },
      ],
      tools: [TOOL],
      tool_choice: 'required',
      parallel_tool_calls: false,
    })
    expect(answerOf(record)).toMatchObject({
      message: { content: 'One moment.', tool_calls: [toolUse(2, '8')] },
      finish_reason: 'tool_calls',
    })
  })
})

const ASKED = {
  number: 7,
  at: Date.UTC(2026, 9, 1, 12, 30, 1),
  model: 'gpt-4o-mini',
  messages: [SYSTEM, QUERY],
  answer: 'card_arrival',
}

const observation = IN_FORMS['langfuse']!(ASKED)
const row = IN_FORMS['liteLlm']!(ASKED)
const stored = IN_FORMS['storedCompletions']!(ASKED)
const pair = IN_FORMS['anthropic']!(ASKED) as { request: object; response: object }
const otlp = (attributes: object, events: object[] = []) => ({
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: [
            {
              traceId: 't',
              spanId: 's',
              startTimeUnixNano: '1790812800000000000',
              attributes: Object.entries(attributes).map(([key, value]) => ({ key, value })),
              events,
            },
          ],
        },
      ],
    },
  ],
})
const CHAT = {
  'gen_ai.operation.name': { stringValue: 'chat' },
  'gen_ai.request.model': { stringValue: 'm' },
}

const event = (name: string, key: string, value: unknown) => ({
  name,
  attributes: [{ key, value: { stringValue: JSON.stringify(value) } }],
})

describe('a value of a known form that lacks something', () => {
  it.each<[string, object, string]>([
    [
      'an observation without input',
      { ...observation, input: '' },
      'observation obs-7: it has no input: export it with the field groups core, basic, io, metadata, model and usage',
    ],
    [
      'an observation without a model',
      { ...observation, model: null },
      'observation obs-7: it has no model: export it with the field groups core, basic, io, metadata, model and usage',
    ],
    [
      'an observation of a text',
      { ...observation, input: 'hi' },
      'observation obs-7: its input is a text, not a list of messages',
    ],
    [
      'a trace with the ids of its observations',
      { id: 't', timestamp: '2026-10-01', htmlPath: '/', observations: ['obs-7'] },
      'it is a trace with their ids alone: export the table of observations',
    ],
    [
      'a span without messages',
      otlp(CHAT),
      'span s has no gen_ai.input.messages: set OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental and OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY',
    ],
    [
      'logs of OpenTelemetry',
      { resourceLogs: [] },
      'it is an export of OpenTelemetry without spans: export traces',
    ],
    [
      'a row without texts',
      { ...row, proxy_server_request: '{}', response: '{}' },
      'request chatcmpl-7: it has no proxy_server_request and no messages: set general_settings.store_prompts_in_spend_logs: true',
    ],
    [
      'a row whose texts LiteLLM has cut',
      {
        ...row,
        proxy_server_request: {
          messages: [{ role: 'user', content: 'a... (litellm_truncated 9 chars)' }],
        },
      },
      'request chatcmpl-7: its texts are cut: set MAX_STRING_LENGTH_PROMPT_IN_DB above your longest prompt',
    ],
    [
      'a row of a call that failed',
      { ...row, status: 'failure' },
      'request chatcmpl-7: its call failed',
    ],
    [
      'a row of an embedding',
      { ...row, call_type: 'aembedding', proxy_server_request: {}, response: { data: [1] } },
      'request chatcmpl-7: its call, aembedding, is not a chat',
    ],
    [
      'a stored completion without messages',
      { ...stored, messages: undefined },
      'the stored completion chatcmpl-7 has no messages: add the answer of GET /v1/chat/completions/<id>/messages to each completion, as its member messages',
    ],
    [
      'a pair without messages',
      { ...pair, request: {} },
      'its request to Anthropic has no messages: log the whole body of the request',
    ],
    [
      'a pair with a tool of Anthropic',
      { ...pair, request: { ...pair.request, tools: [{ type: 'web_search_20250305' }] } },
      'it has a tool that runs at Anthropic',
    ],
    [
      'a pair with a document',
      {
        ...pair,
        request: { messages: [{ role: 'user', content: [{ type: 'document' }] }] },
      },
      'it has a block of type document, which chat completions have not',
    ],
  ])('%s is skipped, and the reason says what helps', (_, value, reason) => {
    expect(reasonsOf(value)).toEqual([reason])
  })

  it('names no more of an id than a person reads', () => {
    const [reason] = reasonsOf({ ...observation, id: 'x'.repeat(1e6), input: '' })
    expect(reason!.length).toBeLessThan(200)
  })

  it('that nests deeper than the stack is skipped', () => {
    const deep = `${'{"arrayValue":{"values":['.repeat(30_000)}${']}}'.repeat(30_000)}`
    const line = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":${deep}}]}]}]}]}`
    expect(reasonsOf(line)).toEqual(['the body nests deeper than 256 levels'])
  })
})

describe('a form', () => {
  it.each(['{"order": 1}', '["a", "b"]', '7', 'plain'])(
    'that has the answer as a text keeps the text %s',
    (answer) => {
      for (const value of [
        { ...observation, output: answer },
        { ...row, response: answer },
      ])
        expect(answerOf(recordOf(value)).message.content).toBe(answer)
    }
  )

  it('of Langfuse has only the parameters that its client was given', () => {
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: {} } }
    const defaults = { temperature: 1, top_p: 1, frequency_penalty: 0, presence_penalty: 0 }
    const modelParameters = { ...defaults, max_tokens: 'Infinity', seed: null, n: 2 }
    const metadata = { response_format: format }
    const { messages, ...others } = requestOf(
      recordOf({ ...observation, modelParameters, metadata })
    )
    expect(messages).toEqual([SYSTEM, QUERY])
    expect(others).toEqual({ model: 'gpt-4o-mini', n: 2, response_format: format })
  })

  it.each([
    [{ usage: { input: 1200, output: 4, unit: 'TOKENS' } }, { input: 1200, output: 4 }],
    [{ usage: { promptTokens: 1200, completionTokens: 4 } }, { input: 1200, output: 4 }],
    [
      {
        usageDetails: {
          input: 100,
          cache_read_input_tokens: 1024,
          cache_creation_input_tokens: 76,
          output: 4,
        },
      },
      { ...CACHED, cacheWrite: 76 },
    ],
    [{ usageDetails: { prompt_tokens: 1200, completion_tokens: 4 } }, { input: 1200, output: 4 }],
  ])('of Langfuse may count tokens as %j', (usage, expected) => {
    const { usage: found } = recordOf({ ...observation, usageDetails: {}, ...usage })
    expect(tokenCounts(found!)).toMatchObject(expected)
  })

  it.each([
    [1200, 1024, 1200],
    [100, 1024, 1124],
  ])('of a span with %i input tokens and %i of the cache has %i', (input, cache, expected) => {
    const { usage } = recordOf(
      otlp({
        ...CHAT,
        'gen_ai.input.messages': { stringValue: '[{"role":"user","content":"hi"}]' },
        'gen_ai.output.messages': { stringValue: '[{"role":"assistant","content":"yes"}]' },
        'gen_ai.usage.input_tokens': { intValue: input },
        'gen_ai.usage.output_tokens': { intValue: 1 },
        'gen_ai.usage.cache_read.input_tokens': { intValue: cache },
      })
    )
    expect(usage).toMatchObject({
      prompt_tokens: expected,
      prompt_tokens_details: { cached_tokens: cache },
    })
  })

  it('whose id two exchanges share has both', () => {
    const other = {
      ...pair,
      request: { ...pair.request, messages: [{ role: 'user', content: 'x' }] },
    }
    expect(recordOf(other).id).not.toBe(recordOf(pair).id)
  })

  it('of a trace has the generations in it, and not its other steps', () => {
    const step = { ...observation, id: 'step', type: 'SPAN' }
    const trace = { id: 't', timestamp: '2026-10-01', htmlPath: '/' }
    for (const value of [
      { ...trace, observations: [step, observation] },
      { trace, observations: [step, observation], scores: [] },
    ])
      expect(recordsOf(value).map(({ id }) => id)).toEqual([recordOf(observation).id])
  })

  it('of events before 1.28 has its messages in two attributes', () => {
    const record = recordOf(
      otlp(
        {
          ...CHAT,
          'gen_ai.usage.prompt_tokens': { intValue: '9' },
          'gen_ai.usage.completion_tokens': { intValue: 3 },
        },
        [
          event('gen_ai.content.prompt', 'gen_ai.prompt', [SYSTEM, QUERY]),
          event('gen_ai.content.completion', 'gen_ai.completion', [
            { role: 'assistant', content: 'card_arrival' },
          ]),
        ]
      )
    )
    expect(requestOf(record)).toEqual({ model: 'm', messages: [SYSTEM, QUERY] })
    expect(answerOf(record).message.content).toBe('card_arrival')
    expect(record.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 3 })
  })

  it('of spans reads structured attributes as JSON texts', () => {
    const structured = (value: unknown): object => {
      if (typeof value === 'string') return { stringValue: value }
      if (Array.isArray(value)) return { arrayValue: { values: value.map(structured) } }
      const entries = Object.entries(value as object)
      return {
        kvlistValue: { values: entries.map(([key, one]) => ({ key, value: structured(one) })) },
      }
    }
    const messages = [{ role: 'user', parts: [{ type: 'text', content: 'hi' }] }]
    const tools = [
      { type: 'function', name: 'f', description: 'd', parameters: { type: 'object' } },
    ]
    const record = recordOf(
      otlp({
        ...CHAT,
        'gen_ai.input.messages': structured(messages),
        'gen_ai.tool.definitions': structured(tools),
      })
    )
    expect(requestOf(record)).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'hi' }],
      tools: [
        {
          type: 'function',
          function: { name: 'f', description: 'd', parameters: { type: 'object' } },
        },
      ],
    })
    expect(record.response).toBeNull()
  })

  it('of messages with images has them', () => {
    const url = 'https://example.com/a.png'
    const expected = [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
      { type: 'image_url', image_url: { url } },
    ]
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'AAAA' },
    }
    const blocks = [
      { type: 'text', text: 'What is it?' },
      image,
      { type: 'image', source: { type: 'url', url } },
    ]
    const parts = [
      { type: 'text', content: 'What is it?' },
      { type: 'blob', modality: 'image', mime_type: 'image/png', content: 'AAAA' },
      { type: 'uri', modality: 'image', uri: url },
    ]
    const span = otlp({
      ...CHAT,
      'gen_ai.input.messages': { stringValue: JSON.stringify([{ role: 'user', parts }]) },
    })
    for (const value of [
      { ...pair, request: { messages: [{ role: 'user', content: blocks }] } },
      span,
    ])
      expect(requestOf(recordOf(value)).messages[0]!.content).toEqual(expected)
  })

  it('of a row of LiteLLM may have its columns as texts of a CSV file', () => {
    const texts = Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === 'object' ? JSON.stringify(value) : String(value),
      ])
    )
    expect(recordOf(texts)).toEqual(recordOf(row))
  })

  it('of a row of LiteLLM may have an exchange of Anthropic', () => {
    const record = recordOf({
      ...row,
      call_type: 'anthropic_messages',
      proxy_server_request: pair.request,
      response: pair.response,
    })
    expect(requestOf(record).messages).toEqual([SYSTEM, QUERY])
    expect(record.usage).toMatchObject({ prompt_tokens: 1200 })
  })

  it('of a row of LiteLLM may have an exchange of the Responses API', () => {
    const response = { object: 'response', status: 'completed', output: [] }
    const body = { model: 'm', input: 'hi' }
    const record = recordOf({ ...row, proxy_server_request: body, response })
    expect([record.path, JSON.parse(record.request)]).toEqual(['/v1/responses', body])
  })
})

/** All objects and lists within a value. */
const insidesOf = (value: unknown): Record<string, unknown>[] =>
  typeof value === 'object' && value !== null
    ? [value as Record<string, unknown>, ...Object.values(value).flatMap(insidesOf)]
    : []

/** Whose conversion to a text or a number throws. */
const UNTEXTUAL = { toString: 1, valueOf: 1, constructor: null }
const OTHER: Arbitrary<unknown> = oneof(
  jsonValue(),
  constantFrom(UNTEXTUAL, [UNTEXTUAL], 'constructor', '__proto__', null, [null], '{"a":', '[[]]')
)

describe('a damaged export', () => {
  const values = [...Object.values(IN_FORMS).map((make) => make(ASKED)), { data: [row] }]

  it('is read or refused, whichever member of it has another value', () =>
    assert(
      property(
        constantFrom(...values),
        integer({ min: 0 }),
        integer({ min: 0 }),
        OTHER,
        (value, object, name, other) => {
          const damaged = structuredClone(value)
          const insides = insidesOf(damaged)
          const inside = insides[object % insides.length]!
          const names = Object.keys(inside)
          inside[names[name % names.length] ?? 'x'] = other
          const found = read(damaged)
          expect(found.length).toBeGreaterThan(0)
          for (const one of found)
            expect('reason' in one ? one.reason : one.record.request).toMatch(/./)
        }
      ),
      { numRuns: 3000 }
    ))
})

/** A page of Langfuse. */
const pageWithoutIds = (count: number): string =>
  JSON.stringify({
    data: Array.from({ length: count }, (_, i) => ({
      id: '',
      traceId: 't',
      type: 'GENERATION',
      model: 'm',
      startTime: '2026-11-01T00:00:00Z',
      input: [{ role: 'user', content: `${i} ${'x'.repeat(600)}` }],
      output: { role: 'assistant', content: 'a' },
    })),
  })

describe('a line with many exchanges without ids', () => {
  it('has as many records, each with an id of its own, and reads its text once', () => {
    const found = readImportLine(
      { number: 1, text: pageWithoutIds(3_000), at: 1 },
      { tenant: 't', model: 'm', maxBodyBytes: 100_000 }
    )
    const ids = found.map((one) => ('record' in one ? one.record.id : one.reason))
    expect(new Set(ids).size).toBe(3_000)
  })
})
