/** Says of each place of a template that a route removes without reading what it may hold (`known.ts`). */
import { itemsAmong } from './example-items.ts'
import { droppedSlots, examplesOf } from './known.ts'
import type { Template } from './template.ts'

export interface RemovedPlace {
  /** of the slot or the examples; '' of constant text */
  name: string
  /** `constant`: equal text; `examples`: known ones, letter by letter; `shapes`: values of a known shape */
  holds: 'constant' | 'examples' | 'shapes'
  /** characters of constant text, known examples, or shapes */
  count: number
  /** of what was seen there, three at most, cut */
  seen: string[]
}

const constantPlace = ({ messages }: Template): RemovedPlace => {
  const anchors = messages.flatMap(({ segments }) =>
    segments.filter(({ kind }) => kind === 'anchor')
  )
  const count = anchors.reduce(
    (sum, anchor) => sum + ('text' in anchor ? anchor.text.length : 0),
    0
  )
  return { name: '', holds: 'constant', count, seen: [] }
}

/** Few-shot pairs that are messages share one pool, so they are one place. */
const pairsPlace = (template: Template): RemovedPlace[] => {
  const [first] = examplesOf(template).filter(({ pool }) => pool === undefined)
  if (first === undefined) return []
  const { knownPairs = [], seenPairs = [] } = template
  return [{ name: first.name, holds: 'examples', count: knownPairs.length, seen: seenPairs }]
}

/** @returns the constant text, the slots, the examples */
export const removedPlaces = (template: Template): RemovedPlace[] => [
  constantPlace(template),
  ...droppedSlots(template).map(({ name, shapes = [], test }): RemovedPlace => ({
    name,
    holds: 'shapes',
    count: shapes.length,
    seen: test?.seen ?? [],
  })),
  ...examplesOf(template).flatMap(({ name, pool }): RemovedPlace[] =>
    pool === undefined
      ? []
      : [{ name, holds: 'examples', count: itemsAmong(pool.known), seen: pool.seen }]
  ),
  ...pairsPlace(template),
]
