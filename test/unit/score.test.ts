import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chrF } from '../../src/core/answer/score-chrf.ts'
import { fieldF1 } from '../../src/core/answer/score-json.ts'
import { canonicalJson } from '../../src/core/json.ts'
import {
  detectResponseType,
  knownLabels,
  rowsUntilLabels,
  similarity,
} from '../../src/core/answer/score.ts'

const cycle = (values: string[], count: number) =>
  Array.from({ length: count }, (_, i) => values[i % values.length]!)
const labels77 = Array.from({ length: 77 }, (_, i) => `intent_${i}`)

const varied = (make: (i: number) => string) => Array.from({ length: 300 }, (_, i) => make(i))

describe('knownLabels', () => {
  it('takes 77 labels from 1,500 rows as a closed set, most frequent first', () => {
    const answers = [...cycle(labels77, 1500), ...cycle(['intent_9'], 50)]
    expect(knownLabels(answers)).toHaveLength(77)
    expect(knownLabels(answers)![0]).toBe('intent_9')
  })

  it('does not close a set of which much is still unseen', () => {
    const rare = Array.from({ length: 40 }, (_, i) => `rare_${i}`)
    expect(knownLabels([...cycle(labels77, 400), ...rare])).toBeNull()
    expect(knownLabels(cycle(labels77, 200))).toBeNull()
  })

  it('has no labels for varied, long or missing answers', () => {
    expect(knownLabels(Array.from({ length: 500 }, (_, i) => `order ${i}`))).toBeNull()
    expect(knownLabels(cycle(['x'.repeat(200), 'y'], 100))).toBeNull()
    expect(knownLabels(cycle(['yes\nbecause', 'no'], 100))).toBeNull()
    expect(knownLabels([])).toBeNull()
  })

  it('keeps labels byte for byte', () => {
    expect(knownLabels(cycle(['Yes', 'NO '], 100))).toEqual(['NO ', 'Yes'])
  })
})

describe('rowsUntilLabels', () => {
  it('is what answers that recur need to become labels', () => {
    expect(rowsUntilLabels(cycle(labels77, 200))).toBe(4 * 77 - 200)
    // 60 of 77 are seen once: 5 % of 1,200 rows
    const rare = [...cycle(labels77.slice(0, 17), 160), ...labels77.slice(17)]
    expect(rowsUntilLabels(rare)).toBe(60 / 0.05 - 220)
    expect(knownLabels(rare)).toBeNull()
  })

  it('is null for labels, for answers that never recur, and for more than 500 answers', () => {
    expect(rowsUntilLabels(cycle(labels77, 1500))).toBeNull()
    expect(rowsUntilLabels(varied((i) => `answer ${i}`))).toBeNull()
    expect(rowsUntilLabels(Array.from({ length: 1500 }, (_, i) => `answer ${i % 501}`))).toBeNull()
    expect(rowsUntilLabels(['a\nb', 'a\nb', 'c', 'c'])).toBeNull()
    expect(rowsUntilLabels([])).toBeNull()
  })
})

describe('detectResponseType', () => {
  it('reads the type off the answers', () => {
    expect(detectResponseType(cycle(['yes', 'no'], 60))).toBe('label')
    expect(detectResponseType(varied((i) => `{"people": "${i}"}`))).toBe('json')
    expect(detectResponseType(varied((i) => `SELECT name FROM t WHERE id = ${i}`))).toBe('code')
    expect(detectResponseType(varied((i) => `find . -name "*.${i}" | wc -l`))).toBe('code')
    expect(detectResponseType(varied((i) => `=SUMIFS(B2:B${i},A2:A${i},">5")`))).toBe('code')
    expect(detectResponseType(varied((i) => `Your order ${i} has left the house.`))).toBe(
      'short-text'
    )
    expect(detectResponseType(varied((i) => `${i} ${'A long story. '.repeat(40)}`))).toBe(
      'free-text'
    )
  })

  it('is not misled by plain English', () => {
    const sentences = [
      (i: number) => `use the ${i} option - it is better, and/or ask us`,
      (i: number) => `Please send it to branch ${i}`,
      (i: number) => `we can do that on day ${i}`,
    ]
    for (const sentence of sentences)
      expect(detectResponseType(varied((i) => `${sentence(i)}.`))).toBe('short-text')
  })

  it('has something to say about no answers at all', () => {
    expect(detectResponseType([])).toBe('free-text')
  })
})

describe('similarity', () => {
  it('takes JSON for equal whatever its order and blanks', () => {
    expect(similarity('json', '{"a":1,"b":[1,2]}', '{ "b": [1, 2], "a": 1 }')).toBe(1)
    expect(similarity('json', '```json\n{"a":1}\n```', '{"a":1}')).toBe(1)
  })

  it('grades JSON that differs by its fields, and never to 1', () => {
    expect(similarity('json', '{"a":1,"b":2}', '{"a":1,"b":3}')).toBeCloseTo(0.5)
    expect(similarity('json', '{"a":[1,2]}', '{"a":[2,1]}')).toBe(0.999)
    expect(similarity('json', 'no json', '{}')).toBe(0)
    expect(similarity('json', '{}', '{"a":1}')).toBe(0)
  })

  it('compares labels without case, quotes and full stop', () => {
    expect(similarity('label', ' "Card_Arrival". ', 'card_arrival')).toBe(1)
    expect(similarity('label', 'card_delivery', 'card_arrival')).toBe(0)
  })

  it('compares SQL without case and blanks, but strings as they are', () => {
    const logged = "SELECT a , b FROM t WHERE name = 'Ann  Lee'"
    expect(similarity('code', "select a,b from t where name='Ann  Lee';", logged)).toBe(1)
    expect(similarity('code', "select a,b from t where name='ann  lee'", logged)).toBe(0)
  })

  it('compares shell commands with their case', () => {
    expect(similarity('code', 'grep  -v x', 'grep -v x')).toBe(1)
    expect(similarity('code', 'grep -V x', 'grep -v x')).toBe(0)
    expect(similarity('code', '```bash\ngrep -v x\n```', 'grep -v x')).toBe(1)
  })

  it('grades text, but not text of a few words', () => {
    const logged = 'Your parcel will be delivered on Monday before noon.'
    const near = similarity(
      'short-text',
      'Your parcel will be delivered on Monday by noon.',
      logged
    )
    expect(near).toBeGreaterThan(0.8)
    expect(near).toBeLessThan(1)
    expect(similarity('short-text', 'We cannot help you with that.', logged)).toBeLessThan(0.3)
    expect(similarity('short-text', 'top_up_limits', 'top_up_failed')).toBe(0)
  })

  it('is 1 for equal answers and within 0 and 1 for any', () => {
    const type = fc.constantFrom('json', 'label', 'code', 'short-text', 'free-text' as const)
    fc.assert(
      fc.property(type, fc.string(), fc.string(), (kind, a, b) => {
        const value = similarity(kind, a, b)
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(1)
        if (kind !== 'json') expect(similarity(kind, a, a)).toBe(1)
      })
    )
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(similarity('json', json, json)).toBe(1)
      })
    )
  })
})

describe('chrF', () => {
  it('gives the hand-computed value', () => {
    // orders 1, 2, 3: precision 1, 1, 1; recall 3/4, 2/3, 1/2 → P 1, R 23/36, F2
    const recall = (3 / 4 + 2 / 3 + 1 / 2) / 3
    expect(chrF('abc', 'abcd')).toBeCloseTo((5 * recall) / (4 + recall), 9)
  })

  it('weighs a missing part heavier than an added one', () => {
    expect(chrF('the red car', 'the red car stops here')).toBeLessThan(
      chrF('the red car stops here', 'the red car')
    )
  })
})

const deep = (inner: string) => '['.repeat(100_000) + inner + ']'.repeat(100_000)

describe('JSON comparison', () => {
  it('is canonical: equal text exactly for equal values', () => {
    const value = { b: [1, { d: null, c: undefined }], a: 'x"', f: [], e: {} }
    expect(canonicalJson(value)).toBe('{"a":"x\\"","b":[1,{"d":null}],"e":{},"f":[]}')
    expect([undefined, [undefined]].map(canonicalJson)).toEqual(['null', '[null]'])
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(JSON.parse(canonicalJson(json))).toEqual(JSON.parse(JSON.stringify(json)))
        expect(fieldF1(json, json)).toBe(1)
      })
    )
  })

  it('compares answers that are nested deeper than the stack', () => {
    expect(similarity('json', deep('1'), deep('1'))).toBe(1)
    expect(similarity('json', deep('1'), deep('2'))).toBe(0)
  })
})
