import { array, assert, asyncProperty, constantFrom, jsonValue } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDocument, readValues, type Value } from '../../src/cli/log-file/read-log.ts'

const read = async (pieces: Buffer[], maxBytes = 1000): Promise<Value[]> => {
  async function* chunks(): AsyncGenerator<Buffer> {
    yield* pieces
  }
  const values: Value[] = []
  for await (const value of readValues(chunks(), maxBytes)) values.push(value)
  return values
}

const textsOf = async (text: string, maxBytes?: number): Promise<(string | null)[]> =>
  (await read([Buffer.from(text)], maxBytes)).map((value) => value.text)

describe('a document', () => {
  it.each([
    ['a list', '[{"a":1}]', true],
    ['a list after a byte order mark and blanks', '\uFEFF \n[', true],
    ['an object that goes on in the next line', '{\n  "a": 1\n}', true],
    ['an object with its first member on the first line', '{"data": [\r\n{}]}', true],
    ['an object on one line', '{"a":[1]}', false],
    ['lines', '{"a":1}\n{"a":2}\n', false],
    ['one line of which the head ends within it', '{"a":[', false],
    ['text', 'a,b\n', false],
    ['nothing', '', false],
  ])('is not a file of lines: %s', (_, head, expected) => {
    expect(isDocument(Buffer.from(head))).toBe(expected)
  })
})

describe('values of a document', () => {
  it('are the members of a list, or follow one another', async () => {
    expect(await textsOf('[{"a":[1,2]}, {"b":"]}"},\n3,"x, y"]')).toEqual([
      '{"a":[1,2]}',
      '{"b":"]}"}',
      '3',
      '"x, y"',
    ])
    expect(await textsOf('{\n"a":1}\n{\n"b":"\\"}"}')).toEqual(['{\n"a":1}', '{\n"b":"\\"}"}'])
    expect(await textsOf('\uFEFF[]\n[{}]')).toEqual(['{}'])
  })

  it('have the line on which they begin, and their place', async () => {
    const values = await read([Buffer.from('[\n  {\n    "a": "b\\nc"\n  }, {},\n  {}\n]')])
    expect(values.map(({ number, place }) => [number, place])).toEqual([
      [2, 1],
      [4, 2],
      [5, 3],
    ])
  })

  it('are the same wherever the file is split', async () => {
    const file = Buffer.from('\uFEFF[{"a":"é卡🙂\\\\\\""},\r\n {"b":[{},[]]} ,null]')
    const whole = await read([file])
    expect(whole).toHaveLength(3)
    for (let at = 0; at <= file.length; at++)
      expect(await read([file.subarray(0, at), file.subarray(at)])).toEqual(whole)
  })

  it('have no text over the limit, after which the next one is read', async () => {
    expect(await textsOf('[{"a":"long"},{"b":1}]', 7)).toEqual([null, '{"b":1}'])
  })

  it('that are torn or garbage do not hide the ones after them', async () => {
    expect(await textsOf('[{"a":1},{"b":')).toEqual(['{"a":1}', '{"b":'])
    expect(await textsOf('[}],{"a":1}')).toEqual(['}', '{"a":1}'])
  })

  it('are those that JSON.parse reads', () =>
    assert(
      asyncProperty(array(jsonValue()), constantFrom(0, 2), async (values, blanks) => {
        const texts = await textsOf(JSON.stringify(values, null, blanks), 1e6)
        expect(texts.map((text) => JSON.parse(text!) as unknown)).toEqual(
          JSON.parse(JSON.stringify(values))
        )
      })
    ))
})
