/**
 * Which examples of a template become known: those that requests with other examples had, where several callers
 * share the traffic of two of them, and that the answers do not follow otherwise than an example is followed.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { groupBy } from '../group-by.ts'
import { itemAt, valueIn } from '../lists.ts'
import type { Matcher } from '../match/match.ts'
import { blockDigests } from '../template/example-items.ts'
import { pairDigest, retrievedPairs } from '../template/example-pairs.ts'
import { examplesOf } from '../template/known.ts'
import type { Examples, Match, Segment, Slot, Template } from '../template/template.ts'
import { boundVersion } from '../template/version.ts'
import { exampleIn, type BlockPools } from './block-pools.ts'
import type { LineText } from './building/align.ts'
import { standsOut } from './building/slot-test.ts'
import { digestedItems } from './building/examples.ts'
import { soleCaller, type SoleCaller } from './sampling/callers.ts'
import type { Cluster, Sample } from './sampling/clusters.ts'
import { ExamplePool } from './sampling/example-pool.ts'

export const messagesOf = (
  sample: Sample,
  roles: readonly string[],
  text: LineText
): ChatMessage[] =>
  sample.messages.map((lines, index) => ({
    role: itemAt(roles, index),
    content: Array.from(lines, text).join('\n'),
  }))

export const matches = (
  matcher: Matcher,
  { key, roles }: Cluster,
  sample: Sample,
  text: LineText
): boolean => matcher.match(key, messagesOf(sample, roles, text)) !== null

/** A sampled request, taken apart. */
interface Taken {
  sample: Sample
  match: Match
  /** of all messages */
  texts: string[]
}

/** An example in a sampled request. */
interface Held {
  digest: string
  text: string
  sample: number
}

/** Nearly all requests with an answer have one text: no other example leads to it. */
const ALONE = 0.9

/**
 * Digests of texts in the place of an example that work like an instruction: the requests with one are answered
 * otherwise than the others, with something that the text does not say, or that no other request is answered.
 * The answers to requests with a real example are often its own, but those of others, too.
 */
const instructionsAmong = (held: Held[], taken: Taken[]): ReadonlySet<string> => {
  const groups = [...groupBy(held, ({ digest }) => digest).values()]
  const responses = taken.map(({ sample }) => sample.response)
  return new Set(
    standsOut(groups, responses).flatMap(({ group, answer, reach }) => {
      const [{ digest, text }] = group
      return reach < ALONE && text.toLowerCase().includes(answer) ? [] : [digest]
    })
  )
}

const MAX_SEEN = 3
const MAX_SEEN_CHARS = 200

/** Some of the known examples. */
const seenOf = (held: Held[], known: string[]): string[] => {
  const isKnown = new Set(known)
  const texts = new Set(held.filter(({ digest }) => isKnown.has(digest)).map(({ text }) => text))
  return [...texts].slice(0, MAX_SEEN).map((text) => text.slice(0, MAX_SEEN_CHARS))
}

/** Where more of the sampled blocks have something unknown, the block is read instead of removed. */
const KNOWN_SHARE = 0.9

/** Examples inside a message. */
type Block = Examples & Required<Pick<Examples, 'pool'>>

const isBlock = (segment: Segment): segment is Block =>
  segment.kind === 'examples' && segment.pool !== undefined

/** The block as a kept slot. */
const readBlock = (name: string, maxChars: number, blocks: string[]): Slot => {
  const [distinct, samples] = [new Set(blocks).size, blocks.length]
  return {
    kind: 'slot',
    name,
    type: 'short',
    maxChars,
    multiline: true,
    kept: true,
    test: { reason: 'open-values', mask: null, probability: null, distinct, samples, seen: [] },
  }
}

const knownBlock = (
  segment: Block,
  pool: ExamplePool,
  taken: Taken[],
  sole: SoleCaller
): Examples | Slot => {
  const { division, maxChars } = segment.pool
  const blocks = taken.map(({ match }) => exampleIn(match.examples, segment.name))
  const held = blocks.flatMap((block, sample) =>
    digestedItems(block, division).map((item): Held => ({ ...item, sample }))
  )
  const instructions = instructionsAmong(held, taken)
  const known = pool.known(sole).filter((digest) => !instructions.has(digest))
  const isKnown = new Set(known)
  const seen = seenOf(held, known)
  const whole = blocks.filter((block) =>
    blockDigests(block, division)?.every((digest) => isKnown.has(digest))
  )
  return whole.length < blocks.length * KNOWN_SHARE
    ? readBlock(segment.name, maxChars, blocks)
    : { ...segment, pool: { division, known, seen, maxChars } }
}

const withKnownBlocks = <T extends Template>(
  template: T,
  taken: Taken[],
  sole: SoleCaller,
  blocks: BlockPools
): T => {
  if (examplesOf(template).every(({ pool }) => pool === undefined)) return template
  const pools = blocks.of(template, () =>
    taken.map(({ sample: { session, caller }, match: { examples } }) => ({
      examples,
      session,
      caller,
    }))
  )
  const messages = template.messages.map((message) => ({
    ...message,
    segments: message.segments.map((segment) =>
      isBlock(segment) ? knownBlock(segment, valueIn(pools, segment.name), taken, sole) : segment
    ),
  }))
  return { ...template, messages }
}

/** Of all groups that the template's requests were filed under. */
const pairPoolOf = (matcher: Matcher, clusters: Cluster[], text: LineText): ExamplePool => {
  const pool = new ExamplePool()
  for (const cluster of clusters) {
    const isOwn = cluster.samples.some((sample) => matches(matcher, cluster, sample, text))
    if (isOwn) pool.merge(cluster.pairs)
  }
  return pool
}

const heldPairs = (starts: number[], taken: Taken[]): Held[] =>
  taken.flatMap(({ texts }, sample) =>
    starts.map((at) => {
      const [question, answer] = [itemAt(texts, at), itemAt(texts, at + 1)]
      return { digest: pairDigest(question, answer), text: `${question}\n${answer}`, sample }
    })
  )

/** What one caller's requests alone have taught answers no other one. */
export const forCaller = <T extends Template>(template: T, sole: SoleCaller): T =>
  sole !== null && sole !== ''
    ? { ...template, caller: sole, version: boundVersion(template.version, sole) }
    : template

/**
 * @param matcher of the template, that takes any example
 * @param members sampled requests of the template
 */
export const withKnownExamples = <T extends Template>(
  template: T,
  matcher: Matcher,
  members: Sample[],
  { clusters, text, blocks }: { clusters: Cluster[]; text: LineText; blocks: BlockPools }
): T => {
  const sole = soleCaller(members)
  if (examplesOf(template).length === 0) return forCaller(template, sole)
  const starts = retrievedPairs(template)
  const roles = template.messages.map(({ role }) => role)
  const taken = members.flatMap((sample): Taken[] => {
    const messages = messagesOf(sample, roles, text)
    const match = matcher.match(template, messages)
    return match ? [{ sample, match, texts: messages.map(({ content }) => String(content)) }] : []
  })
  const withBlocks = withKnownBlocks(template, taken, sole, blocks)
  if (starts.length === 0) return forCaller(withBlocks, sole)
  const held = heldPairs(starts, taken)
  const instructions = instructionsAmong(held, taken)
  const pool = pairPoolOf(matcher, clusters, text)
  const knownPairs = pool.known(sole).filter((each) => !instructions.has(each))
  return forCaller({ ...withBlocks, knownPairs, seenPairs: seenOf(held, knownPairs) }, sole)
}
