import { describe, expect, it } from 'vitest'
import { grownTemplate } from '../../src/core/detect/growth.ts'
import type { Segment, Template } from '../../src/core/template/template.ts'

const digests = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, at) => `d${from + at}`)

const withSegments = (segments: Segment[], extra: Partial<Template> = {}): Template => ({
  tenant: 'tenant',
  model: 'gpt',
  tools: '',
  responseFormat: '',
  version: 'version-1',
  messages: [{ role: 'user', segments: [...segments, { kind: 'query' }] }],
  maxTurnsAfter: 0,
  ...extra,
})

const withBlock = (known: string[], extra: Partial<Template> = {}): Template => {
  const division = { start: null, labels: [], forms: [''], lead: '', tail: '' }
  const pool = { division, known, seen: [], maxChars: 99 }
  return withSegments([{ kind: 'examples', name: 'examples', pool }], extra)
}

const pairs = (knownPairs: string[]): Template => withBlock([], { knownPairs })

const withSlot = (kept: boolean, shapes: string[]): Template =>
  withSegments([
    { kind: 'slot', name: 'day', type: 'short', maxChars: 9, multiline: false, kept, shapes },
  ])

describe('a template that is found again', () => {
  it('takes the log again for few examples more, and for many only once they are many', () => {
    expect(grownTemplate(withBlock(digests(11)), withBlock(digests(10))).isWider).toBe(true)
    const [stored, more] = [withBlock(digests(1000)), withBlock(digests(1010))]
    expect(grownTemplate(more, stored)).toEqual({ template: stored, isWider: false })
    expect(grownTemplate(withBlock(digests(1040)), stored).isWider).toBe(true)
  })

  it('loses at once the examples that are no longer known', () => {
    const fewer = withBlock(digests(999, 1))
    expect(grownTemplate(fewer, withBlock(digests(1000)))).toEqual({
      template: fewer,
      isWider: false,
    })
  })

  it('does the same with pairs that are messages', () => {
    const stored = pairs(digests(1000))
    expect(grownTemplate(pairs(digests(1001)), stored).template.knownPairs).toHaveLength(1000)
    expect(grownTemplate(pairs(digests(999)), stored).template.knownPairs).toHaveLength(999)
  })

  it.each<[string, Template, Template, boolean]>([
    ['the same', withBlock(['a']), withBlock(['a']), false],
    ['a block that is read now', withSlot(true, []), withBlock(['a']), true],
    ['a slot that is read now', withSlot(true, []), withSlot(false, ['0']), true],
    ['a new shape', withSlot(false, ['0', '000']), withSlot(false, ['0']), true],
    ['a shape less', withSlot(false, ['0']), withSlot(false, ['0', '000']), false],
    ['another caller', withBlock(['a'], { caller: 'b' }), withBlock(['a'], { caller: 'a' }), true],
    ['every caller', withBlock(['a']), withBlock(['a'], { caller: 'a' }), true],
  ])('with %s is stored as it is', (_name, template, stored, isWider) => {
    expect(grownTemplate(template, stored)).toEqual({ template, isWider })
  })
})
