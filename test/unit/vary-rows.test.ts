/** Rows that differ from epoch to epoch. */
import { describe, expect, it } from 'vitest'
import { VariedRows } from '../../adapters/onnx/encoder/fields/vary-rows.ts'
import type { FieldTokens } from '../../adapters/onnx/encoder/fields/field-tokens.ts'
import { wordsOf, type Source } from '../../src/core/form/words.ts'
import { beginOf } from '../../src/core/form/targets.ts'
import { seededRandom } from '../../src/random.ts'

const UNKNOWN = -1

/** Tokens are the code points of the words' first letters. */
const tokenizer = {
  read: (sources: readonly Source[]): FieldTokens => {
    const words = sources.flatMap(({ text }) => wordsOf(text))
    const ids = words.map(({ text }) => text.codePointAt(0)!)
    const scored = words.map((_, word) => ({ word, token: word }))
    return {
      windows: [{ ids, types: ids.map(() => 0), words: scored }],
      words: words.length,
      cut: words.length > 5,
    }
  },
  forget: ({ windows, ...tokens }: FieldTokens, isForgotten: () => boolean): FieldTokens => ({
    ...tokens,
    windows: windows.map((window) => ({
      ...window,
      ids: window.ids.map((id) => (isForgotten() ? UNKNOWN : id)),
    })),
  }),
}

const NAMES = ['Ann', 'Bob', 'Cid', 'Dan']
const rows = NAMES.map((name) => ({
  sources: [{ name: 'query', text: `see ${name}` }],
  targets: { tags: Int32Array.from([0, beginOf(0)]), choices: Int32Array.from([1]) },
}))
const examples = rows.map(({ sources, targets }) => ({
  tokens: tokenizer.read(sources),
  targets,
  weight: 2,
}))

const drawn = (swapShare: number, unknownShare: number) => {
  const varied = new VariedRows(rows, examples, tokenizer, { swapShare, unknownShare })
  const random = seededRandom(5)
  return Array.from({ length: 400 }, () => varied.example(0, random))
}

describe('varied rows', () => {
  it('are the rows themselves where nothing is varied', () => {
    expect(drawn(0, 0).every((example) => example === examples[0])).toBe(true)
  })

  it('have other values in a share of the draws, and teach no choice then', () => {
    const all = drawn(0.5, 0)
    const swapped = all.filter((example) => example !== examples[0])
    expect(swapped.length / all.length).toBeGreaterThan(0.4)
    expect(swapped.length / all.length).toBeLessThan(0.6)
    for (const { choiceWeight, weight, targets } of swapped) {
      expect({ choiceWeight, weight }).toEqual({ choiceWeight: 0, weight: 2 })
      expect(targets).toBe(examples[0]!.targets)
    }
    const initials = new Set(swapped.map(({ tokens }) => tokens.windows[0]!.ids[1]))
    expect(initials).toEqual(new Set(NAMES.map((name) => name.codePointAt(0))))
  })

  it('have unknown tokens in a share of the places', () => {
    const ids = drawn(0, 0.1).flatMap(({ tokens }) => tokens.windows[0]!.ids)
    const share = ids.filter((id) => id === UNKNOWN).length / ids.length
    expect(share).toBeGreaterThan(0.06)
    expect(share).toBeLessThan(0.14)
    // the rows themselves are as they were
    expect(examples[0]!.tokens.windows[0]!.ids).not.toContain(UNKNOWN)
  })

  it('keep a row whose swapped text would be cut', () => {
    const long = [
      { sources: [{ name: 'query', text: 'see Ann' }], targets: rows[0]!.targets },
      { sources: [{ name: 'query', text: 'see Bob' }], targets: rows[0]!.targets },
    ]
    const cutting = {
      ...tokenizer,
      read: (of: readonly Source[]) => ({ ...tokenizer.read(of), cut: true }),
    }
    const varied = new VariedRows(long, examples.slice(0, 2), cutting, {
      swapShare: 0.99,
      unknownShare: 0,
    })
    const random = seededRandom(2)
    for (let draw = 0; draw < 20; draw++) expect(varied.example(0, random)).toBe(examples[0])
  })
})
