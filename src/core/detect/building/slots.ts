/** The slot that a variable piece of a template is: its type, its name and whether it is kept. */
import { createHash } from 'node:crypto'
import { groupBy } from '../../group-by.ts'
import { zip } from '../../lists.ts'
import { shapeOf } from '../../template/shape.ts'
import type { Slot, SlotTest } from '../../template/template.ts'
import type { SoleCaller } from '../sampling/callers.ts'
import { countsOf } from '../../counts.ts'
import { influence, isInfluential, standsOut } from './slot-test.ts'
import { maskOf } from './mask.ts'

/** The words of a text in lower case, in order: runs of letters and digits of any script. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

const MAX_ENUM_VALUES = 16
/** Good–Turing: the share of values seen once estimates the share of unseen ones. */
const MAX_UNSEEN_SHARE = 0.02
const TYPED_SHARE = 0.95
/** longer values are information, not labels: they are kept unless typed */
const MAX_DROPPABLE_MEAN_CHARS = 60
/** with fewer answers the test could miss a relevant effect, so the slot is kept */
const MIN_ANSWERED_TO_DROP = 100
const DROP_PROBABILITY = 0.05
const STOP_WORDS = new Set(
  'a an and are as at be by for from in is it its of on or that the this to was with you your'.split(
    ' '
  )
)
const MAX_NAME_WORDS = 2
/** of the text before a slot; the patterns below take quadratic time on long runs of blanks */
const LABEL_CHARS = 200

/** @returns the base, with a number behind it when it is taken */
export const uniqueName = (base: string, taken: Set<string>): string => {
  let name = base
  for (let number = 2; taken.has(name); number++) name = `${base}_${number}`
  taken.add(name)
  return name
}

/** A name from the words before the slot; short, because it costs tokens in every request. */
const slotName = (before: string, taken: Set<string>): string => {
  const line = before.trimEnd().slice(-LABEL_CHARS).split('\n').at(-1) ?? ''
  const label =
    line
      .replace(/[\s:=]+$/u, '')
      .split(/[|.;,:]/u)
      .at(-1) ?? ''
  const found = wordsOf(label)
  const telling = found.filter((word) => !STOP_WORDS.has(word))
  // of a label the first words, of running text the words next to the value
  const chosen = /[:=]\s*$/u.test(line)
    ? telling.slice(0, MAX_NAME_WORDS)
    : telling.slice(-MAX_NAME_WORDS)
  return uniqueName(chosen.join('_').slice(0, 24) || 'slot', taken)
}

/** Messages of these roles are written by the application alone. */
export const isInstruction = (role: string): boolean => role === 'system' || role === 'developer'

interface SlotContext {
  values: string[]
  responses: (string | null)[]
  /** of each value */
  callers: string[]
  sole: SoleCaller
  /** constant text before the slot */
  before: string
  role: string
  /** constant text separates the slot from the query, so the application wrote the slot */
  apart: boolean
  taken: Set<string>
}

const seedOf = (text: string): number => createHash('sha256').update(text).digest().readInt32LE(0)

/** Further shapes of a slot are free text. */
const MAX_SHAPES = 256
/** A shape of one of several callers is unknown; a slot in which many values have one is kept. */
const MAX_LOST_SHARE = 0.05

/** Values of one shape: the sample of each, and who sent it. */
type Alike = readonly { sample: number; caller: string }[]

/** Whether a shape counts as known: of a sole caller its own, of several callers those that two of them sent. */
const isShared = (alike: Alike, sole: SoleCaller): boolean => {
  const callers = new Set(alike.map(({ caller }) => caller))
  return callers.size > 1 || (sole !== null && callers.has(sole))
}

/** What the values of a slot may look like. */
type Shapes = { known: string[] } | 'open' | 'telling'

/**
 * @returns `open` where too large a share of the shapes is unseen (Good–Turing), `telling` where the values of
 * one shape are answered otherwise than the others
 */
const shapesOf = ({ values, responses, callers, sole }: SlotContext, typed: boolean[]): Shapes => {
  const counted = zip(values, callers).flatMap(([value, caller], sample) =>
    typed[sample] ? [{ value, sample, shape: shapeOf(value) ?? '', caller }] : []
  )
  const isTooLong = counted.some(({ shape, value }) => shape === '' && value !== '')
  const groups = groupBy(counted, ({ shape }) => shape)
  const once = [...groups.values()].filter(({ length }) => length === 1).length
  if (isTooLong || groups.size > MAX_SHAPES || once > counted.length * MAX_UNSEEN_SHARE)
    return 'open'
  if (standsOut([...groups.values()], responses).length > 0) return 'telling'
  const known = [...groups].flatMap(([shape, alike]) => (isShared(alike, sole) ? [shape] : []))
  const lost = counted.filter(({ shape }) => !known.includes(shape)).length
  return lost > counted.length * MAX_LOST_SHARE ? 'open' : { known: known.sort() }
}

type Decision = Pick<Slot, 'kept' | 'shapes'> & { test: SlotTest }

const MAX_SEEN = 3
const MAX_SEEN_CHARS = 80

const decide = (context: SlotContext, name: string): Decision => {
  const { values, responses, role, apart } = context
  const masks = values.map(maskOf)
  const typed = masks.filter((mask) => mask !== null).length >= values.length * TYPED_SHARE
  const mask = (typed && masks.find((found) => found !== null)) || null
  const probability = influence(values, responses, seedOf(name + context.before))
  const distinct = [...new Set(values)]
  const seen = distinct.slice(0, MAX_SEEN).map((value) => value.slice(0, MAX_SEEN_CHARS))
  const base = { mask, probability, distinct: distinct.length, samples: values.length, seen }
  const instructions = isInstruction(role)
  const keep = (reason: SlotTest['reason']): Decision => ({
    kept: true,
    test: { ...base, reason },
  })
  const drop = (reason: SlotTest['reason'], counted: boolean[]): Decision => {
    const shapes = shapesOf(context, counted)
    if (shapes === 'telling') return keep('predicts-answer')
    if (shapes === 'open') return keep('open-values')
    return { kept: false, shapes: shapes.known, test: { ...base, reason } }
  }
  if (probability !== null && isInfluential(probability)) return keep('predicts-answer')
  if (mask !== null && (instructions || apart))
    return drop(
      'typed-value',
      masks.map((found) => found !== null)
    )
  const chars = values.reduce((sum, value) => sum + value.length, 0)
  const short = chars <= values.length * MAX_DROPPABLE_MEAN_CHARS
  const tested = probability !== null && probability > DROP_PROBABILITY
  const answered = responses.filter((response) => response !== null).length
  if (instructions && short && tested && answered >= MIN_ANSWERED_TO_DROP)
    return drop(
      'no-effect',
      values.map(() => true)
    )
  return keep(instructions ? 'undecided' : 'user-text')
}

/** Characters of a kept value at most. */
export const mostChars = (values: string[]): number => {
  const longest = Math.max(...values.map((value) => value.length))
  return Math.max(longest * 2, longest + 16)
}

/** The slot that a variable piece is. */
export const describeSlot = (context: SlotContext): Slot => {
  const { values } = context
  const name = slotName(context.before, context.taken)
  const decision = decide(context, name)
  const counts = countsOf(values)
  const distinct = [...counts.keys()].sort()
  const once = [...counts.values()].filter((count) => count === 1).length
  const closed =
    decision.kept && distinct.length <= MAX_ENUM_VALUES && once <= values.length * MAX_UNSEEN_SHARE
  return {
    kind: 'slot',
    name,
    type: closed ? 'enum' : 'short',
    ...(closed ? { values: distinct } : {}),
    maxChars: mostChars(distinct),
    multiline: distinct.some((value) => value.includes('\n')),
    ...decision,
  }
}
