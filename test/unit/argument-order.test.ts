import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { argumentsText } from '../../src/core/answer/calls.ts'
import { canonicalJson } from '../../src/core/json.ts'

const properties = (...names: string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, {}])),
})

describe('the text of arguments', () => {
  it.each<[string, object, unknown, string]>([
    ['named ones first', { a: 1, b: 2, z: 3 }, properties('z', 'b'), '{"z":3,"b":2,"a":1}'],
    [
      'in objects and lists within',
      { list: [{ a: 1, b: { c: 1, d: 2 } }] },
      {
        properties: {
          list: { items: { properties: { b: properties('d', 'c'), a: {} } } },
        },
      },
      '{"list":[{"b":{"d":2,"c":1},"a":1}]}',
    ],
    [
      'by what it refers to, also to itself',
      { next: { next: null, name: 'b' }, name: 'a' },
      {
        $ref: '#/$defs/node',
        $defs: {
          node: {
            properties: { name: {}, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
          },
        },
      },
      '{"name":"a","next":{"name":"b","next":null}}',
    ],
    ['a circle of references', { b: 1, a: 2 }, { $ref: '#' }, '{"b":1,"a":2}'],
    ['a reference that leads nowhere', { b: 1, a: 2 }, { $ref: '#/$defs/none' }, '{"b":1,"a":2}'],
    ['numbers as names', { a: 1, 2: 1 }, properties('a', '2'), '{"2":1,"a":1}'],
    ['no schema', { b: 1, a: [2] }, null, '{"b":1,"a":[2]}'],
    ['a schema that is none', { b: 1 }, { properties: 7, anyOf: { a: 1 } }, '{"b":1}'],
  ])('has the order of its schema: %s', (_, given, schema, text) => {
    expect(argumentsText(given as Record<string, unknown>, schema)).toBe(text)
  })

  it('has the same value for any schema', () => {
    const schemas = fc.oneof(
      fc.jsonValue(),
      fc.array(fc.string()).map((names) => properties(...names))
    )
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), schemas, (given, schema) => {
        const read = JSON.parse(argumentsText(given, schema)) as unknown
        expect(canonicalJson(read)).toBe(canonicalJson(given))
      })
    )
  })
})
