/**
 * The kind of a request: its turn in a conversation, the parameters that change an answer, names and
 * roles of its messages, the values of its kept slots, and its length. A proof holds for the kinds of
 * requests that it contained, so a route answers only those. Knows nothing of answers.
 */
import type { ChatRequest } from '../../openai/chat.ts'
import { groupBy } from '../group-by.ts'
import { keptSlots, type Match } from '../template/template.ts'

/** Turns up to this one are distinguished; later ones are grouped by powers of two. */
const EXACT_TURNS = 4

/** Turn of the conversation: 1, 2, 3, 4, 5 to 8, 9 to 16, … */
const turnTrait = (match: Match): string => {
  const turn = match.turns.length / 2 + 1
  if (turn <= EXACT_TURNS) return `turn ${turn}`
  const last = 2 ** Math.ceil(Math.log2(turn))
  return `turns ${last / 2 + 1} to ${last}`
}

/** `name=value` of the kept slots with a closed list of values. */
const slotValues = (match: Match): string[] =>
  keptSlots(match)
    .filter(({ slot }) => slot.type === 'enum')
    .map(({ slot, value }) => `${slot.name}=${value}`)

/** Parameters that change an upstream's answer to the same messages. */
const parameterTraits = (request: ChatRequest): string[] => [
  ...(['reasoning_effort', 'verbosity'] as const).flatMap((name) => {
    const value = request[name]
    return typeof value === 'string' ? [`${name}=${value}`] : []
  }),
  ...(request.stop === undefined || request.stop === null ? [] : ['stop']),
]

/** What the matcher reads over, and an upstream may not: names, and another role for the instructions. */
const messageTraits = ({ messages }: ChatRequest, { template }: Match): string[] => [
  ...(messages.some(({ name }) => typeof name === 'string') ? ['name'] : []),
  ...(template.messages.some(({ role }, at) => messages[at] && messages[at].role !== role)
    ? ['other role']
    : []),
]

export interface RequestKind {
  /** turn, parameters, names and roles, each at most once */
  traits: string[]
  /** of the kept slots, `name=value` */
  values: string[]
  /** characters of the query and of the turns behind it */
  chars: number
}

export const kindOf = (request: ChatRequest, match: Match): RequestKind => ({
  traits: [turnTrait(match), ...parameterTraits(request), ...messageTraits(request, match)],
  values: slotValues(match),
  chars: match.turns.reduce((sum, { content }) => sum + content.length, match.query.length),
})

/** The kinds of requests that a proof contained; stored with the route. */
export interface ProvenKinds {
  traits: string[]
  values: string[]
  /** characters of the longest request */
  maxChars: number
}

/**
 * Fewest exchanges that can show, at 95 %, a loss of less than ten points: ln 0.05 / ln 0.9. A trait
 * with fewer exchanges is not proven. A slot's value is part of the question, so one exchange is
 * enough for it.
 */
export const LEAST_OF_A_TRAIT = 29

const oftenIn = (names: string[], least: number): string[] =>
  [...groupBy(names, (name) => name)]
    .filter(([, group]) => group.length >= least)
    .map(([name]) => name)
    .toSorted()

/** The kinds that a sample of traffic contains often enough. Does not depend on answers. */
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

/** Length band of each exchange: quarters of the sample by length. Equal lengths share a band. */
export const lengthBands = (chars: readonly number[]): string[] => {
  const sorted = chars.toSorted((a, b) => a - b)
  const limits = Array.from(
    { length: BANDS },
    (_, k) => sorted[Math.ceil(((k + 1) * sorted.length) / BANDS) - 1]!
  )
  return chars.map((length) => `length ≤ ${limits.find((limit) => length <= limit)}`)
}
