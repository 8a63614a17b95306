import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { compilePattern } from '../../src/core/answer/schema/pattern.ts'
import { createAnswerFormats } from '../../src/core/answer/schema/answer-schema.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'

const requestFor = (schema: unknown): ChatRequest => ({
  model: 'm',
  messages: [],
  response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
})

/** Checks against one schema as a route does. */
const checkerOf = (schema: unknown) => {
  const formats = createAnswerFormats()
  const request = requestFor(schema)
  const digest = 'digest'
  return {
    unsupported: () => formats.unsupported(request, digest),
    faultOf: (answer: string) => formats.faultOf(answer, request, digest),
    /** of values and not texts */
    accepts: (value: unknown) => formats.faultOf(JSON.stringify(value), request, digest) === null,
  }
}

const supported = (schema: unknown) => {
  const checker = checkerOf(schema)
  expect(checker.unsupported()).toBeNull()
  return checker
}

const LABEL = {
  type: 'object',
  properties: { label: { type: 'string', enum: ['lost', 'stolen'] } },
  required: ['label'],
  additionalProperties: false,
}

describe('an answer to a JSON schema', () => {
  it('fits or does not', () => {
    const { faultOf } = supported(LABEL)
    expect(faultOf('{"label":"lost"}')).toBeNull()
    expect(faultOf(' {"label" : "stolen"}\n')).toBeNull()
    expect(faultOf('{"lbl":42}')).toBe('not-valid')
    expect(faultOf('42')).toBe('not-valid')
    expect(faultOf('{"label":"found"}')).toBe('not-valid')
    expect(faultOf('{"label":"lost","more":1}')).toBe('not-valid')
    expect(faultOf('{"label":"lost"} and more')).toBe('not-json')
    expect(faultOf('```json\n{"label":"lost"}\n```')).toBe('not-json')
    expect(faultOf('')).toBe('not-json')
  })

  it('is not valid where readers may differ about what it says', () => {
    const { faultOf } = supported({ type: 'object' })
    expect(faultOf('{"a":1,"b":{"a":"a:1"},"c":["a","a"]}')).toBeNull()
    expect(faultOf('{"a":1,"a":2}')).toBe('not-json')
    expect(faultOf('{"a":1,"\\u0061":2}')).toBe('not-json')
    expect(faultOf('{"x":[{"a":{},"a":{}}]}')).toBe('not-json')
    expect(faultOf('{"a":1e400}')).toBe('not-json')
  })

  it('never counts the members of an unambiguous answer wrongly', () => {
    const { accepts } = supported({})
    fc.assert(fc.property(fc.jsonValue(), (value) => accepts(value)))
  })

  it.each<[string, unknown, unknown[], unknown[]]>([
    ['nullable types', { type: ['string', 'null'] }, ['a', null], [1, {}]],
    ['anyOf', { anyOf: [{ type: 'null' }, { type: 'integer', minimum: 1 }] }, [null, 1], [0, 1.5]],
    ['oneOf', { oneOf: [{ minimum: 1 }, { maximum: 2 }] }, [0, 3], [1, 2]],
    ['not', { not: { type: 'string' } }, [1], ['a']],
    ['if and else', { if: { minimum: 5 }, else: { multipleOf: 2 } }, [5, 7, 2], [3]],
    ['const', { const: { a: [1] } }, [{ a: [1] }], [{ a: [2] }]],
    ['tuples', { prefixItems: [{ type: 'string' }], items: false }, [['a'], []], [['a', 1], [1]]],
    ['contains', { contains: { const: 1 }, maxContains: 1 }, [[1, 2]], [[2], [1, 1]]],
    ['unique items', { uniqueItems: true }, [[1, '1', { a: 1 }]], [[{ a: 1 }, { a: 1 }]]],
    ['lengths', { minLength: 2, maxLength: 2 }, ['ab', '👩é'], ['a', 'abc']],
    ['property names', { propertyNames: { maxLength: 1 } }, [{ a: 1 }], [{ ab: 1 }]],
    [
      'pattern properties',
      { patternProperties: { '^n_': { type: 'number' } }, additionalProperties: false },
      [{ n_a: 1 }],
      [{ n_a: 'a' }, { x: 1 }, { constructor: 1 }],
    ],
    [
      'dependent names',
      { dependentRequired: { a: ['b'] } },
      [{ b: 1 }, { a: 1, b: 1 }],
      [{ a: 1 }],
    ],
    [
      'unevaluated names',
      { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
      [{ a: 1 }],
      [{ b: 1 }],
    ],
    ['names of prototypes', { required: ['constructor'] }, [{ constructor: 1 }], [{}]],
    ['boolean schemas', { properties: { a: true, b: false } }, [{ a: 1 }], [{ b: 1 }]],
    ['formats of OpenAI', { format: 'date' }, ['2026-02-28'], ['2026-02-30', 'x']],
    ['ipv4', { format: 'ipv4' }, ['127.0.0.1'], ['127.0.0.256']],
    ['other formats', { format: 'constructor' }, ['anything'], []],
    [
      '$defs',
      { $defs: { 'a b/c': { type: 'string' } }, items: { $ref: '#/$defs/a%20b~1c' } },
      [['a']],
      [[1]],
    ],
    [
      'an older draft',
      {
        $schema: 'http://json-schema.org/draft-07/schema#',
        $ref: '#/definitions/A',
        definitions: { A: { type: 'string' } },
      },
      ['a'],
      [1],
    ],
    [
      'unknown keywords',
      { type: 'string', 'x-order': 1, example: {}, $comment: 'a', cost: -1e9 },
      ['a'],
      [1],
    ],
    ['everything', {}, [null, 1, 'a', [], {}], []],
  ])('%s', (_name, schema, valid, invalid) => {
    const { accepts } = supported(schema)
    for (const value of valid) expect(accepts(value), JSON.stringify(value)).toBe(true)
    for (const value of invalid) expect(accepts(value), JSON.stringify(value)).toBe(false)
  })

  it('may be recursive', () => {
    const { accepts } = supported({
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: {
            value: { type: 'integer' },
            next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
          },
          required: ['value', 'next'],
          additionalProperties: false,
        },
      },
    })
    expect(accepts({ value: 1, next: { value: 2, next: null } })).toBe(true)
    expect(accepts({ value: 1, next: { value: 'a', next: null } })).toBe(false)
    const root = supported({ type: 'object', additionalProperties: { $ref: '#' } })
    expect(root.accepts({ a: { b: {} } })).toBe(true)
    expect(root.accepts({ a: { b: 1 } })).toBe(false)
  })
})

const nested = (depth: number): unknown =>
  Array.from({ length: depth }).reduce((inner) => ({ items: inner }), {})

const wide = (names: number): unknown => ({
  properties: Object.fromEntries(
    Array.from({ length: names }, (_unused, index) => [`name-${index}`, { type: 'string' }])
  ),
})

describe('a hostile schema', () => {
  beforeEach(() => {
    vi.stubGlobal('fetch', () => {
      throw new Error('nothing is fetched')
    })
  })
  afterEach(() => vi.unstubAllGlobals())

  it.each<[string, unknown, RegExp]>([
    ['none at all', undefined, /not an object/],
    ['a boolean', true, /not an object/],
    ['a text', 'object', /not an object/],
    ['a remote reference', { $ref: 'https://example.com/schema.json' }, /\$ref/],
    ['a remote reference below', { items: { $ref: '//example.com#/a' } }, /\$ref/],
    ['a reference to nothing', { $ref: '#/$defs/a' }, /does not point to a part/],
    [
      'a reference into data',
      { enum: [{ type: 'string' }], $ref: '#/enum/0' },
      /does not point to a part/,
    ],
    ['a reference into a prototype', { $ref: '#/constructor' }, /does not point to a part/],
    ['a reference that is not encoded', { $ref: '#/%E0%A4%A' }, /URI/],
    ['a base of its own', { items: { $id: 'https://example.com/', $ref: '#' } }, /\$id/],
    ['a dynamic reference', { $dynamicRef: '#a' }, /\$dynamicRef/],
    ['an unknown draft', { $schema: 'https://example.com/schema' }, /draft/],
    ['draft 4', { $schema: 'http://json-schema.org/draft-04/schema#' }, /draft/],
    [
      'a keyword beside $ref in draft 7',
      { $schema: 'http://json-schema.org/draft-07/schema#', items: { $ref: '#', not: {} } },
      /beside \$ref/,
    ],
    ['a tuple of draft 7', { items: [{ type: 'string' }] }, /neither object nor boolean/],
    ['a type that is none', { type: 'text' }, /type/],
    ['code for a number', { minimum: '1;process.exit()' }, /minimum/],
    [
      'a name that is a prototype',
      { properties: JSON.parse('{"__proto__":{}}') as unknown },
      /__proto__/,
    ],
    ['a hundred levels', nested(100), /deeper/],
    ['levels beyond the stack', nested(100_000), /deeper/],
    ['a megabyte of names', wide(40_000), /parts/],
    ['a megabyte of one name', { properties: { ['a'.repeat(2 ** 20)]: {} } }, /characters/],
    [
      'an enum of a megabyte',
      { enum: Array.from({ length: 100_000 }, (_unused, i) => `v${i}`) },
      /parts/,
    ],
    ['deep data', { const: JSON.parse('['.repeat(5000) + ']'.repeat(5000)) as unknown }, /parts/],
    ['a pattern that looks around', { pattern: '^(?=.*a)b' }, /pattern/],
    ['a pattern that looks back', { pattern: '(a)\\1' }, /pattern/],
    ['no pattern', { pattern: '(' }, /pattern/],
    ['a long pattern', { pattern: 'a'.repeat(1001) }, /longer/],
    ['a pattern that unfolds', { pattern: '\\p{L}{1000}'.repeat(40) }, /repeats/],
    [
      'patterns that unfold together',
      {
        patternProperties: Object.fromEntries(
          Array.from({ length: 30 }, (_unused, i) => [`a{900}${i}`, {}])
        ),
      },
      /parts/,
    ],
  ])('is not supported: %s', (_name, schema, reason) => {
    const { unsupported, faultOf } = checkerOf(schema)
    expect(unsupported()).toMatch(reason)
    expect(faultOf('{}')).toBe('not-valid')
  })

  it('is supported with the longest descriptions, since they check nothing', () => {
    const { faultOf } = supported({ ...LABEL, description: 'a'.repeat(2 ** 20) })
    expect(faultOf('{"label":"lost"}')).toBeNull()
    expect(faultOf('{"label":42}')).toBe('not-valid')
  })

  it.each<[string, unknown]>([
    ['itself', { $ref: '#' }],
    [
      'each other',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    ],
    ['themselves by way of anyOf', { anyOf: [{ $ref: '#' }, { $ref: '#' }] }],
  ])('ends where references refer to %s', (_name, schema) => {
    expect(checkerOf(schema).faultOf('{}')).toBe('not-valid')
  })

  /** Each of 60 schemas refers to the next one twice: 2^60 visits. */
  const doubling = Object.fromEntries(
    Array.from({ length: 60 }, (_unused, index) => [
      `d${index}`,
      { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
    ])
  )

  it.each<[string, unknown, string]>([
    ['visits without end', { $ref: '#/$defs/d0', $defs: { ...doubling, d60: {} } }, '{}'],
    [
      'levels that double',
      { items: { anyOf: [{ $ref: '#' }, { $ref: '#' }] }, type: 'array' },
      `${'['.repeat(60)}1${']'.repeat(60)}`,
    ],
    [
      'items in pairs',
      { uniqueItems: true },
      JSON.stringify(Array.from({ length: 5000 }, (_unused, i) => ({ i }))),
    ],
    [
      'an answer as deep as the stack',
      { items: { $ref: '#' } },
      '['.repeat(50_000) + ']'.repeat(50_000),
    ],
    [
      'a pattern over a long text',
      { pattern: '(?:a[ab]{500}|b[ab]{400})[cd]' },
      JSON.stringify('ab'.repeat(20_000)),
    ],
    ['a format over a long text', { format: 'email' }, JSON.stringify(`${'a'.repeat(100_000)}@`)],
  ])('makes an answer not valid that takes too long to check: %s', (_name, schema, answer) => {
    expect(supported(schema).faultOf(answer)).toBe('not-valid')
  })

  it('has patterns that take for ever in JavaScript, which are run in linear time', () => {
    const { accepts } = supported({ pattern: '^(a+)+$' })
    expect(accepts('a'.repeat(2000))).toBe(true)
    expect(accepts(`${'a'.repeat(2000)}!`)).toBe(false)
    const names = supported({ patternProperties: { '^(a|a)*$': { type: 'number' } } })
    expect(names.accepts({ ['a'.repeat(100)]: 1, [`${'a'.repeat(100)}!`]: 'x' })).toBe(true)
    expect(names.accepts({ ['a'.repeat(100)]: 'x' })).toBe(false)
  })
})

describe('a pattern', () => {
  it('means what it means in JavaScript', () => {
    const atoms = String.raw`a . \s \S \d \w \W [^\s.] [^\S] [\S\n] [\s\S] [a.] \u00e9 \x41 \. \[ \\ [^] (?:ab|c) \b ^ $`
    const source = fc.array(
      fc.tuple(fc.constantFrom(...atoms.split(' ')), fc.constantFrom('', '{0,2}')),
      {
        minLength: 1,
        maxLength: 4,
      }
    )
    const characters = 'abAé.[\\ \n\r\v\t\u00a0\u2028\u200b\ufeff\u30007_👩'
    const text = fc
      .array(fc.constantFrom(...characters), { maxLength: 6 })
      .map((all) => all.join(''))
    fc.assert(
      fc.property(source, text, (parts, subject) => {
        // an assertion cannot be repeated
        const joined = parts
          .map(([atom, times]) => (/^(?:\\b|\^|\$)$/.test(atom) ? atom : atom + times))
          .join('')
        expect(compilePattern(joined).test(subject)).toBe(new RegExp(joined, 'u').test(subject))
      }),
      { numRuns: 500 }
    )
  })

  it.each(['(?i)a', '\\ud83d\\ude00', '[[:alpha:]]', '\\z', '\\Qa\\E', 'a{1001}'])(
    'is refused where the two engines differ: %s',
    (source) => {
      expect(() => compilePattern(source)).toThrow(/cannot be run/)
    }
  )
})

const withFormat = (response_format: ChatRequest['response_format']): ChatRequest => ({
  model: 'm',
  messages: [],
  response_format,
})

describe('response formats', () => {
  const formats = createAnswerFormats()
  it('may ask for any text', () => {
    for (const format of [undefined, null, { type: 'text' }]) {
      expect(formats.unsupported(withFormat(format), '')).toBeNull()
      expect(formats.faultOf('free text', withFormat(format), '')).toBeNull()
    }
  })

  it('may ask for an object', () => {
    const request = withFormat({ type: 'json_object' })
    expect(formats.unsupported(request, 'd')).toBeNull()
    expect(formats.faultOf('{}', request, 'd')).toBeNull()
    for (const answer of ['42', '[]', 'null', '"a"']) {
      expect(formats.faultOf(answer, request, 'd')).toBe('not-valid')
    }
    expect(formats.faultOf('{"a":1,"a":1}', request, 'd')).toBe('not-json')
  })

  it('of another type are not supported', () => {
    const request = withFormat({ type: 'grammar', grammar: 'root ::= "a"' })
    expect(formats.unsupported(request, 'd')).toMatch(/grammar/)
    expect(formats.faultOf('{}', request, 'd')).toBe('not-valid')
  })

  it('are compiled once, and more of them than are kept are compiled again', () => {
    const kept = createAnswerFormats()
    let reads = 0
    const counted = new Proxy(
      { type: 'object' },
      { ownKeys: (target) => (reads++, Reflect.ownKeys(target)) }
    )
    const request = requestFor(counted)
    kept.faultOf('{}', request, 'first')
    const once = reads
    expect(once).toBeGreaterThan(0)
    expect(kept.faultOf('{}', request, 'first')).toBeNull()
    expect(kept.faultOf('[]', request, 'first')).toBe('not-valid')
    expect(reads).toBe(once)
    for (let i = 0; i < 1000; i++) kept.unsupported(requestFor(true), `other-${i}`)
    expect(kept.faultOf('{}', request, 'first')).toBeNull()
    expect(reads).toBe(2 * once)
  })
})
