/**
 * Recognizes the requests of known templates and takes them apart; on the hot path of every
 * request. Exact or nothing: a request that differs by one character, that could be read in two
 * ways, or that holds anything but text has no match. Knows nothing of routes or engines.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { messageText } from '../request/request-scan.ts'
import { groupBy } from '../group-by.ts'
import { compileMessage, matchText, type MessagePattern, type Taken } from './message-pattern.ts'
import { createByteProbe, createByteTest } from './byte-probe.ts'
import type { Outline } from './outline.ts'
import { createProbeIndex, createProbes, type Probe } from './probe.ts'
import { keyText } from '../template/template-key.ts'
import type { Match, Template, TemplateKey } from '../template/template.ts'

export { outlineOf, type Outline } from './outline.ts'
export { templateKeyOf } from '../template/template-key.ts'

export interface Matcher {
  /**
   * The one template that the messages are an instance of, taken apart. Content is a string or an
   * array with exactly one plain text part; messages with any field but `role` and `content` match
   * nothing. Where several templates fit, the one with the most constant text wins; null on a tie.
   */
  match(key: TemplateKey, messages: ChatMessage[]): Match | null
  /** False when `match` would find nothing in the request that the bytes are. */
  mayMatch(bytes: Buffer, outline: Outline): boolean
  readonly size: number
}

interface Compiled {
  template: Template
  patterns: MessagePattern[]
  anchorChars: number
  probe: Probe
}

/** Templates of one key and one sequence of roles. */
interface Bucket {
  messages: number
  /** the most messages that may follow in any template of the bucket */
  maxTurnsAfter: number
  entries: Compiled[]
  /** visits the entries that texts may be of */
  candidates: (texts: string[], visit: (compiled: Compiled) => void) => void
}

const createBucket = (templates: Template[]): Bucket => {
  const usable = templates.flatMap((template) => {
    const patterns = template.messages.map(compileMessage)
    return patterns.every((pattern) => pattern !== null) ? [{ template, patterns }] : []
  })
  const probes = createProbes(usable.map(({ patterns }) => patterns))
  const entries = usable.map(({ template, patterns }, index) => ({
    template,
    patterns,
    anchorChars: patterns.reduce((sum, pattern) => sum + pattern.anchorChars, 0),
    probe: probes[index]!,
  }))
  return {
    messages: templates[0]!.messages.length,
    maxTurnsAfter: Math.max(...templates.map(({ maxTurnsAfter }) => maxTurnsAfter)),
    entries,
    candidates: createProbeIndex(entries),
  }
}

const rolesText = (messages: { role: string }[], count: number): string => {
  let text = ''
  for (let index = 0; index < count; index++) text += `${messages[index]!.role}\n`
  return text
}

/** Texts of all messages; null when one has fields or content that no template knows. */
const plainTexts = (messages: ChatMessage[]): string[] | null => {
  const texts: string[] = []
  for (const message of messages) {
    for (const field in message) if (field !== 'role' && field !== 'content') return null
    const text = messageText(message)
    if (text === null) return null
    texts.push(text)
  }
  return texts
}

/** The messages after the template's own as turns: assistant and user by turns, the user last. */
const turnsAfter = (
  messages: ChatMessage[],
  texts: string[],
  count: number
): { role: string; content: string }[] | null => {
  const turns: { role: string; content: string }[] = []
  for (let index = count; index < messages.length; index++) {
    const role = (index - count) % 2 === 0 ? 'assistant' : 'user'
    if (messages[index]!.role !== role) return null
    turns.push({ role, content: texts[index]! })
  }
  return turns
}

const take = (compiled: Compiled, texts: string[]): Taken | null => {
  const taken: Taken = { slots: {}, examples: {}, query: '' }
  const { patterns } = compiled
  for (let index = 0; index < patterns.length; index++) {
    if (!matchText(patterns[index]!, texts[index]!, taken)) return null
  }
  return taken
}

interface Found {
  compiled: Compiled
  taken: Taken
  tied: boolean
}

const search = (bucket: Bucket, texts: string[], best: Found | null): Found | null => {
  const turns = texts.length - bucket.messages
  let found = best
  bucket.candidates(texts, (compiled) => {
    if (turns > compiled.template.maxTurnsAfter) return
    if (found && compiled.anchorChars < found.compiled.anchorChars) return
    const taken = take(compiled, texts)
    if (!taken) return
    const tied = found !== null && found.compiled.anchorChars === compiled.anchorChars
    found = { compiled, taken, tied }
  })
  return found
}

const createIndex = (templates: Template[]): Map<string, Map<string, Bucket>> => {
  const index = new Map<string, Map<string, Bucket>>()
  for (const [key, group] of groupBy(templates, keyText)) {
    const buckets = new Map<string, Bucket>()
    const byRoles = groupBy(group, ({ messages }) => rolesText(messages, messages.length))
    for (const [roles, members] of byRoles) buckets.set(roles, createBucket(members))
    index.set(key, buckets)
  }
  return index
}

const distinctVersions = (templates: Template[]): Template[] => [
  ...new Map(templates.map((template) => [template.version, template])).values(),
]

/** Immutable; build a new one when the set of templates changes. */
export const compileMatcher = (templates: Template[]): Matcher => {
  const distinct = distinctVersions(templates)
  const index = createIndex(distinct)
  const match = (key: TemplateKey, messages: ChatMessage[]): Match | null => {
    const buckets = index.get(keyText(key))
    if (!buckets || messages.length === 0) return null
    let texts: string[] | null = null
    let best: Found | null = null
    for (const [roles, bucket] of buckets) {
      const turns = messages.length - bucket.messages
      if (turns < 0 || turns > bucket.maxTurnsAfter || turns % 2 !== 0) continue
      if (rolesText(messages, bucket.messages) !== roles) continue
      texts ??= plainTexts(messages)
      if (!texts) return null
      best = search(bucket, texts, best)
    }
    if (!best || !texts || best.tied) return null
    const { template } = best.compiled
    const turns = turnsAfter(messages, texts, template.messages.length)
    return turns && { template, ...best.taken, turns }
  }
  const byteProbes = [...index.values()]
    .flatMap((buckets) => [...buckets.values()].flatMap(({ entries }) => entries))
    .map(({ template, patterns, probe }) =>
      createByteProbe(template.model, patterns[probe.message]!.prefix, probe)
    )
  return { match, mayMatch: createByteTest(byteProbes), size: distinct.length }
}
