/**
 * What kind of request is it? A proof is true of the kinds of requests that it contained, so a route
 * answers those alone. A kind is which turn of a conversation it is, which parameters it has
 * that change an answer, which values its kept slots have, and how long it is. Knows nothing of whether a lora is any good.
 */
import type { ChatRequest } from '../../openai/chat.ts'
import { groupBy } from '../group-by.ts'
import type { Match } from '../template/template.ts'

/** Turns up to this one are told apart; later ones by powers of two. */
const EXACT_TURNS = 4

/** Turn of the conversation: 1, 2, 3, 4, 5 to 8, 9 to 16, … */
const turnTrait = (match: Match): string => {
  const turn = match.turns.length / 2 + 1
  if (turn <= EXACT_TURNS) return `turn ${turn}`
  const last = 2 ** Math.ceil(Math.log2(turn))
  return `turns ${last / 2 + 1} to ${last}`
}

/** Values of kept slots that come from a closed list. */
const slotValues = ({ template, slots }: Match): string[] =>
  template.messages
    .flatMap(({ segments }) => segments)
    .flatMap((segment) =>
      segment.kind === 'slot' && segment.kept && segment.type === 'enum'
        ? [`${segment.name}=${slots[segment.name] ?? ''}`]
        : []
    )

/** Parameters with which an upstream answers the same messages otherwise. */
const parameterTraits = (request: ChatRequest): string[] => [
  ...(['reasoning_effort', 'verbosity'] as const).flatMap((name) => {
    const value = request[name]
    return typeof value === 'string' ? [`${name}=${value}`] : []
  }),
  ...(request.stop === undefined || request.stop === null ? [] : ['stop']),
]

/** What decides whether a request is of a kind that a proof contained. */
export interface RequestKind {
  /** turn and parameters, each at most once */
  traits: string[]
  /** of the kept slots, `name=value` */
  values: string[]
  /** that the end user wrote, and that the conversation has said since */
  chars: number
}

export const kindOf = (request: ChatRequest, match: Match): RequestKind => ({
  traits: [turnTrait(match), ...parameterTraits(request)],
  values: slotValues(match),
  chars: match.turns.reduce((sum, { content }) => sum + content.length, match.query.length),
})

/** The kinds of requests that a proof contained, as they are kept with the route. */
export interface ProvenKinds {
  traits: string[]
  values: string[]
  /** of the longest request */
  maxChars: number
}

/**
 * Fewest exchanges that can show, at 95 %, a loss of less than ten points: ln 0.05 / ln 0.9. A trait
 * of fewer is not proven. A slot's value is part of the question, so one exchange is enough for it.
 */
export const LEAST_OF_A_TRAIT = 29

const oftenIn = (names: string[], least: number): string[] =>
  [...groupBy(names, (name) => name)]
    .filter(([, group]) => group.length >= least)
    .map(([name]) => name)
    .toSorted()

/** The kinds that a sample of traffic contains often enough. Looks at no answer. */
export const provenKinds = (sample: readonly RequestKind[]): ProvenKinds => {
  const kinds: ProvenKinds = {
    traits: oftenIn(
      sample.flatMap(({ traits }) => traits),
      LEAST_OF_A_TRAIT
    ),
    values: oftenIn(
      sample.flatMap(({ values }) => values),
      1
    ),
    maxChars: Infinity,
  }
  const longest = sample
    .filter((kind) => isProven(kinds, kind))
    .reduce((most, { chars }) => Math.max(most, chars), 0)
  return { ...kinds, maxChars: longest }
}

export const isProven = (proven: ProvenKinds, { traits, values, chars }: RequestKind): boolean =>
  chars <= proven.maxChars &&
  traits.every((trait) => proven.traits.includes(trait)) &&
  values.every((value) => proven.values.includes(value))

const BANDS = 4

/**
 * Names of the length band of each exchange: quarters of the sample by length. Equal lengths share a
 * band.
 */
export const lengthBands = (chars: readonly number[]): string[] => {
  const sorted = chars.toSorted((a, b) => a - b)
  const limits = Array.from(
    { length: BANDS },
    (_, k) => sorted[Math.ceil(((k + 1) * sorted.length) / BANDS) - 1] ?? 0
  )
  return chars.map((length) => `length ≤ ${limits.find((limit) => length <= limit)}`)
}
