/**
 * The kind of a request: the turns of its conversation, the values of all members that can change an answer,
 * absent ones included, the values of its kept slots, and its length. A proof holds for the kinds of requests
 * that it contained, so a route answers only those. Knows nothing of answers.
 *
 * What the matcher reads over in a request's messages and an upstream may not: names, roles other than the
 * template's, and members that are null. Knows nothing of texts.
 */
import { hash } from 'node:crypto'
import type { ChatRequest, ChatMessage } from '../../openai/chat.ts'
import { groupBy } from '../group-by.ts'
import { canonicalJson } from '../json.ts'
import { keptSlots, type Match } from '../template/template.ts'
import { readMembers } from './request-members.ts'
import { thinned } from '../lists.ts'
import { CACHE_MARK, isOfAnswer } from '../request/request-scan.ts'

/** Null is no name either, and some upstreams take it. */
export const hasValidName = ({ name }: ChatMessage): boolean =>
  name === undefined || name === null || typeof name === 'string'

/** Members of every message; the matcher compares their values, or `request-scan.ts` says why they do not matter. */
const READ = new Set(['role', 'content', CACHE_MARK])

const toldOf = (message: ChatMessage, role: string | undefined): [string, unknown][] => {
  const others = Object.entries(message).filter(
    ([name]) => !READ.has(name) && !isOfAnswer(message, name)
  )
  return role === undefined || role === message.role ? others : [['role', message.role], ...others]
}

/**
 * Such members by the place of their message and their name, as `1.name`.
 * @param roles of the template's messages
 */
export const toldMembers = (
  messages: readonly ChatMessage[],
  roles: readonly string[]
): Record<string, unknown> =>
  Object.fromEntries(
    messages.flatMap((message, at) =>
      toldOf(message, roles[at]).map(([name, value]) => [`${at}.${name}`, value])
    )
  )

/** Turns up to this one are distinguished; later ones are grouped by powers of two. */
const EXACT_TURNS = 4

/** Who wrote the turns behind the first one; of many only whether both did, and who wrote the last one. */
const writersOf = (writers: readonly string[]): string => {
  if (writers.length < EXACT_TURNS) return writers.join(', ')
  const last = writers.at(-1)
  return writers.every((writer) => writer === last) ? `${last} alone` : `both, ${last} last`
}

/**
 * Turn of the conversation: 1, 2, 3, 4, 5 to 8, 9 to 16, … and whether the turns behind the first one are words
 * of the user or results of functions.
 */
const turnTrait = ({ turns }: Match): string => {
  const writers = turns
    .filter(({ role }) => role === 'user')
    .map(({ isResult }) => (isResult === true ? 'result' : 'user'))
  const turn = writers.length + 1
  if (turn === 1) return 'turn 1'
  const last = 2 ** Math.ceil(Math.log2(turn))
  const name = turn <= EXACT_TURNS ? `turn ${turn}` : `turns ${last / 2 + 1} to ${last}`
  return `${name}: ${writersOf(writers)}`
}

/** `name=value` of the kept slots with a closed list of values. */
const slotValues = (match: Match): string[] =>
  keptSlots(match)
    .filter(({ slot }) => slot.type === 'enum')
    .map(({ slot, value }) => `${slot.name}=${value}`)

/** A value with longer JSON is shown as its digest. */
const MAX_VALUE_CHARS = 60
/** A trait is stored with a route and shown. */
const MAX_TRAIT_CHARS = 300
const DIGEST = 'sha256:'

const digestOf = (json: string): string => `${DIGEST}${hash('sha256', json, 'hex').slice(0, 32)}`

/** A text that begins like a digest becomes one, so that no other value has its name. */
const shortened = (value: unknown): unknown => {
  const json = canonicalJson(value)
  const isDigest = typeof value === 'string' && value.startsWith(DIGEST)
  return json.length > MAX_VALUE_CHARS || isDigest ? digestOf(json) : value
}

const shortenedAll = (members: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).map(([name, value]) => [name, shortened(value)]))

/**
 * All members that can change an answer, as one value: a proof of one value of each of two members says nothing
 * of both together. The members of messages are below `messages`, which no parameter is named.
 */
const parametersTrait = (request: ChatRequest, { template }: Match): string => {
  const members = readMembers(request, template)
    .filter(({ effect }) => effect === 'kind')
    .map(({ name, value }) => [name, value])
  const roles = template.messages.map(({ role }) => role)
  const told = shortenedAll(toldMembers(request.messages, roles))
  const all = {
    ...shortenedAll(Object.fromEntries(members)),
    ...(Object.keys(told).length === 0 ? {} : { messages: told }),
  }
  const json = canonicalJson(all)
  if (json === '{}') return 'no parameters'
  return `parameters=${json.length > MAX_TRAIT_CHARS ? digestOf(json) : json}`
}

export interface RequestKind {
  /** parameters with names and roles of messages */
  traits: [turn: string, parameters: string]
  /** of the kept slots, `name=value` */
  values: string[]
  /** characters of the query and of the turns behind it */
  chars: number
}

export const kindOf = (request: ChatRequest, match: Match): RequestKind => ({
  traits: [turnTrait(match), parametersTrait(request, match)],
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

/**
 * Whether a route answers requests with these parameters. Rows with others are not trained on, because the
 * answer to the same question may be another one.
 */
export const hasProvenParameters = (
  proven: Pick<ProvenKinds, 'traits'>,
  { traits: [, parameters] }: RequestKind
): boolean => proven.traits.includes(parameters)

const BANDS = 4

/** Length band of each exchange: quarters of the sample by length. Equal lengths share a band. */
export const lengthBands = (chars: readonly number[]): string[] => {
  const limits = thinned(
    chars.toSorted((a, b) => a - b),
    BANDS
  )
  return chars.map((length) => `length ≤ ${limits.find((limit) => length <= limit)}`)
}
