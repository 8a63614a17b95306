import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeTargets } from '../../src/core/form/decode-targets.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { sizesOf, type CopiedNode, type Form, type FormNode } from '../../src/core/form/form.ts'
import { readTargets } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { beginOf, insideOf, type FieldScores } from '../../src/core/form/targets.ts'
import { wordsOf } from '../../src/core/form/words.ts'
import { seededRandom } from '../../src/random.ts'
import { GRAMMAR_NAMES, grammarRows, soleSource } from '../kit/form-grammars.ts'
import { sureScores } from '../kit/form-scores.ts'
import { cpuMsOf } from '../kit/linear.ts'

const copied = (field: number, more: Partial<CopiedNode> = {}): CopiedNode => ({
  kind: 'copied',
  field,
  as: 'string',
  chain: ['identity'],
  otherwise: null,
  context: { rows: 0, words: {} },
  examples: [],
  ...more,
})

const formOf = (nodes: FormNode[]): Form => ({
  style: {
    prefix: '',
    suffix: '',
    indent: null,
    comma: ',',
    colon: ':',
    padding: '',
    inlineLists: false,
    isAscii: false,
    escapesSlash: false,
  },
  root: {
    kind: 'object',
    members: nodes.map((node, at) => ({ name: `m${at}`, node })),
    orders: [],
  },
})

/** Logarithms of a random distribution for each row. */
const randomRows = (rows: number, width: number, random: () => number): Float32Array => {
  const scores = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    const weights = Array.from({ length: width }, () => random() ** 3 + 1e-4)
    const sum = weights.reduce((total, weight) => total + weight, 0)
    weights.forEach((weight, at) => (scores[row * width + at] = Math.log(weight / sum)))
  }
  return scores
}

const randomScores = (form: Form, words: number, random: () => number): FieldScores => {
  const sizes = sizesOf(form)
  return {
    tags: randomRows(words, 1 + 2 * sizes.fields, random),
    choices: sizes.choices.map((classes) => randomRows(1, classes, random)),
  }
}

/** Tags of each word, by name: `.` outside, `a` begins field 0, `A` continues it. */
const nameOf = (tag: number): string => {
  if (tag === 0) return '.'
  const letter = String.fromCharCode(97 + ((tag - 1) >> 1))
  return tag % 2 === 1 ? letter : letter.toUpperCase()
}

const decodedTags = (form: Form, text: string, wanted: string[]): string => {
  const { fields } = sizesOf(form)
  const width = 1 + 2 * fields
  const tags = new Float32Array(wanted.length * width).fill(Math.log(0.02))
  // of "a7." the tag a has the probability 0.7, and outside the rest
  for (const [word, mark] of wanted.entries()) {
    const letter = mark[0]!
    const probability = Number(mark[1]) / 10
    tags[word * width] = Math.log(letter === '.' ? 0.95 : 1 - probability)
    if (letter === '.') continue
    const field = letter.toLowerCase().charCodeAt(0) - 97
    const tag = letter === letter.toLowerCase() ? beginOf(field) : insideOf(field)
    tags[word * width + tag] = Math.log(probability)
  }
  const { targets } = decodeTargets(form, soleSource(text), { tags, choices: [] })
  return [...targets.tags].map(nameOf).join('')
}

/** Sum of the tags' logarithms, with two fields. */
const sumOf = (tags: Int32Array, scores: FieldScores): number =>
  tags.reduce((sum, tag, word) => sum + scores.tags[word * 5 + tag]!, 0)

describe('decoding', () => {
  it.each(GRAMMAR_NAMES)('gives the targets that sure scores stand for: %s', (name) => {
    const rows = grammarRows(name, 100, 5)
    const { form } = findForm(rows)!
    for (const row of rows) {
      const targets = readTargets(form, row)
      if (targets === null) continue
      const decoded = decodeTargets(form, row.sources, sureScores(form, targets))
      expect(decoded.targets).toEqual(targets)
      expect(renderAnswer(form, row.sources, decoded.targets)).toBe(row.answer)
    }
  })

  it('gives targets for any scores, and an answer unless a required value is left without words', () => {
    for (const name of GRAMMAR_NAMES) {
      const rows = grammarRows(name, 100, 6)
      const { form } = findForm(rows)!
      fc.assert(
        fc.property(fc.nat(99), fc.nat(), (at, seed) => {
          const { sources } = rows[at]!
          const words = sources.flatMap(({ text }) => wordsOf(text)).length
          const scores = randomScores(form, words, seededRandom(seed))
          const { targets, fieldLogProbs } = decodeTargets(form, sources, scores)
          expect(targets.tags).toHaveLength(words)
          expect(fieldLogProbs.every((value) => value <= 0 && Number.isFinite(value))).toBe(true)
          const answer = renderAnswer(form, sources, targets)
          if (['order', 'ticket'].includes(name)) expect(answer).not.toBeNull()
        }),
        { numRuns: 15 }
      )
    }
  })

  it('tags a required value once, also where nothing is likely', () => {
    const form = formOf([copied(0)])
    expect(decodedTags(form, 'x y z', ['.', '.', '.']).replaceAll('.', '')).toMatch(/^a/)
    expect(decodedTags(form, 'x y z', ['a7', '.', 'a9'])).toBe('..a')
  })

  it('tags an optional value where that is more likely than not', () => {
    const form = formOf([copied(0, { otherwise: { kind: 'absent' } })])
    expect(decodedTags(form, 'x y z', ['.', 'a4', '.'])).toBe('...')
    expect(decodedTags(form, 'x y z', ['.', 'a6', 'A9'])).toBe('.aA')
  })

  it('takes the next best span where a text cannot be normalized', () => {
    const form = formOf([copied(0, { as: 'number', chain: ['number'] })])
    expect(decodedTags(form, 'about seven or 12', ['a9', '.', '.', 'a3'])).toBe('...a')
    expect(decodedTags(form, 'twenty three people', ['a9', 'A9', 'A8'])).toBe('aA.')
    expect(decodedTags(form, 'no number here', ['a9', '.', '.'])).toBe('...')
  })

  it('gives each word to one field', () => {
    const form = formOf([copied(0), copied(1)])
    expect(decodedTags(form, 'x y', ['a9', 'b2'])).toBe('ab')
  })

  it('finds any number of values of a list, beside other fields', () => {
    const form = formOf([copied(0), { kind: 'list', item: copied(1) }])
    expect(decodedTags(form, 'u v w x y', ['b9', 'b9', 'B9', 'a6', 'b7'])).toBe('bbBab')
    expect(decodedTags(form, 'u v', ['a9', '.'])).toBe('a.')
  })

  it('never lets a span cross two sources', () => {
    const form = formOf([copied(0), { kind: 'list', item: copied(1) }])
    const sources = [
      { name: 'query', text: 'x y' },
      { name: 'slot', text: 'z' },
    ]
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { tags } = decodeTargets(
          form,
          sources,
          randomScores(form, 3, seededRandom(seed))
        ).targets
        expect(tags[2] === 0 || tags[2]! % 2 === 1).toBe(true)
      })
    )
  })

  it('is the best of all readings of small rows', () => {
    const form = formOf([copied(0), copied(1, { otherwise: { kind: 'absent' } })])
    const words = 4
    const readings: Int32Array[] = []
    const spans = [0, 1, 2, 3].flatMap((from) =>
      [1, 2, 3, 4].filter((to) => to > from).map((to) => [from, to] as const)
    )
    for (const first of spans) {
      for (const second of [null, ...spans]) {
        if (second && second[0] < first[1] && first[0] < second[1]) continue
        const tags = new Int32Array(words)
        for (const [field, span] of [first, second].entries()) {
          if (!span) continue
          tags.fill(insideOf(field), span[0], span[1])
          tags[span[0]] = beginOf(field)
        }
        readings.push(tags)
      }
    }
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const scores = randomScores(form, words, seededRandom(seed))
        const { targets } = decodeTargets(form, soleSource('p q r s'), scores)
        const best = Math.max(...readings.map((tags) => sumOf(tags, scores)))
        expect(sumOf(targets.tags, scores)).toBeCloseTo(best, 5)
      }),
      { numRuns: 300 }
    )
  })

  it('keeps a sure value of which many other fields want a word a little', () => {
    const fields = 40
    const form = formOf(
      Array.from({ length: fields }, (_, field) => copied(field, { otherwise: { kind: 'absent' } }))
    )
    const width = 1 + 2 * fields
    const words = ['rain', 'in', 'Caddo', 'Mills', 'on', 'May', '2']
    // each tag is likelier than none, and two values of the last field are likelier than all others
    const tags = new Float32Array(words.length * width).fill(Math.log(0.004))
    for (let word = 0; word < words.length; word++) tags[word * width] = Math.log(0.002)
    const last = fields - 1
    for (const [word, tag] of [
      [2, beginOf(last)],
      [3, insideOf(last)],
      [5, beginOf(0)],
      [6, insideOf(0)],
    ] as const)
      tags[word * width + tag] = Math.log(0.6)
    for (const word of [0, 1, 4]) tags[word * width] = Math.log(0.9)
    const { targets } = decodeTargets(form, soleSource(words.join(' ')), { tags, choices: [] })
    const [caddo, may] = [last, 0].map((field) => [beginOf(field), insideOf(field)])
    expect([...targets.tags]).toEqual([0, 0, ...caddo!, 0, ...may!])
  })

  it('gives a field its best span where it wants several, and the others what is left', () => {
    const form = formOf([0, 1, 2].map((field) => copied(field, { otherwise: { kind: 'absent' } })))
    expect(decodedTags(form, 'p q r s', ['a9', '.', 'a8', 'a7'])).toBe('a...')
    expect(decodedTags(form, 'p q r s', ['a7', 'b6', 'a9', 'c8'])).toBe('.bac')
  })

  it('says how probable a reading is', () => {
    const form = formOf([copied(0, { otherwise: { kind: 'absent' } })])
    const width = 3
    const tags = new Float32Array(3 * width)
    const probabilities = [0.1, 0.8, 0.1, 0.2, 0.1, 0.7, 0.9, 0.04, 0.06]
    probabilities.forEach((probability, at) => (tags[at] = Math.log(probability)))
    const { fieldLogProbs } = decodeTargets(form, soleSource('x y z'), { tags, choices: [] })
    // begins, continues, does not continue, and does not begin again
    expect(fieldLogProbs[0]).toBeCloseTo(Math.log(0.8 * 0.7 * (1 - 0.06) * (1 - 0.04)), 4)
  })
})

describe('time of decoding', () => {
  const wide = formOf(
    Array.from({ length: 40 }, (_, field) =>
      copied(field, { otherwise: { kind: 'absent' }, ...(field % 4 ? {} : { chain: ['number'] }) })
    )
  )

  const msOf = (words: number, runs: number): number => {
    const text = Array.from({ length: words }, (_, at) => (at % 3 ? 'word' : String(at))).join(' ')
    const scores = randomScores(wide, words, seededRandom(1))
    for (let run = 0; run < 20; run++) decodeTargets(wide, soleSource(text), scores)
    const times = Array.from({ length: runs }, () =>
      cpuMsOf(() => decodeTargets(wide, soleSource(text), scores))
    )
    return times.sort((one, other) => one - other)[Math.floor(runs / 2)]!
  }

  it('stays linear in the words', () => {
    const [short, long] = [msOf(300, 15), msOf(3000, 15)]
    expect(long).toBeLessThan(30 * short + 5)
  })

  it('is short where a tagger makes one item of a list of numbers without a mark between', () => {
    const item = copied(0, { as: 'number', chain: ['without-blanks'] })
    const form: Form = { ...wide, root: { kind: 'list', item } }
    const sources = soleSource('1.5 200.5 '.repeat(330))
    const words = wordsOf(sources[0]!.text).length
    const tags = Int32Array.from({ length: words }, (_, at) =>
      at === 0 ? beginOf(0) : insideOf(0)
    )
    const scores = sureScores(form, { tags, choices: new Int32Array(0) })
    const decoded = () => {
      const { targets } = decodeTargets(form, sources, scores)
      expect(renderAnswer(form, sources, targets)).toBe('[5200.51]')
    }
    // all parts of the item took twelve seconds
    expect(cpuMsOf(decoded)).toBeLessThan(1_000)
  })
})
