import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCalls } from '../../adapters/text/constraint/calls.ts'
import type { Constraint } from '../../adapters/text/constraint/constraint.ts'
import { callsText, isCallText, parseCalls } from '../../src/core/answer/calls.ts'
import { hasLongNumber } from '../../src/core/json.ts'
import { createAnswerFormats } from '../../src/core/answer/schema/answer-schema.ts'
import { boundCalls, toolFault } from '../../src/core/answer/calls.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { seededRandom } from '../../src/random.ts'
import { cpuMsOf } from '../kit/linear.ts'

/** Every byte is a token, then a control token, then the end. */
const CONTROL = 256
const END = 257
const tokenBytes = (id: number): Uint8Array => (id < 256 ? Uint8Array.of(id) : new Uint8Array())
const UTF8 = new TextEncoder()

const requestWith = (
  functions: Record<string, unknown>,
  more: Partial<ChatRequest> = {}
): ChatRequest => ({
  model: 'm',
  messages: [{ role: 'user', content: 'a question' }],
  tools: Object.entries(functions).map(([name, parameters]) => ({
    type: 'function',
    function: { name, parameters },
  })),
  ...more,
})

const open = (request: ChatRequest): Constraint =>
  createCalls(boundCalls(request, false)!, tokenBytes, [END])

/** How much of a text is taken, and whether the answer may end there. */
const taken = (request: ChatRequest, text: string): { text: string; mayEnd: boolean } => {
  const constraint = open(request)
  const bytes = UTF8.encode(text)
  let count = 0
  while (count < bytes.length && constraint.allows(bytes[count]!))
    constraint.advance(bytes[count++]!)
  const read = new TextDecoder().decode(bytes.slice(0, count))
  return { text: read, mayEnd: constraint.finished || constraint.allows(END) }
}
const takes = (request: ChatRequest, text: string): boolean => {
  const { text: read, mayEnd } = taken(request, text)
  return read === text && mayEnd
}

const structural = new Set([...'"}],:'].map((one) => one.charCodeAt(0)))

/** An answer of tokens drawn among the allowed ones. @returns null where it does not end */
const drawn = (request: ChatRequest, seed: number, beginning: string): string | null => {
  const random = seededRandom(seed)
  const constraint = open(request)
  const bytes = [...UTF8.encode(beginning)]
  for (const byte of bytes) constraint.advance(byte)
  while (bytes.length < 4000) {
    const allowed = Array.from({ length: 258 }, (_, id) => id).filter((id) => constraint.allows(id))
    expect(allowed).not.toEqual([])
    // so that strings and lists end
    const ending = allowed.filter((id) => structural.has(id) || id === END)
    const from = ending.length > 0 && random() < 0.5 ? ending : allowed
    const id = from[Math.floor(random() * from.length)]!
    constraint.advance(id)
    if (id < 256) bytes.push(id)
    if (id === END || constraint.finished) return new TextDecoder().decode(Uint8Array.from(bytes))
  }
  return null
}

const formats = createAnswerFormats()
let digests = 0
const faultOf = (answer: string, request: ChatRequest): string | null => {
  const calls = parseCalls(answer)!
  return toolFault(calls, request) ?? formats.faultOfCalls(calls, request, `digest ${digests++}`)
}

const name = fc.stringMatching(/^[a-z_]{1,6}$/)
const leaf = fc.oneof(
  fc.constant({ type: 'string' }),
  fc.record({
    type: fc.constant('string'),
    minLength: fc.nat(2),
    maxLength: fc.integer({ min: 2, max: 5 }),
  }),
  fc.constant({ type: 'integer' }),
  fc.constant({ type: 'number' }),
  fc.constant({ type: 'boolean' }),
  fc.constant({ type: ['string', 'null'] }),
  fc.record({
    enum: fc.uniqueArray(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  fc.record({ const: fc.jsonValue({ maxDepth: 2 }) }),
  fc.constant({ $ref: '#/$defs/node' })
)
const { schema } = fc.letrec<{ schema: Record<string, unknown> }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.record({
      type: fc.constant('object'),
      properties: fc.dictionary(name, tie('schema'), { minKeys: 1, maxKeys: 4 }),
      required: fc.subarray(['a', 'b']),
      additionalProperties: fc.constant(false),
    }),
    fc.record({
      type: fc.constant('array'),
      items: tie('schema'),
      minItems: fc.nat(2),
      maxItems: fc.integer({ min: 2, max: 4 }),
    }),
    fc.record({ type: fc.constant('object'), additionalProperties: tie('schema') }),
    fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) })
  ),
}))

/** Required members exist, so that a value is possible. */
const parameters = fc.dictionary(name, schema, { minKeys: 1, maxKeys: 4 }).chain((properties) =>
  fc.subarray(Object.keys(properties)).map((required) => ({
    type: 'object',
    properties,
    required,
    additionalProperties: false,
    $defs: {
      node: {
        type: 'object',
        properties: {
          next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
          size: { type: 'integer' },
        },
        required: ['size'],
        additionalProperties: false,
      },
    },
  }))
)

/** The validator compares values by these members where they have them, so it refuses a constant that it should take. */
const COMPARED_BY = ['valueOf', 'toString']

const isSatisfiable = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return true
  if (COMPARED_BY.some((member) => Object.hasOwn(value, member))) return false
  const { properties, required } = value as { properties?: object; required?: unknown }
  const lacks =
    Array.isArray(required) &&
    properties !== undefined &&
    required.some((one) => !Object.hasOwn(properties, String(one)))
  return !lacks && Object.values(value).every(isSatisfiable)
}

const EMPTY = { type: 'object', properties: {}, additionalProperties: false }
const BOOKING = requestWith({
  book: {
    type: 'object',
    properties: {
      city: { type: 'string', minLength: 1, description: 'as the customer wrote it' },
      nights: { type: 'integer', minimum: 1 },
      price: { type: ['number', 'null'] },
      room: { enum: ['single', 'double "twin"', null, 3] },
      guests: {
        type: 'array',
        items: { $ref: '#/definitions/guest' },
        maxItems: 3,
      },
      notes: { type: 'object', additionalProperties: { type: 'string' } },
      extra: {},
    },
    required: ['city', 'nights'],
    definitions: {
      guest: {
        anyOf: [
          { type: 'string' },
          {
            type: 'object',
            properties: { name: { type: 'string' }, child: { type: 'boolean' } },
            required: ['name'],
          },
        ],
      },
    },
  },
})
const guest = fc.oneof(
  fc.string(),
  fc.record(
    { name: fc.string({ unit: 'binary' }), child: fc.boolean() },
    { requiredKeys: ['name'] }
  )
)
const call = fc.record(
  {
    city: fc.string({ unit: 'grapheme', minLength: 1 }),
    nights: fc.integer({ min: 1 }),
    price: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null)),
    room: fc.constantFrom('single', 'double "twin"', null, 3),
    guests: fc.array(guest, { maxLength: 3 }),
    notes: fc.dictionary(fc.string(), fc.string()),
    extra: fc.jsonValue(),
  },
  { requiredKeys: ['city', 'nights'] }
)

describe('calls within schemas', () => {
  it('generates calls of the functions with arguments that fit, whatever is drawn', () => {
    let ended = 0
    fc.assert(
      fc.property(parameters.filter(isSatisfiable), fc.integer(), (given, seed) => {
        const request = requestWith({
          look_up: given,
          end: { type: 'object', properties: {}, additionalProperties: false },
        })
        const answer = drawn(request, seed, '[[call]] ')
        // a number that a double cannot hold may be drawn, and is refused afterwards
        if (answer === null || hasLongNumber(answer)) return
        ended++
        expect(parseCalls(answer), answer).not.toBeNull()
        expect(faultOf(answer, request), answer).toBeNull()
      }),
      { numRuns: 120 }
    )
    expect(ended).toBeGreaterThan(80)
  })

  it('takes every call of the log that fits, as it is learned', () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 3 }), (calls) => {
        const text = callsText(
          calls.map((given) => ({
            type: 'function',
            function: { name: 'book', arguments: JSON.stringify(given) },
          }))
        )!
        expect(faultOf(text, BOOKING)).toBeNull()
        expect(taken(BOOKING, text)).toEqual({ text, mayEnd: true })
      }),
      { examples: [[[{ city: '\u2028', nights: 1 }]]] }
    )
  })

  it('takes any text, but none that looks like a call and is none', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!isCallText(text))
        expect(taken(BOOKING, text)).toEqual({ text, mayEnd: true })
      })
    )
    for (const text of ['', ' \n', '[', '[[call]', '[[calls]] book', 'a [[call]] nobody {'])
      expect(takes(BOOKING, text), text).toBe(true)
    expect(taken(BOOKING, '[[call]]book {}')).toEqual({ text: '[[call]]', mayEnd: false })
    expect(taken(BOOKING, '\n [[call]] look {}')).toEqual({ text: '\n [[call]] ', mayEnd: false })
  })

  it('knows the functions of the request alone', () => {
    const request = requestWith({ pay: EMPTY, pay_back: EMPTY, 'a.b-c': undefined })
    for (const text of ['[[call]] pay {}', '[[call]] pay_back {}', '[[call]] a.b-c {}'])
      expect(takes(request, text), text).toBe(true)
    expect(taken(request, '[[call]] pay_all {}').text).toBe('[[call]] pay_')
    expect(taken(request, '[[call]] a.b-c {"a":1}').text).toBe('[[call]] a.b-c {')
  })

  it('keeps to the choice of tools and to one call where the request wants that', () => {
    const functions = { pay: EMPTY, ask: EMPTY }
    const none = requestWith(functions, { tool_choice: 'none' })
    expect(taken(none, '[[call]] pay {}').text).toBe('[[call]')
    expect(takes(none, 'a text')).toBe(true)
    const required = requestWith(functions, { tool_choice: 'required' })
    expect(taken(required, 'a text')).toEqual({ text: '', mayEnd: false })
    expect(takes(required, '[[call]] ask {}')).toBe(true)
    const named = requestWith(functions, {
      tool_choice: { type: 'function', function: { name: 'ask' } },
    })
    expect(taken(named, '[[call]] pay {}')).toEqual({ text: '[[call]] ', mayEnd: false })
    const two = '[[call]] pay {}\n[[call]] ask {}'
    expect(takes(requestWith(functions), two)).toBe(true)
    const single = requestWith(functions, { parallel_tool_calls: false })
    expect(taken(single, two)).toEqual({ text: '[[call]] pay {}', mayEnd: true })
  })

  it('lets a lora say that it has no answer where a call is required', () => {
    const required = requestWith({ pay: EMPTY }, { tool_choice: 'required' })
    expect(boundCalls(required, true)).toMatchObject({ required: false })
    expect(boundCalls({ ...required, tools: [] }, true)).toBeNull()
  })

  it.each([
    ['a reference to itself', { $ref: '#' }],
    [
      'references in a circle',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    ],
    ['a reference to nothing', { properties: { a: { $ref: '#/nowhere' } } }],
    ['a reference that is no URI', { properties: { a: { $ref: '#/%E0%' } } }],
    ['branches that double', { anyOf: [{ $ref: '#' }, { $ref: '#' }] }],
    ['parts that double', { allOf: [{ $ref: '#' }, { $ref: '#' }] }],
    [
      'values of many kinds at once',
      {
        properties: {
          a: { type: 'array', items: { anyOf: Array.from({ length: 40 }, () => ({})) } },
        },
      },
    ],
    [
      'a list that no length fits',
      { properties: { a: { type: 'array', minItems: 2, maxItems: 1 } }, required: ['b'] },
    ],
    ['no schema', true],
    ['a text', 'string'],
  ])('follows a schema with %s in bounded time', (_what, given) => {
    const request = requestWith({ f: given })
    const text = `[[call]] f {"a":${'['.repeat(20)}1,"b",{"c":null}`
    expect(cpuMsOf(() => taken(request, text))).toBeLessThan(2000)
  })

  it('allows nothing where no value fits', () => {
    const list = { type: 'array', minItems: 2, maxItems: 0 }
    const constraint = open(requestWith({ f: { properties: { a: list }, required: ['a'] } }))
    for (const byte of UTF8.encode('[[call]] f {"a":')) constraint.advance(byte)
    expect(Array.from({ length: 258 }, (_, id) => constraint.allows(id))).not.toContain(true)
  })

  it('has no control tokens in a call', () => {
    const constraint = open(BOOKING)
    expect(constraint.allows(CONTROL)).toBe(false)
    for (const byte of UTF8.encode('a text')) constraint.advance(byte)
    expect(constraint.allows(CONTROL)).toBe(true)
  })
})
