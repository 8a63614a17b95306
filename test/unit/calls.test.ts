import { describe, expect, it } from 'vitest'
import { callsText, isCallText, parseCalls, toolFault } from '../../src/core/answer/calls.ts'
import { outcomeOf } from '../../src/core/answer/outcome.ts'
import { createAnswerFormats } from '../../src/core/answer/schema/answer-schema.ts'
import { agree, NO_FOLDS } from '../../src/core/answer/agreement.ts'
import { detectResponseType } from '../../src/core/answer/response-type.ts'
import type { ChatCompletion, ChatRequest } from '../../src/openai/chat.ts'

const CALLS = { responseType: 'calls' as const, folds: NO_FOLDS }

const call = (name: string, json: string) => ({
  id: 'c',
  type: 'function',
  function: { name, arguments: json },
})

const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
}
const TIME = { type: 'function', function: { name: 'time' } }

/** Only some of the functions may be called. */
const allowing = (mode: string, ...names: string[]) => ({
  type: 'allowed_tools',
  allowed_tools: { mode, tools: names.map((name) => ({ type: 'function', function: { name } })) },
})

const request = (extra: Partial<ChatRequest> = {}): ChatRequest => ({
  model: 'm',
  messages: [],
  tools: [WEATHER, TIME],
  ...extra,
})

const PARIS = '[[call]] weather {"city":"Paris"}'
const NOW = '[[call]] time {}'

describe('calls as text', () => {
  it('are a line each, with canonical arguments', () => {
    const text = callsText([
      call('weather', '{ "days": 2, "city": "Zürich\\n" }'),
      call('time', ''),
    ])
    expect(text).toBe('[[call]] weather {"city":"Zürich\\n","days":2}\n[[call]] time {}')
    expect(parseCalls(text!)).toEqual([
      { name: 'weather', arguments: { city: 'Zürich\n', days: 2 } },
      { name: 'time', arguments: {} },
    ])
    expect(isCallText(text!)).toBe(true)
  })

  it('keep separators of lines that JSON does not escape', () => {
    const text = callsText([call('weather', '{"city":"a\u2028b\u2029c\u0085"}')])
    expect(parseCalls(text!)).toEqual([
      { name: 'weather', arguments: { city: 'a\u2028b\u2029c\u0085' } },
    ])
  })

  it.each([
    ['arguments that are no JSON', [call('f', '{"a":')]],
    ['arguments that are a list', [call('f', '[1]')]],
    ['a name twice in the arguments', [call('f', '{"a":1,"a":2}')]],
    ['a name with a blank', [call('f g', '{}')]],
    ['a custom tool', [{ id: 'c', type: 'custom', custom: { name: 'f', input: 'x' } }]],
    ['one of two that has none', [call('f', '{}'), {}]],
    ['none', []],
    ['nothing', [null]],
  ])('are not there for %s', (_, toolCalls) => {
    expect(callsText(toolCalls)).toBeNull()
  })

  it.each(['', 'hi', '[[call]]', '[[call]] f', '[[call]] f {', `${NOW}\nhi`, '[[call]] f []'])(
    'are not read from %j',
    (text) => {
      expect(parseCalls(text)).toBeNull()
    }
  )

  it('are the same where name, arguments and order are', () => {
    expect(agree(CALLS, '[[call]] f {"b":1, "a":[1.0]}', '[[call]] f {"a":[1],"b":1}')).toBe(true)
    expect(agree(CALLS, `${PARIS}\n${NOW}`, `${NOW}\n${PARIS}`)).toBe(false)
    expect(agree(CALLS, '[[call]] f {"a":"1"}', '[[call]] f {"a":1}')).toBe(false)
  })
})

const outcome = (message: object, reason: string | null = 'tool_calls') =>
  outcomeOf({
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: reason }],
  } as ChatCompletion)

describe('the outcome of an answer that calls functions', () => {
  const calls = [call('time', '{}')]

  it('is their text', () => {
    expect(outcome({ content: null, tool_calls: calls })).toEqual({ kind: 'text', text: NOW })
    // where the request forces the call
    expect(outcome({ content: '', tool_calls: calls }, 'stop')).toEqual({ kind: 'text', text: NOW })
  })

  it.each([
    ['tool-calls', { content: 'I look.', tool_calls: calls }, 'tool_calls'],
    ['tool-calls', { tool_calls: [call('f', 'no')] }, 'tool_calls'],
    ['cut-off', { tool_calls: calls }, 'length'],
    // not to be told from a call
    ['no-text', { content: PARIS }, 'stop'],
    ['no-text', { content: `\n ${PARIS}` }, 'stop'],
  ])('is %s for %j', (kind, message, reason) => {
    expect(outcome(message, reason).kind).toBe(kind)
  })
})

describe('the comparison of calls', () => {
  it('is by their structure, whatever the texts beside them are', () => {
    for (const type of ['calls', 'json', 'short-text', 'label'] as const) {
      expect(
        agree({ responseType: type, folds: NO_FOLDS }, '[[call]] f {"a": 1}', '[[call]] f {"a":1}')
      ).toBe(true)
      expect(
        agree({ responseType: type, folds: NO_FOLDS }, '[[call]] f {"a":2}', '[[call]] f {"a":1}')
      ).toBe(false)
      expect(agree({ responseType: type, folds: NO_FOLDS }, 'f', '[[call]] f {}')).toBe(false)
    }
  })

  it('follows from the texts among the answers, or from the calls alone', () => {
    const different = Array.from({ length: 40 }, (_, i) => `[[call]] f {"a":${i}}`)
    expect(detectResponseType(different)).toBe('calls')
    expect(detectResponseType([...different, ...Array(20).fill('{"b":1}')])).toBe('json')
    expect(detectResponseType([...different, ...Array(20).fill('no')])).toBe('short-text')
    expect(
      detectResponseType(Array.from({ length: 40 }, (_, i) => [NOW, PARIS, 'no'][i % 3]!))
    ).toBe('label')
  })
})

describe('what a request says of its tools', () => {
  it.each<[string | null, string, Partial<ChatRequest>]>([
    [null, PARIS, {}],
    [null, 'hi', {}],
    [null, `${PARIS}\n${NOW}`, {}],
    [null, PARIS, { tool_choice: 'required' }],
    [null, NOW, { tool_choice: { type: 'function', function: { name: 'time' } } }],
    [null, 'hi', { tool_choice: 'none' }],
    ['call-not-allowed', '[[call]] other {}', {}],
    ['call-not-allowed', PARIS, { tools: null }],
    ['call-not-allowed', PARIS, { tool_choice: 'none' }],
    ['call-not-allowed', PARIS, { tool_choice: { type: 'function', function: { name: 'time' } } }],
    ['call-not-allowed', `${PARIS}\n${NOW}`, { parallel_tool_calls: false }],
    [null, NOW, { tool_choice: allowing('auto', 'time') }],
    [null, 'hi', { tool_choice: allowing('auto', 'time') }],
    [null, NOW, { tool_choice: allowing('required', 'time', 'weather') }],
    ['call-not-allowed', PARIS, { tool_choice: allowing('auto', 'time') }],
    ['call-not-allowed', PARIS, { tool_choice: { type: 'allowed_tools' } }],
    ['call-missing', 'hi', { tool_choice: allowing('required', 'time') }],
    ['call-missing', 'hi', { tool_choice: { type: 'custom', custom: { name: 'sql' } } }],
    ['call-not-allowed', PARIS, { tool_choice: { type: 'custom', custom: { name: 'sql' } } }],
    ['call-missing', 'hi', { tool_choice: 'required' }],
    ['call-missing', 'hi', { tool_choice: { type: 'function', function: { name: 'time' } } }],
  ])('makes %j of %j with %j', (fault, answer, extra) => {
    expect(toolFault(parseCalls(answer), request(extra))).toBe(fault)
  })

  it.each([
    [null, PARIS],
    [null, NOW],
    ['not-valid', '[[call]] weather {}'],
    ['not-valid', '[[call]] weather {"city":7}'],
    ['not-valid', '[[call]] weather {"city":"Paris","more":1}'],
    // a function that names no parameters has none
    ['not-valid', '[[call]] time {"zone":"CET"}'],
    ['not-valid', `${NOW}\n[[call]] weather {}`],
  ])('makes %j of %j by the schemas of its functions', (fault, answer) => {
    const formats = createAnswerFormats()
    expect(formats.faultOfCalls(parseCalls(answer)!, request(), 'digest')).toBe(fault)
  })

  it('refuses calls whose schema cannot be checked', () => {
    const odd = { type: 'function', function: { name: 'time', parameters: { $ref: 'http://x/y' } } }
    const formats = createAnswerFormats()
    const calls = parseCalls(NOW)!
    expect(formats.faultOfCalls(calls, request({ tools: [odd] }), 'other')).toBe('not-valid')
  })
})
