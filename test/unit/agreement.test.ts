import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  agree,
  foldsOf,
  NO_FOLDS,
  outcomesAgree,
  type Comparison,
  type Folds,
} from '../../src/core/answer/agreement.ts'
import {
  detectResponseType,
  knownLabels,
  listedIn,
  rowsUntilLabels,
  type ResponseType,
} from '../../src/core/answer/response-type.ts'
import { callsText } from '../../src/core/answer/calls.ts'
import { canonicalJson } from '../../src/core/json.ts'

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

  it('needs half as many rows for labels that the prompt lists, also where many are seen once', () => {
    const isListed = listedIn(`Labels: ${labels77.join(', ')}.`)
    expect(knownLabels(cycle(labels77, 200), isListed)).toHaveLength(77)
    expect(knownLabels(cycle(labels77, 150), isListed)).toBeNull()
    expect(rowsUntilLabels(cycle(labels77, 200), isListed)).toBeNull()
    const rare = [...cycle(labels77.slice(0, 17), 160), ...labels77.slice(17)]
    expect(knownLabels(rare, isListed)).toHaveLength(77)
    // answers beside the list must recur as always
    const others = Array.from({ length: 20 }, (_, i) => `rare_${i}`)
    expect(knownLabels([...cycle(labels77, 200), ...others], isListed)).toBeNull()
    expect(detectResponseType(cycle(labels77, 200))).toBe('short-text')
    expect(detectResponseType(cycle(labels77, 200), isListed)).toBe('label')
  })

  it.each([
    ['card_arrival', 'one of card_arrival, lost_card', true],
    ['card', 'one of card_arrival, lost_card', false],
    ['arrival', 'one of card_arrival, lost_card', false],
    ['no', 'yes or no', true],
    ['no', 'nothing, or not now', false],
    ['A', 'answer A or B', true],
    ['müde', 'hundemüde', false],
    ['', 'anything', false],
  ])('finds %j listed in %j: %s', (label, prompt, expected) => {
    expect(listedIn(prompt)(label)).toBe(expected)
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

const compare = (responseType: ResponseType, folds: Partial<Folds> = {}): Comparison => ({
  responseType,
  folds: { ...NO_FOLDS, ...folds },
})

const agreeAs = (responseType: ResponseType, one: string, other: string, folds?: Partial<Folds>) =>
  agree(compare(responseType, folds), one, other)

/** Pairs of sentences of which a program, or a reader in a hurry, might take one for the other. */
const REVERSED: [string, string][] = [
  ['Your refund request has been approved.', 'Your refund request has not been approved.'],
  ['Take ibuprofen 200 mg with food.', 'Take ibuprofen 800 mg with food.'],
  ['The contract ends on 12 May 2026 at noon.', 'The contract ends on 12 May 2027 at noon.'],
  ['The total amount is 1,250.00 euros.', 'The total amount is 1,520.00 euros.'],
  ['The request of the tenant was rejected.', 'The request of the tenant was approved.'],
  ['The generator delivers 5 mW at most.', 'The generator delivers 5 MW at most.'],
  ['Please forward it to US, the sales team.', 'Please forward it to us, the sales team.'],
  ['The area is 10² square metres in total.', 'The area is 102 square metres in total.'],
  ["The shelf is 5' high and fits", 'The shelf is 5" high and fits'],
  ['Transfer the money from Ann Lee to Bob Ray', 'Transfer the money from Bob Ray to Ann Lee'],
]

describe('written answers', () => {
  it.each(REVERSED)('that say two things do not agree: %s', (one, other) => {
    for (const type of ['short-text', 'free-text', 'label'] as const) {
      expect(agreeAs(type, one, other)).toBe(false)
    }
  })

  it.each([
    ['Done.', 'Done'],
    ['"Your parcel is on its way."', 'Your parcel is on its way'],
    ['  two  blanks ', 'two blanks'],
    ['one line \r\nand another', 'one line\nand another'],
    ['caf\u00e9 open', 'cafe\u0301 open'],
  ])('agree where nothing that has a meaning differs: %j and %j', (one, other) => {
    for (const type of ['short-text', 'free-text', 'label'] as const)
      expect(agreeAs(type, one, other)).toBe(true)
  })

  it.each([
    ['a line\nanother', 'a line another'],
    ["5'", '5"'],
    ['"a" or "b"', 'a" or "b'],
    ['wait..', 'wait'],
    ['Yes', 'yes'],
    ['Ann\tLee\t\tBoston', 'Ann\tLee\tBoston'],
    ['New York\tUSA', 'New\tYork USA'],
    ['  a: 1\n  b: 2', 'a: 1\n  b: 2'],
  ])('keep line breaks, marks that belong to them and their case: %j and %j', (one, other) => {
    expect(agreeAs('short-text', one, other)).toBe(false)
  })
})

describe('labels', () => {
  const upper = { case: true }

  it('are compared without case where the log has no two that differ by it alone', () => {
    expect(foldsOf('label', ['Card_Arrival', 'top_up', 'Card_Arrival'])).toEqual({
      case: true,
      forms: true,
    })
    expect(agreeAs('label', ' "Card_Arrival". ', 'card_arrival', upper)).toBe(true)
    expect(agreeAs('label', 'card_delivery', 'card_arrival', upper)).toBe(false)
  })

  it.each([
    [['mW', 'MW', 'kW'], { case: false, forms: true }],
    [['US', 'us'], { case: false, forms: true }],
    [['10²', '102'], { case: true, forms: false }],
    [['mW', 'MW', '10²', '102'], { case: false, forms: false }],
    // alone each fold would do, but not both together
    [['A²', 'a2'], { case: true, forms: false }],
  ])('%j are told apart', (labels, folds) => {
    expect(foldsOf('label', labels)).toEqual(folds)
    const comparison = compare('label', folds)
    const [first, second] = labels
    expect(agree(comparison, first!, second!)).toBe(false)
  })

  it('sentences have no folds, since each of them is logged once', () => {
    expect(foldsOf('short-text', ['It has 5 MW.', 'It has 7 kW.'])).toEqual(NO_FOLDS)
  })
})

describe('JSON', () => {
  it('agrees whatever its order and blanks', () => {
    expect(agreeAs('json', '{"a":1,"b":[1,2]}', '{ "b": [1, 2], "a": 1.0 }')).toBe(true)
    expect(agreeAs('json', '```json\n{"a":1}\n```', '{"a":1}')).toBe(true)
    expect(agreeAs('json', '{"a":"Yes"}', '{"a":"yes"}')).toBe(false)
  })

  it('keeps every digit of a number, also one that a double cannot hold', () => {
    const [one, other] = ['{"id":12345678901234567890}', '{"id":12345678901234567891}']
    expect(agreeAs('json', one, other)).toBe(false)
    expect(agreeAs('json', one, '{"id": 1234567890123456789.0e1}')).toBe(true)
    expect(agreeAs('json', '[0.1234567890123456789]', '[0.1234567890123456788]')).toBe(false)
    expect(agreeAs('json', one, '{"id":"12345678901234567890"}')).toBe(false)
    expect(agreeAs('json', '{"id":"12345678901234567890"}', '{"id":"12345678901234567890"}')).toBe(
      true
    )
  })

  it('agrees with no half character that stands for a number', () => {
    const forged = '{"id":"\\ud8001234567890123456789e1"}'
    for (const half of [forged, forged.replace('\\ud800', '\ud800')]) {
      expect(agreeAs('json', '{"id":12345678901234567890}', half)).toBe(false)
      expect(agreeAs('json', half, half)).toBe(true)
    }
    expect(agreeAs('json', '{"a":"\\ud83d\\ude42","b":1}', '{"b":1,"a":"🙂"}')).toBe(true)
  })

  it('agrees with no text that is none', () => {
    expect(agreeAs('json', '{"a":1}.', '{"a":1}')).toBe(false)
    expect(agreeAs('json', '`{"a":1}`', '{"a":1}')).toBe(false)
    expect(agreeAs('json', 'sorry', ' sorry')).toBe(true)
  })

  it('with a name twice in an object agrees with its own text alone', () => {
    expect(agreeAs('json', '{"a":1,"a":2}', '{"a":2}')).toBe(false)
    expect(agreeAs('json', '{"a":1,"a":2}', '{"a":1,"a":2}')).toBe(true)
  })
})

describe('code', () => {
  it('agrees in SQL without blanks, and without case where the log allows it, but strings as they are', () => {
    const logged = "SELECT a , b FROM t WHERE name = 'Ann  Lee'"
    expect(
      agreeAs('code', "select a,b from t where name='Ann  Lee';", logged, { case: true })
    ).toBe(true)
    expect(agreeAs('code', "select a,b from t where name='Ann  Lee';", logged)).toBe(false)
    expect(agreeAs('code', "select a,b from t where name='ann  lee'", logged, { case: true })).toBe(
      false
    )
    expect(foldsOf('code', ['SELECT a FROM t', 'SELECT A FROM t'])).toEqual(NO_FOLDS)
  })

  it('agrees in shell commands with their case', () => {
    expect(agreeAs('code', 'grep -V x', 'grep -v x', { case: true })).toBe(false)
    expect(agreeAs('code', '```bash\ngrep -v x\n```', 'grep -v x')).toBe(true)
  })

  it.each([
    ['if a:\n  b()\n  c()', 'if a:\n  b()\nc()'],
    ['ls\nrm x', 'ls rm x'],
    ['echo "a  b"', 'echo "a b"'],
    ["x = 1 # don't\ny = 'a  b'", "x = 1 # don't\ny = 'a b'"],
    ["SELECT 'C:\\' || 'ABC'", "SELECT 'C:\\' || 'abc'"],
    ['SELECT a -- b\nFROM t', 'SELECT a -- b FROM t'],
    ['f(x)', 'f(x);'],
    [
      'with open(p) as f:\n    a = f.read()\n    n += 1',
      'with open(p) as f:\n    a = f.read()\nn += 1',
    ],
    ['with a as f:\n    X = f.read()', 'with a as f:\n    x = f.read()'],
    ['delete obj.x\n++y', 'delete obj.x\n++ y'],
    ['select f in A; do x; done', 'select f in a; do x; done'],
    ['SELECT $$Paid  in full$$', 'SELECT $$paid in full$$'],
    ['SELECT [Total (net)] FROM t', 'SELECT [Total(net)] FROM t'],
    ['=SUM(T[Net  (USD)])', '=SUM(T[Net (USD)])'],
    ['x.match(/a  b/)', 'x.match(/a b/)'],
    ['<pre>a  b</pre>', '<pre>a b</pre>'],
    ['    return a\n    return b', 'return a\n    return b'],
  ])('keeps what may have a meaning: %j and %j', (one, other) => {
    expect(agreeAs('code', one, other, { case: true })).toBe(false)
  })
})

describe('agreement', () => {
  const types = fc.constantFrom(
    'json',
    'label',
    'code',
    'calls',
    'short-text',
    'free-text' as const
  )
  const folds = fc.record({ case: fc.boolean(), forms: fc.boolean() })
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    fc.constantFrom('a', 'A', ' a.', '"a"', "a'", '[[call]] f {}')
  )

  it('is an equivalence: of itself, both ways, and through a third', () => {
    fc.assert(
      fc.property(types, folds, texts, texts, texts, (responseType, fold, a, b, c) => {
        const comparison = { responseType, folds: fold }
        expect(agree(comparison, a, a)).toBe(true)
        expect(agree(comparison, a, b)).toBe(agree(comparison, b, a))
        if (agree(comparison, a, b) && agree(comparison, b, c))
          expect(agree(comparison, a, c)).toBe(true)
      })
    )
  })

  it('never folds away a difference between two logged answers', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom('a', 'A', 'b', 'B', '²', '2', 'ﬁ', 'fi', 'FI')),
        (logged) => {
          const comparison = { responseType: 'label' as const, folds: foldsOf('label', logged) }
          for (const one of logged)
            for (const other of logged) expect(agree(comparison, one, other)).toBe(one === other)
        }
      )
    )
  })

  it('of outcomes that are no text is that of their kinds', () => {
    const comparison = compare('label')
    expect(outcomesAgree(comparison, { kind: 'refusal' }, { kind: 'refusal' })).toBe(true)
    expect(outcomesAgree(comparison, { kind: 'refusal' }, { kind: 'filtered' })).toBe(false)
    expect(outcomesAgree(comparison, { kind: 'refusal' }, { kind: 'text', text: 'a' })).toBe(false)
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
      })
    )
  })

  it('compares answers that are nested deeper than the stack', () => {
    expect(agreeAs('json', deep('1'), deep('1'))).toBe(true)
    expect(agreeAs('json', deep('1'), deep('2'))).toBe(false)
  })
})

const callWith = (json: string) => [{ type: 'function', function: { name: 'f', arguments: json } }]

/** Each took quadratic time, which is minutes at this size. */
const LENGTH = 400_000
describe('long answers', () => {
  it.each([
    ['zeros within a number', 'json', `{"a":1${'0'.repeat(LENGTH)}1}`],
    ['a string that is not closed', 'json', `{"a":"${'\\"'.repeat(LENGTH / 2)}`],
    ['inner blanks', 'json', `{"a":1,${' '.repeat(LENGTH)}"b":2}`],
    ['inner line breaks', 'short-text', `a${'\n'.repeat(LENGTH)}b`],
    ['full stops', 'short-text', 'a' + ' .'.repeat(LENGTH / 2)],
    ['blanks in SQL', 'code', `SELECT a${' '.repeat(LENGTH)}FROM t`],
    ['blanks after UPDATE', 'code', `UPDATE a${' '.repeat(LENGTH)}b`],
    ['names after WITH', 'code', `WITH ${'a '.repeat(LENGTH / 2)}`],
  ] as const)('are compared in little time: %s', (_case, type, answer) => {
    expect(agreeAs(type, answer, `${answer} x`)).toBe(false)
    expect(agreeAs(type, answer, answer)).toBe(true)
    expect(detectResponseType(Array.from({ length: 20 }, () => answer))).toBeDefined()
  })

  it('are read in little time as arguments of a call', () => {
    expect(callsText(callWith(`{"a":1${'0'.repeat(LENGTH)}1}`))).toBeNull()
    expect(callsText(callWith(`{"a":"${'\\"'.repeat(LENGTH / 2)}`))).toBeNull()
  })
})
