/** From clusters of sampled requests to templates. Pure; costs milliseconds a cluster. */
import type { ChatMessage } from '../../openai/chat.ts'
import { compileMatcher, type Matcher } from '../match.ts'
import type { Template } from '../template.ts'
import type { LineText } from './align.ts'
import { buildTemplate, type BuildLimits } from './build.ts'
import { sessionsOf, type Cluster, type Sample } from './clusters.ts'
import { splitVersions } from './versions.ts'

export interface CandidateLimits extends BuildLimits {
  minSessions: number
}

/** A template that was found, with the evidence for it. */
export interface Candidate extends Template {
  /** distinct sessions, estimated within about 13 % above 64 */
  sessions: number
  /** sampled sessions that the template was made of */
  samples: number
  firstSeen: number
  lastSeen: number
}

const MATCHED_SHARE = 0.95
/** below this many samples even an exact part proves nothing */
const MIN_SAMPLES = 20

interface Accepted {
  candidate: Candidate
  matcher: Matcher
  members: Sample[]
}

const messagesOf = (sample: Sample, roles: string[], text: LineText): ChatMessage[] =>
  sample.messages.map((lines, index) => ({
    role: roles[index]!,
    content: Array.from(lines, text).join('\n'),
  }))

const matches = (
  matcher: Matcher,
  { key, roles }: Cluster,
  sample: Sample,
  text: LineText
): boolean => matcher.match(key, messagesOf(sample, roles, text)) !== null

const acceptPart = (
  cluster: Cluster,
  part: Sample[],
  text: LineText,
  limits: CandidateLimits
): Accepted | null => {
  const sessions = Math.round((sessionsOf(cluster) * part.length) / cluster.samples.length)
  if (sessions < limits.minSessions) return null
  const template = buildTemplate(cluster.key, cluster.roles, part, text, limits)
  if (!template) return null
  const matcher = compileMatcher([template])
  const members = part.filter((sample) => matches(matcher, cluster, sample, text))
  if (members.length < part.length * MATCHED_SHARE) return null
  const times = part.map(({ at }) => at)
  const [firstSeen, lastSeen] = [Math.min(...times), Math.max(...times)]
  return {
    candidate: { ...template, sessions, samples: part.length, firstSeen, lastSeen },
    matcher,
    members,
  }
}

/** Templates of one cluster among the samples that no template found before explains. */
const fromCluster = (
  cluster: Cluster,
  known: Accepted[],
  text: LineText,
  limits: CandidateLimits
): Accepted[] => {
  const open = cluster.samples.filter(
    (sample) => !known.some(({ matcher }) => matches(matcher, cluster, sample, text))
  )
  const least = Math.min(limits.minSessions, MIN_SAMPLES)
  if (open.length < least) return []
  open.sort((left, right) => left.session - right.session)
  return splitVersions(open, least, text).flatMap(
    (part) => acceptPart(cluster, part, text, limits) ?? []
  )
}

const sameShape = (left: Template, right: Template): boolean =>
  left.messages.length === right.messages.length &&
  left.messages.every(({ role }, index) => role === right.messages[index]!.role)

/** Without templates whose requests a larger one recognizes: those are values of its slots. */
const withoutSpecialCases = (accepted: Accepted[], text: LineText): Accepted[] =>
  accepted.filter(({ candidate, members }) => {
    const general = accepted.filter(
      (other) =>
        other.candidate.version !== candidate.version &&
        other.candidate.sessions > candidate.sessions &&
        sameShape(other.candidate, candidate)
    )
    const roles = candidate.messages.map(({ role }) => role)
    const covered = members.filter((sample) => {
      const messages = messagesOf(sample, roles, text)
      return general.some(({ matcher }) => matcher.match(candidate, messages) !== null)
    })
    return covered.length < members.length * MATCHED_SHARE
  })

/** @returns templates by falling number of sessions */
export const findCandidates = (
  clusters: Cluster[],
  text: LineText,
  limits: CandidateLimits
): Candidate[] => {
  const large = clusters
    .filter((cluster) => sessionsOf(cluster) >= limits.minSessions)
    .sort((left, right) => sessionsOf(right) - sessionsOf(left) || left.id - right.id)
  const byVersion = new Map<string, Accepted>()
  for (const cluster of large) {
    for (const found of fromCluster(cluster, [...byVersion.values()], text, limits)) {
      const { version, sessions } = found.candidate
      const known = byVersion.get(version)
      if (!known || known.candidate.sessions < sessions) byVersion.set(version, found)
    }
  }
  return withoutSpecialCases([...byVersion.values()], text)
    .map(({ candidate }) => candidate)
    .sort(
      (left, right) => right.sessions - left.sessions || (left.version < right.version ? -1 : 1)
    )
}
