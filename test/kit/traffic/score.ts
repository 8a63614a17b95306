/**
 * Scores what a detector found against a labelled stream. The labels are read here and nowhere
 * else.
 *
 * - A version is a (group, variant) of the labels with at least `minSessions` sessions. Variants
 *   named whitespace_jitter are not versions: matching is exact, so they must match nothing.
 * - A version is found when one template recognizes at least 90 % of its requests.
 * - A template is wrong when most requests that it matches belong to no template, or when it is a second one
 *   for a version; it mixes versions when it recognizes requests of two of them, or jitter.
 * - Template text of a request: the lines (with repetition) that at least 95 % of the version's
 *   requests have, in the messages that all of them have. Covered: those inside an anchor of the
 *   template that recognizes the request; a request that none recognizes counts as uncovered.
 */
import { messageText } from '../../../src/core/request/request-scan.ts'
import { compileMatcher, type Matcher } from '../../../src/core/match/match.ts'
import type { Template, TemplateKey } from '../../../src/core/template/template.ts'
import type { StreamRow } from './stream.ts'

const JITTER = 'whitespace_jitter'
const FOUND_SHARE = 0.9
const CONSTANT_SHARE = 0.95

export interface Score {
  found: string[]
  missed: string[]
  /** template versions with the requests that they match */
  wrong: string[]
  mixed: string[]
  /** share of template text covered, 0 to 1 */
  covered: number
}

export const versionName = ({ gold }: StreamRow): string | null =>
  gold.is_template && gold.group !== null ? `${gold.group}/${gold.variant ?? 'v1'}` : null

const isJitter = (name: string): boolean => name.endsWith(`/${JITTER}`)

/** Versions with enough sessions, and their rows. */
const expectedVersions = (rows: StreamRow[], minSessions: number): Map<string, StreamRow[]> => {
  const versions = new Map<string, StreamRow[]>()
  for (const row of rows) {
    const name = versionName(row)
    if (name === null || isJitter(name)) continue
    const members = versions.get(name) ?? []
    members.push(row)
    versions.set(name, members)
  }
  for (const [name, members] of versions) {
    const sessions = new Set(members.map(({ id, gold }) => gold.conversation_id ?? id))
    if (sessions.size < minSessions) versions.delete(name)
  }
  return versions
}

interface Hits {
  template: Template
  /** rows recognized, by version; `null` for rows without a template */
  byVersion: Map<string | null, number>
}

const hitsOf = (template: Template, rows: StreamRow[], key: TemplateKey): Hits => {
  const matcher = compileMatcher([template])
  const byVersion = new Map<string | null, number>()
  for (const row of rows) {
    if (!matcher.match(key, row.messages)) continue
    const name = versionName(row)
    byVersion.set(name, (byVersion.get(name) ?? 0) + 1)
  }
  return { template, byVersion }
}

const mostly = ({ byVersion }: Hits): string | null | undefined =>
  [...byVersion].sort((left, right) => right[1] - left[1])[0]?.[0]

const linesOf = (row: StreamRow, messages: number): Map<string, number> => {
  const lines = new Map<string, number>()
  row.messages.slice(0, messages).forEach((message, index) => {
    for (const line of (messageText(message) ?? '').split('\n')) {
      const name = `${index}\n${line}`
      if (line !== '') lines.set(name, (lines.get(name) ?? 0) + 1)
    }
  })
  return lines
}

/** Lines of a version's template text with their number, by message index. */
const constantLines = (rows: StreamRow[]): { message: number; line: string; count: number }[] => {
  const messages = Math.min(...rows.map((row) => row.messages.length))
  const all = rows.map((row) => linesOf(row, messages))
  const names = new Set(all.flatMap((lines) => [...lines.keys()]))
  return [...names].flatMap((name) => {
    const counts = all.map((lines) => lines.get(name) ?? 0).sort((left, right) => right - left)
    const count = counts[Math.ceil(counts.length * CONSTANT_SHARE) - 1]!
    const split = name.indexOf('\n')
    return count > 0
      ? [{ message: Number(name.slice(0, split)), line: name.slice(split + 1), count }]
      : []
  })
}

const coverage = (
  versions: Map<string, StreamRow[]>,
  matcher: Matcher,
  key: TemplateKey
): number => {
  let total = 0
  let covered = 0
  for (const rows of versions.values()) {
    const lines = constantLines(rows)
    const chars = lines.reduce((sum, { line, count }) => sum + line.length * count, 0)
    const byTemplate = new Map<Template, number>()
    for (const row of rows) {
      total += chars
      const template = matcher.match(key, row.messages)?.template
      if (!template) continue
      const known = byTemplate.get(template) ?? coveredChars(template, lines)
      byTemplate.set(template, known)
      covered += known
    }
  }
  return total === 0 ? 1 : covered / total
}

const coveredChars = (
  template: Template,
  lines: { message: number; line: string; count: number }[]
): number =>
  lines
    .filter(({ message, line }) =>
      template.messages[message]?.segments.some(
        (segment) => segment.kind === 'anchor' && segment.text.includes(line)
      )
    )
    .reduce((sum, { line, count }) => sum + line.length * count, 0)

export const scoreTemplates = (
  templates: Template[],
  rows: StreamRow[],
  key: TemplateKey,
  minSessions: number
): Score => {
  const versions = expectedVersions(rows, minSessions)
  const hits = templates.map((template) => hitsOf(template, rows, key))
  const owners = new Map<string, Hits>()
  for (const [name, members] of versions) {
    const owner = hits.find((hit) => (hit.byVersion.get(name) ?? 0) >= members.length * FOUND_SHARE)
    if (owner) owners.set(name, owner)
  }
  const tell = ({ template, byVersion }: Hits): string =>
    `${template.version}: ${[...byVersion].map(([name, count]) => `${name} ${count}`).join(', ')}`
  const wrong = hits.filter((hit) => {
    const main = mostly(hit)
    if (main === null || main === undefined) return true
    const owner = owners.get(main)
    return owner !== undefined && owner !== hit && ![...owners.values()].includes(hit)
  })
  const mixed = hits.filter(({ byVersion }) => {
    const names = [...byVersion.keys()].filter((name) => name !== null)
    return names.length > 1 || names.some(isJitter)
  })
  return {
    found: [...owners.keys()],
    missed: [...versions.keys()].filter((name) => !owners.has(name)),
    wrong: wrong.map(tell),
    mixed: mixed.map(tell),
    covered: coverage(versions, compileMatcher(templates), key),
  }
}
