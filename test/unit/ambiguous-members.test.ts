import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { findAmbiguousMember } from '../../src/core/request/ambiguous-members.ts'

const find = (text: string) => findAmbiguousMember(Buffer.from(text), 'chat')

const nested = (depth: number, open: string, close: string): string =>
  `{"tools":${open.repeat(depth)}1${close.repeat(depth)}}`

describe('ambiguous members of a request', () => {
  it('are not found in JSON of a serializer, however it is spaced', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom('a"b', '\\', '{', 'é', '__proto__'))
    const value = fc.jsonValue({ maxDepth: 4 })
    const request = fc.record({
      model: fc.string(),
      messages: fc.array(
        fc.record({
          role: fc.constantFrom('user', 'system'),
          content: fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.array(fc.record({ type: fc.constant('text'), text: fc.string() }))
          ),
        })
      ),
      tools: fc.array(fc.record({ type: fc.string(), parameters: value })),
      functions: fc.array(fc.dictionary(name, value)),
      response_format: value,
    })
    fc.assert(
      fc.property(request, fc.constantFrom(0, 2, '\t'), (body, indent) => {
        expect(find(JSON.stringify(body, null, indent))).toBeNull()
      }),
      { numRuns: 200 }
    )
  })

  it('are found wherever an object has a name twice', () => {
    const objects = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue(), { minKeys: 1 })
    fc.assert(
      fc.property(objects, fc.nat(), fc.nat(8), (object, place, depth) => {
        const names = Object.keys(object)
        const name = names[place % names.length]!
        const text = JSON.stringify(object)
        const twice = `${text.slice(0, -1)},${JSON.stringify(name)}:0}`
        const found = find(`{"functions":${'['.repeat(depth)}${twice}${']'.repeat(depth)}}`)
        expect(found).toMatchObject({ name, why: 'twice' })
        // the second name in another spelling of the same string
        const escaped = `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}`
        const rest = JSON.stringify(name.slice(1)).slice(1)
        expect(find(`{"functions":${text.slice(0, -1)},"${escaped}${rest}:0}}`)).toMatchObject({
          name,
          why: 'twice',
        })
      })
    )
  })

  it('are names that differ only in case, in objects with known names alone', () => {
    expect(find('{"Model":"a"}')).toEqual({ name: 'Model', why: 'spelling', meant: 'model' })
    expect(find('{"stream_options":{"includeUsage":true}}')).toMatchObject({ why: 'spelling' })
    expect(find('{"tools":[{},{"Type":"mcp"}]}')).toMatchObject({ name: 'Type', why: 'spelling' })
    expect(find('{"top_p":1,"topP":2}')).toMatchObject({ name: 'topP', why: 'twice' })
    for (const text of [
      '{"tools":[{"properties":{"userId":1,"user_id":1,"Model":1}}]}',
      '{"metadata":{"Foo":1,"foo":2,"MODEL":3}}',
      '{"messages":[{"role":"a","content":"{\\"model\\":1,\\"model\\":2}"}]}',
      '{"messages":[{"role":"a"},{"role":"b"}],"x_vendor":{"a":{},"b":{}}}',
    ])
      expect([text, find(text)]).toEqual([text, null])
  })

  it('are assumed in a body with too many values', () => {
    const members = Array.from({ length: 100_001 }, (_, i) => `"${i}":0`)
    for (const text of [
      nested(1_000_000, '[', ']'),
      nested(1_000_000, '{"a":', '}'),
      `{"tools":[${'{},'.repeat(200_000)}1]}`,
      `{${members.join()}}`,
    ])
      expect(find(text)).toMatchObject({ why: 'too-complex' })
    expect(find(nested(100, '[', ']'))).toBeNull()
  })

  it('are not searched beyond the end of broken JSON', () => {
    for (const text of ['', '{', '"', '{"a', '{"a\\', ']]]]', '{"a":1}}}{"a":1,'])
      expect(find(text)).toBeNull()
  })

  it('are found in linear time: a text of 4 MB with 40,000 lines once took 6 s', () => {
    const content = `${'x'.repeat(100)}\n`.repeat(4000)
    const bytes = Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }] }))
    const search = vi.spyOn(bytes, 'indexOf')
    expect(findAmbiguousMember(bytes, 'chat')).toBeNull()
    const searched = search.mock.calls.map(([, from], call) => {
      const at = search.mock.results[call]!.value as number
      return (at < 0 ? bytes.length : at) - Number(from)
    })
    expect(searched.reduce((sum, each) => sum + each, 0)).toBeLessThan(3 * bytes.length)
  })
})
