import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findJson, styleOf, writeJson } from '../../src/core/form/json/style.ts'
import { keyOf, readJsonAt, valueOf } from '../../src/core/form/json/value.ts'

/** Python's `json.dumps` with `ensure_ascii`. */
const ascii = (json: string): string =>
  json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  )

const spaced = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([name, inner]) => `${JSON.stringify(name)}: ${spaced(inner)}`)
    .join(', ')}}`
}

const WRITERS: [name: string, write: (value: unknown) => string][] = [
  ['compact', (value) => JSON.stringify(value)],
  ['spaced', spaced],
  ['indented by 2', (value) => JSON.stringify(value, null, 2)],
  ['indented by 4', (value) => JSON.stringify(value, null, 4)],
  ['indented by tabs', (value) => JSON.stringify(value, null, '\t')],
  ['ASCII', (value) => ascii(spaced(value))],
  ['with escaped slashes', (value) => JSON.stringify(value).replaceAll('/', '\\/')],
  ['fenced', (value) => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``],
  ['within a sentence', (value) => `Here it is: ${JSON.stringify(value)} Anything else?\n`],
]

const VALUES = [
  { name: 'Zoë 👍', list: ['a/b', 'c'], nested: { empty: {}, none: [] }, text: 'a\n"b"\u0007' },
  { name: 'مرحبا', list: [], nested: { empty: {}, none: [] }, text: '' },
]

describe("an upstream's way to write JSON", () => {
  it.each(WRITERS)('%s is found and written again', (_, write) => {
    const answers = VALUES.map(write)
    const found = answers.map((answer) => findJson(answer)!)
    const style = styleOf(found)
    expect(found.map(({ value }) => writeJson(value, style))).toEqual(answers)
  })

  it('keeps lists of scalars on one line where the upstream does', () => {
    const answer = '{\n  "tags": ["a", "b"],\n  "items": [\n    {\n      "n": 1\n    }\n  ]\n}'
    const found = findJson(answer)!
    expect(writeJson(found.value, styleOf([found]))).toBe(answer)
  })

  it('is found for any value', () => {
    fc.assert(
      fc.property(
        fc.record({ a: fc.jsonValue({ maxDepth: 3 }), b: fc.string({ unit: 'binary' }) }),
        fc.constantFrom(...WRITERS),
        (value, [, write]) => {
          // "__proto__" as a name is not written by the plain writers above
          fc.pre(!JSON.stringify(value).includes('__proto__'))
          const answer = write(value)
          const found = findJson(answer)!
          expect(writeJson(found.value, styleOf([found]))).toBe(answer)
        }
      )
    )
  })
})

describe('JSON values', () => {
  it('keep numbers as they are written', () => {
    const text = '[12345678901234567890123,1.50,-0,1e400]'
    expect(keyOf(valueOf(text))).toBe(text)
  })

  it.each([
    ['{"a":1,"a":2}', 'a name twice'],
    ['{"a":01}', 'a number with a zero before'],
    ['{"a":"\n"}', 'a line break in a string'],
    ['{"a":1,}', 'a comma at the end'],
    ['{"a":"', 'an open string'],
    ['['.repeat(100_000), 'deep nesting'],
    ['{a:1}', 'a name without quotes'],
  ])('%.20s is none: %s', (text) => {
    expect(readJsonAt(text, 0)).toBeNull()
  })

  it('are read as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const read = readJsonAt(json, 0)
        fc.pre(!json.includes('__proto__'))
        expect(read).not.toBeNull()
        expect(JSON.parse(keyOf(read!.value))).toEqual(JSON.parse(json))
      })
    )
  })

  it('are found behind braces that are none', () => {
    expect(findJson('Use {name}: {"a": 1}.')).toMatchObject({ prefix: 'Use {name}: ', suffix: '.' })
    expect(findJson('no JSON')).toBeNull()
    expect(findJson('{'.repeat(100))).toBeNull()
  })
})
