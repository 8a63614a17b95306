import { describe, expect, it } from 'vitest'
import { RESPONSES } from '../../src/openai/dialect.ts'
import { readResponsesRequest } from '../../src/openai/responses/read-request.ts'

const read = (fields: Record<string, unknown>) => readResponsesRequest({ model: 'm', ...fields })

const messagesOf = (input: unknown) => read({ input })?.messages

describe('the input of a response', () => {
  it('is a question, with the instructions before it', () => {
    expect(read({ instructions: 'Be short.', input: 'hi', store: false })).toEqual({
      model: 'm',
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'hi' },
      ],
    })
  })

  it('is a list of messages, whose single text part is the text', () => {
    const image = { type: 'input_image', image_url: 'https://i/1.png', detail: 'low' }
    expect(
      messagesOf([
        { role: 'developer', content: 'Be short.' },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
        {
          type: 'message',
          id: 'msg_1',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'hello', annotations: [], logprobs: [] }],
        },
        { role: 'user', content: [{ type: 'input_text', text: 'this?' }, image] },
      ])
    ).toEqual([
      { role: 'developer', content: 'Be short.' },
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'hello' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'this?' },
          { type: 'image_url', image_url: { url: 'https://i/1.png', detail: 'low' } },
        ],
      },
    ])
  })

  it('has calls and their results as a chat has them, without reasoning', () => {
    expect(
      messagesOf([
        { role: 'user', content: 'rain?' },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        { role: 'assistant', content: 'I look.' },
        { type: 'function_call', id: 'fc_1', call_id: 'a', name: 'f', arguments: '{"x":1}' },
        { type: 'function_call', call_id: 'b', name: 'g', arguments: '{}' },
        { type: 'function_call_output', call_id: 'a', output: 'yes' },
        { type: 'function_call_output', call_id: 'b', output: 'no' },
      ])
    ).toEqual([
      { role: 'user', content: 'rain?' },
      {
        role: 'assistant',
        content: 'I look.',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'yes' },
      { role: 'tool', tool_call_id: 'b', content: 'no' },
    ])
  })

  it.each([
    ['an item that is not known', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['a text among items', { input: ['hi', { role: 'user', content: 'hi' }] }],
    ['a message without a role', { input: [{ content: 'hi' }] }],
    ['an object', { input: { role: 'user', content: 'hi' } }],
    ['reasoning that can be read', { input: [{ type: 'reasoning', summary: [{ text: 'so' }] }] }],
    ['a call with another member', { input: [{ type: 'function_call', call_id: 'a', x: 1 }] }],
    ['none', { prompt: { id: 'pmpt_1' } }],
    ['no text as instructions', { instructions: [{ role: 'user', content: 'hi' }], input: 'hi' }],
  ])('is not read where it is %s', (_, fields) => {
    expect(read(fields)).toBeNull()
  })

  it('keeps what a chat would understand under a name of its own', () => {
    const written = { role: 'assistant', content: 'x', tool_calls: [{ id: 'a' }], name: 'ann' }
    const output = { type: 'function_call_output', call_id: 'a', output: 'x', role: 'user' }
    expect(messagesOf([written, output])).toEqual([
      { role: 'assistant', content: 'x', name: 'ann', 'responses.tool_calls': [{ id: 'a' }] },
      { role: 'tool', tool_call_id: 'a', content: 'x', 'responses.role': 'user' },
    ])
  })

  it('is not read from anything but an object with a model', () => {
    for (const body of [null, 7, 'hi', [], {}, { input: 'hi' }, { model: 1, input: 'hi' }])
      expect(RESPONSES.requestOf(body)).toBeNull()
  })
})

const settings = (fields: Record<string, unknown>) => {
  const {
    model: _model,
    messages: _messages,
    ...rest
  } = read({ input: 'hi', store: false, ...fields })!
  return rest
}

describe('the settings of a response', () => {
  const schema = { type: 'object', properties: {} }

  it.each<[Record<string, unknown>, Record<string, unknown>]>([
    [{ max_output_tokens: 9 }, { max_completion_tokens: 9 }],
    [{ text: { format: { type: 'text' }, verbosity: 'low' } }, { verbosity: 'low' }],
    [
      { text: { format: { type: 'json_schema', name: 'n', schema, strict: true } } },
      {
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema, strict: true } },
      },
    ],
    [{ text: { format: { type: 'json_object' } } }, { response_format: { type: 'json_object' } }],
    [{ reasoning: { effort: 'low' } }, { reasoning_effort: 'low' }],
    [
      {
        tools: [
          { type: 'function', name: 'f', parameters: schema },
          { type: 'function', name: 'g', parameters: schema, strict: null },
          { type: 'function', name: 'h', parameters: schema, strict: false },
        ],
      },
      {
        tools: [
          { type: 'function', function: { name: 'f', parameters: schema, strict: true } },
          { type: 'function', function: { name: 'g', parameters: schema, strict: true } },
          { type: 'function', function: { name: 'h', parameters: schema, strict: false } },
        ],
      },
    ],
    [
      {
        tools: [{ type: 'function', name: 'f', parameters: schema, strict: true }],
        tool_choice: { type: 'function', name: 'f' },
        parallel_tool_calls: false,
      },
      {
        tools: [{ type: 'function', function: { name: 'f', parameters: schema, strict: true } }],
        tool_choice: { type: 'function', function: { name: 'f' } },
        parallel_tool_calls: false,
      },
    ],
    [
      {
        tool_choice: {
          type: 'allowed_tools',
          mode: 'auto',
          tools: [{ type: 'function', name: 'f' }],
        },
      },
      {
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
        },
      },
    ],
    [{ include: ['message.output_text.logprobs'] }, { logprobs: true }],
    [
      { include: ['reasoning.encrypted_content'], top_logprobs: 0, truncation: 'auto', tools: [] },
      { 'responses.truncation': 'auto' },
    ],
    [
      { stream: true, stream_options: { include_obfuscation: false } },
      { stream: true, stream_options: { include_obfuscation: false } },
    ],
    [
      { user: 'u', metadata: { a: 'b' }, temperature: 0 },
      { user: 'u', metadata: { a: 'b' }, temperature: 0 },
    ],
  ])('%j are read as %j', (sent, wanted) => {
    expect(settings(sent)).toEqual(wanted)
  })

  it('keep names of their own where a chat has none, also those that a chat would understand', () => {
    expect(
      settings({
        previous_response_id: 'resp_1',
        conversation: 'conv_1',
        background: true,
        messages: [{ role: 'user', content: 'hidden' }],
        n: 2,
        stop: 'x',
        tools: [{ type: 'web_search' }],
        include: ['file_search_call.results'],
        reasoning: { effort: 'low', summary: 'auto' },
        text: { future: 1 },
      })
    ).toEqual({
      'responses.previous_response_id': 'resp_1',
      'responses.conversation': 'conv_1',
      'responses.background': true,
      'responses.messages': [{ role: 'user', content: 'hidden' }],
      'responses.n': 2,
      'responses.stop': 'x',
      tools: [{ type: 'web_search' }],
      'responses.hosted_tools': true,
      'responses.include': ['file_search_call.results'],
      reasoning_effort: 'low',
      'responses.reasoning.summary': 'auto',
      'responses.text.future': 1,
    })
  })

  it('ask for the answer to be kept unless they say that it must not be', () => {
    expect(read({ input: 'hi' })!['responses.store']).toBe(true)
    expect(read({ input: 'hi', store: null })!['responses.store']).toBe(true)
  })
})
