/**
 * Recognizes the requests of known templates and takes them apart; on the hot path of every
 * request. A request that differs by one character, that could be read in two ways, that has something unknown
 * in a place that would be removed, or that holds anything but text has no match. Knows nothing of routes or engines.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { plainTexts } from '../request/request-scan.ts'
import { isResult } from '../request/message-origin.ts'
import { groupBy } from '../group-by.ts'
import { compileMessage, matchText, type MessagePattern, type Taken } from './message-pattern.ts'
import {
  createByteProbe,
  createByteTest,
  createProbeIndex,
  createProbes,
  type Probe,
} from './probe.ts'
import type { Outline } from './outline.ts'
import { createKnownTest } from '../template/known.ts'
import { keyText } from '../template/template-key.ts'
import type { LaterMessage, Match, RequestKey, Template } from '../template/template.ts'
import { itemAt, zip } from '../lists.ts'

export { outlineOf, type Outline } from './outline.ts'
export { templateKeyOf } from '../template/template-key.ts'

export interface Matcher {
  /**
   * The one template that the messages are an instance of, taken apart. Texts are those of `plainTexts`;
   * messages that have none match nothing. Where several templates fit, the one with the most constant
   * text wins, and of two siblings the caller's own; null on a tie. A `developer` message is one of `system`,
   * and the other way round, where no template has exactly the request's roles.
   */
  match(key: RequestKey, messages: ChatMessage[]): Match | null
  /** False when `match` would find nothing in the request with these bytes. */
  mayMatch(bytes: Buffer, outline: Outline): boolean
  readonly size: number
}

interface Compiled {
  template: Template
  patterns: MessagePattern[]
  /** whether all that the template removes is known; null where it removes constant text alone */
  isKnown: ReturnType<typeof createKnownTest>
  /** the only caller that it is for; undefined: any */
  caller: string | undefined
  anchorChars: number
  probe: Probe
}

/** newer models of OpenAI have `developer` where older ones have `system` */
const broadRole = (role: string): string => (role === 'developer' ? 'system' : role)

const rolesText = (messages: { role: string }[], count: number, isBroad: boolean): string => {
  let text = ''
  for (let index = 0; index < count; index++) {
    const { role } = messages[index]!
    text += `${isBroad ? broadRole(role) : role}\n`
  }
  return text
}

/** Templates of one key and one sequence of roles. */
interface Bucket {
  messages: number
  roles: string
  /** `developer` read as `system` */
  broadRoles: string
  entries: Compiled[]
  /** visits the entries that texts may be of */
  candidates: (texts: string[], visit: (compiled: Compiled) => void) => void
}

const createBucket = (templates: [Template, ...Template[]], isLearning: boolean): Bucket => {
  const usable = templates.flatMap((template) => {
    const patterns = template.messages.map(compileMessage)
    return patterns.every((pattern) => pattern !== null) ? [{ template, patterns }] : []
  })
  const probes = createProbes(usable.map(({ patterns }) => patterns))
  const entries = zip(usable, probes).map(([{ template, patterns }, probe]) => ({
    template,
    patterns,
    isKnown: createKnownTest(template, isLearning),
    caller: isLearning ? undefined : template.caller,
    anchorChars: patterns.reduce((sum, pattern) => sum + pattern.anchorChars, 0),
    probe,
  }))
  const [{ messages }] = templates
  return {
    messages: messages.length,
    roles: rolesText(messages, messages.length, false),
    broadRoles: rolesText(messages, messages.length, true),
    entries,
    candidates: createProbeIndex(entries),
  }
}

/** The messages after the template's own; null unless assistant and user alternate. */
const turnsAfter = (
  messages: ChatMessage[],
  texts: string[],
  count: number
): LaterMessage[] | null => {
  const turns: LaterMessage[] = []
  for (let index = count; index < messages.length; index++) {
    const role = (index - count) % 2 === 0 ? 'assistant' : 'user'
    const message = messages[index]!
    if (message.role !== role) return null
    turns.push({ role, content: texts[index]!, ...(isResult(message) ? { isResult: true } : {}) })
  }
  return turns
}

const take = ({ patterns, isKnown }: Compiled, texts: string[]): Taken | null => {
  const taken: Taken = { slots: {}, examples: {}, query: '' }
  const fits = patterns.every((pattern, index) => matchText(pattern, texts[index]!, taken))
  // hashes are computed only of requests that have all anchors
  return fits && (isKnown?.({ ...taken, texts }) ?? true) ? taken : null
}

interface Found {
  compiled: Compiled
  taken: Taken
  isTied: boolean
}

/** Whether the template is the caller's own and the other one is shared. */
const isOwn = (one: Compiled, other: Compiled): boolean =>
  one.caller !== undefined && other.caller === undefined

const search = (
  bucket: Bucket,
  texts: string[],
  caller: string | undefined,
  best: Found | null
): Found | null => {
  const turns = texts.length - bucket.messages
  let found = best
  bucket.candidates(texts, (compiled) => {
    if (turns > compiled.template.maxTurnsAfter) return
    if (compiled.caller !== undefined && compiled.caller !== caller) return
    const rival = found
    const least = rival?.compiled.anchorChars ?? 0
    const isEqual = rival !== null && compiled.anchorChars === least
    // the caller's own template before the one that it shares with others
    if (isEqual && isOwn(rival.compiled, compiled)) return
    const taken = compiled.anchorChars < least ? null : take(compiled, texts)
    if (taken) found = { compiled, taken, isTied: isEqual && !isOwn(compiled, rival.compiled) }
  })
  return found
}

const createIndex = (templates: Template[], isLearning: boolean): Map<string, Bucket[]> =>
  new Map(
    [...groupBy(templates, keyText)].map(([key, group]) => {
      const byRoles = groupBy(group, ({ messages }) => rolesText(messages, messages.length, false))
      return [key, [...byRoles.values()].map((own) => createBucket(own, isLearning))]
    })
  )

/** Searches the buckets with the roles that the messages begin with and an even number behind them. */
const searchRoles = (
  buckets: Bucket[],
  messages: ChatMessage[],
  texts: () => string[] | null,
  caller: string | undefined,
  isBroad: boolean
): Found | null => {
  let best: Found | null = null
  for (const bucket of buckets) {
    const turns = messages.length - bucket.messages
    if (turns < 0 || turns % 2 !== 0) continue
    const roles = isBroad ? bucket.broadRoles : bucket.roles
    if (rolesText(messages, bucket.messages, isBroad) !== roles) continue
    const read = texts()
    if (!read) return null
    best = search(bucket, read, caller, best)
  }
  return best
}

/**
 * Immutable; build a new one when the set of templates changes.
 * @param isLearning true only for what decides which examples become known: as `createKnownTest`, for any caller
 */
export const compileMatcher = (templates: Template[], isLearning = false): Matcher => {
  const byVersion = new Map(templates.map((template) => [template.version, template]))
  const index = createIndex([...byVersion.values()], isLearning)
  const match = (key: RequestKey, messages: ChatMessage[]): Match | null => {
    const buckets = index.get(keyText(key))
    if (!buckets) return null
    let read: string[] | null | undefined
    const texts = (): string[] | null => (read === undefined ? (read = plainTexts(messages)) : read)
    const inRoles = (isBroad: boolean): Found | null =>
      searchRoles(buckets, messages, texts, key.caller, isBroad)
    const best = inRoles(false) ?? inRoles(true)
    if (!best || !read || best.isTied) return null
    const { template } = best.compiled
    const turns = turnsAfter(messages, read, template.messages.length)
    return turns && { template, ...best.taken, turns }
  }
  const byteProbes = [...index.values()]
    .flatMap((buckets) => buckets.flatMap(({ entries }) => entries))
    .map(({ template, patterns, probe }) =>
      createByteProbe(template.model, itemAt(patterns, probe.message).prefix, probe)
    )
  return { match, mayMatch: createByteTest(byteProbes), size: byVersion.size }
}
