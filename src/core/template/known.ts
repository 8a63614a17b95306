/**
 * The rule for what a route removes without reading it: constant text; examples of the template's pool, letter by
 * letter; or a value of a dropped slot whose shape was seen. The matcher has compared the constant text. Used by
 * detection, training rows, the proof and live requests alike, because all of them match.
 */
import { blockDigests } from './example-items.ts'
import { pairDigest, retrievedPairs } from './example-pairs.ts'
import { shapeOf } from './shape.ts'
import type { Examples, Slot, Template } from './template.ts'

/** What a matched request holds in the places of a template. */
export interface Removed {
  slots: Readonly<Record<string, string>>
  examples: Readonly<Record<string, string>>
  /** of all messages */
  texts: readonly string[]
}

type Test = (removed: Removed) => boolean

const slotTest = ({ name, shapes = [] }: Slot): Test => {
  const known = new Set(shapes)
  return ({ slots }) => {
    const shape = shapeOf(slots[name]!)
    return shape !== null && known.has(shape)
  }
}

const blockTest = ({ name, pool }: Examples): Test[] => {
  // examples that are messages: `pairsTest`
  if (pool === undefined) return []
  const known = new Set(pool.known)
  return [
    ({ examples }) =>
      blockDigests(examples[name]!, pool.division)?.every((digest) => known.has(digest)) ?? false,
  ]
}

const pairsTest = (template: Template): Test[] => {
  const starts = retrievedPairs(template)
  if (starts.length === 0) return []
  const known = new Set(template.knownPairs)
  return [({ texts }) => starts.every((at) => known.has(pairDigest(texts[at]!, texts[at + 1]!)))]
}

const segmentsOf = ({ messages }: Template) => messages.flatMap(({ segments }) => segments)

/** The dropped slots of a template. */
export const droppedSlots = (template: Template): Slot[] =>
  segmentsOf(template).filter((segment) => segment.kind === 'slot' && !segment.kept) as Slot[]

export const examplesOf = (template: Template): Examples[] =>
  segmentsOf(template).filter((segment) => segment.kind === 'examples')

/**
 * @param isLearning true where the pools of examples are being learned: every example counts as known, the shapes
 * of slots do not. Only for what decides which examples become known.
 * @returns a test of whether all that would be removed is known; null where nothing variable is removed
 */
export const createKnownTest = (template: Template, isLearning: boolean): Test | null => {
  const pools = isLearning
    ? []
    : [...examplesOf(template).flatMap(blockTest), ...pairsTest(template)]
  const tests = [...droppedSlots(template).map(slotTest), ...pools]
  return tests.length === 0 ? null : (removed) => tests.every((test) => test(removed))
}
