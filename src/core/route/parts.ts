/**
 * The parts of a route that are watched each by itself: kinds of its requests, and answers. They are fixed with the
 * plan, so that none is picked by hindsight. Knows nothing of losses (`core/rollout/withheld.ts`).
 */
import { countsOf } from '../counts.ts'
import { isProven, type ProvenKinds, type RequestKind } from './request-kind.ts'

export interface PartName {
  /** what the name is of */
  kind: 'answer' | 'request'
  /** an answer, or a trait or a slot's value of requests */
  name: string
}

export interface RoutePart extends PartName {
  /** of the planned requests or answers, those that have it, 0 to 1 */
  share: number
}

/**
 * Each further part raises the capital that all of them need: with 1,000 a part is found some two wrong answers later
 * than with 77. A prompt of 500 labels and 20 slots of 16 values has fewer.
 */
const MAX_PARTS = 1_000

/** The turns that a conversation has once. */
const EXACT_TURN = /^turn \d/

type Names = Record<'traits' | 'values', readonly string[]>

const namesOf = ({ traits, values }: Names): string[] => [...traits, ...values]

/** A request has one kind of each group: a turn, parameters, and a value of each slot. */
const groupOf = ({ values }: Names, name: string): string => {
  if (values.includes(name)) return name.slice(0, name.indexOf('=') + 1)
  return name.startsWith('turn') ? 'turn' : 'parameters'
}

/** Without one kind of requests. @returns null where no other one of its group is left: that is the whole route */
export const withoutKind = (kinds: ProvenKinds, name: string): ProvenKinds | null => {
  const group = groupOf(kinds, name)
  const isOther = (other: string): boolean => other !== name
  const hasPeer = namesOf(kinds).some((other) => isOther(other) && groupOf(kinds, other) === group)
  if (!hasPeer) return null
  return { ...kinds, traits: kinds.traits.filter(isOther), values: kinds.values.filter(isOther) }
}

/** @returns share of the rows with each name */
const sharesOf = (rows: readonly (readonly string[])[]): Map<string, number> =>
  new Map([...countsOf(rows.flat())].map(([name, count]) => [name, count / rows.length]))

const partsOf = (
  kind: RoutePart['kind'],
  names: readonly string[],
  shares: ReadonlyMap<string, number>
): RoutePart[] => names.map((name) => ({ kind, name, share: shares.get(name) ?? 0 }))

/** What more of them have is the route itself, which is rolled back as a whole. */
const MOST_OF_ALL = 0.9

/**
 * @param planned.sample requests of the kinds' sample @param planned.labels all possible answers; null: no closed set
 * @param planned.answers names of each learned answer
 * @param planned.isSingle no request has a second turn. Turns of one conversation are no independent pairs, so others
 * have the exact turns alone
 */
export const planParts = ({
  kinds,
  sample,
  labels,
  answers,
  isSingle,
}: {
  kinds: ProvenKinds
  sample: readonly RequestKind[]
  labels: readonly string[] | null
  answers: readonly (readonly string[])[]
  isSingle: boolean
}): RoutePart[] => {
  const requests = sharesOf(sample.filter((kind) => isProven(kinds, kind)).map(namesOf))
  const given = sharesOf(answers)
  const kindNames = namesOf(kinds).filter((name) => isSingle || EXACT_TURN.test(name))
  const answerNames = isSingle ? (labels ?? [...given.keys()]) : []
  return [...partsOf('answer', answerNames, given), ...partsOf('request', kindNames, requests)]
    .filter(({ share }) => share <= MOST_OF_ALL)
    .toSorted((one, other) => other.share - one.share)
    .slice(0, MAX_PARTS)
}

const keyOf = ({ kind, name }: PartName): string => `${kind} ${name}`

export const isSamePart = (one: PartName, other: PartName): boolean => keyOf(one) === keyOf(other)

/** @returns finds the numbers of the parts that a request and its answer have: one of each group, some of a form */
export const createPartFinder = (
  parts: readonly RoutePart[]
): ((kind: Names, answer: readonly string[]) => number[]) => {
  const numbers = new Map(parts.map((part, number) => [keyOf(part), number]))
  const numbersOf = (kind: PartName['kind'], names: readonly string[]): number[] =>
    names.flatMap((name) => numbers.get(keyOf({ kind, name })) ?? [])
  return (kind, answer) => [...numbersOf('request', namesOf(kind)), ...numbersOf('answer', answer)]
}
