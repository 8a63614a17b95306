/** Makes templates of clusters of sampled requests; takes milliseconds a cluster. */
import { groupBy } from '../group-by.ts'
import { compileMatcher, type Matcher } from '../match/match.ts'
import { pairStarts } from '../template/example-pairs.ts'
import type { Template, TemplateMessage } from '../template/template.ts'
import type { LineText } from './building/align.ts'
import { buildTemplate } from './building/build.ts'
import { sessionsOf, type Cluster, type Sample } from './sampling/clusters.ts'
import type { BlockPools } from './block-pools.ts'
import { matches, messagesOf, withKnownExamples } from './known-examples.ts'
import { splitVersions } from './building/versions.ts'

export interface CandidateLimits {
  minSessions: number
  sampleSize: number
}

/** A template, and the samples that it was made from. */
export interface Candidate extends Template {
  /** distinct sessions, estimated within about 13 % above 64 */
  sessions: number
  /** sampled sessions that the template was made from */
  samples: number
}

const MATCHED_SHARE = 0.95
const LARGE_SHARE = 0.5
/** a known template is made again from so many times more samples */
const BETTER_SAMPLE = 1.5
/** fewer samples do not make a template */
const MIN_SAMPLES = 20

interface Accepted {
  candidate: Candidate
  matcher: Matcher
  members: Sample[]
}

const acceptPart = (
  cluster: Cluster,
  part: Sample[],
  text: LineText,
  limits: CandidateLimits
): Accepted | null => {
  const sessions = Math.round(
    (sessionsOf(cluster, limits.sampleSize) * part.length) / cluster.samples.length
  )
  if (sessions < limits.minSessions) return null
  const template = buildTemplate(cluster.key, cluster.roles, part, text)
  if (!template) return null
  const matcher = compileMatcher([template], true)
  const members = part.filter((sample) => matches(matcher, cluster, sample, text))
  if (members.length < part.length * MATCHED_SHARE) return null
  return {
    candidate: { ...template, sessions, samples: part.length },
    matcher,
    members,
  }
}

/** Templates of one cluster: new ones, and known ones for which it has more samples. */
const fromCluster = (
  cluster: Cluster,
  known: Accepted[],
  text: LineText,
  limits: CandidateLimits,
  minOpenShare: number
): Accepted[] => {
  const explained = groupBy(cluster.samples, (sample) => {
    const messages = messagesOf(sample, cluster.roles, text)
    return known.find(({ matcher }) => matcher.match(cluster.key, messages) !== null)
  })
  const open = explained.get(undefined) ?? []
  const least = Math.min(limits.minSessions, MIN_SAMPLES)
  const isOpen = open.length >= Math.max(least, cluster.samples.length * minOpenShare)
  const accept = (samples: Sample[]): Accepted[] =>
    splitVersions(
      samples.toSorted((left, right) => left.session - right.session),
      cluster.roles,
      least,
      text
    ).flatMap((part) => acceptPart(cluster, part, text, limits) ?? [])
  const found = isOpen ? accept(open) : []
  const isBetter = known.some(
    (each) => (explained.get(each)?.length ?? 0) > each.candidate.samples * BETTER_SAMPLE
  )
  if (!isBetter) return found
  const versions = new Set([...explained.keys()].map((each) => each?.candidate.version))
  const refined = accept(cluster.samples).filter(({ candidate }) => versions.has(candidate.version))
  return [...refined, ...found]
}

const rolesOf = ({ messages }: Template): string[] => messages.map(({ role }) => role)

/** Without templates whose requests a larger one recognizes, as values of its slots. */
const withoutSpecialCases = (accepted: Accepted[], text: LineText): Accepted[] =>
  accepted.filter(({ candidate, members }) => {
    const roles = rolesOf(candidate)
    const general = accepted.filter(
      (other) =>
        other.candidate.version !== candidate.version &&
        other.candidate.sessions > candidate.sessions &&
        rolesOf(other.candidate).join() === roles.join()
    )
    const covered = members.filter((sample) => {
      const messages = messagesOf(sample, roles, text)
      return general.some(({ matcher }) => matcher.match(candidate, messages) !== null)
    })
    return covered.length < members.length * MATCHED_SHARE
  })

interface Opening {
  /** the message behind the head */
  first: string
  /** messages of the session's first request */
  length: number
}

/** Sampled sessions of the tenant that begin with the template's messages before its first pair. */
const openingsWithHead = (
  candidate: Candidate,
  start: number,
  clusters: Cluster[],
  text: LineText
): Opening[] => {
  const asked: TemplateMessage = { role: 'user', segments: [{ kind: 'query' }] }
  const head = [...candidate.messages.slice(0, start), asked]
  const matcher = compileMatcher([{ ...candidate, messages: head }])
  return clusters
    .filter(({ key, roles }) => key.tenant === candidate.tenant && roles[start] === 'user')
    .flatMap(({ roles, samples }) =>
      samples.flatMap((sample) => {
        const messages = sample.messages.slice(0, start + 1)
        const match = matcher.match(candidate, messagesOf({ ...sample, messages }, roles, text))
        return match ? [{ first: match.query, length: roles.length }] : []
      })
    )
}

/**
 * Whether the template's pairs may be turns of a conversation: they are not the same in all sessions, and
 * some session of the tenant begins with the text before them, but with fewer messages. Its model and its
 * tools may be others.
 */
const mayBeConversation = (candidate: Candidate, clusters: Cluster[], text: LineText): boolean => {
  const { messages } = candidate
  const [start] = pairStarts(messages.map(({ role }) => role))
  if (start === undefined) return false
  const openings = openingsWithHead(candidate, start, clusters, text)
  const paired = openings.filter(({ length }) => length > start + 1)
  const vary = new Set(paired.map(({ first }) => first)).size > 1
  return vary && openings.some(({ length }) => length < messages.length)
}

/**
 * @param blocks pools of example blocks, begun for templates that are new
 * @returns templates by falling number of sessions
 */
export const findCandidates = (
  clusters: Cluster[],
  text: LineText,
  limits: CandidateLimits,
  blocks: BlockPools
): Candidate[] => {
  const size = (cluster: Cluster): number => sessionsOf(cluster, limits.sampleSize)
  const large = clusters
    .filter((cluster) => size(cluster) >= limits.minSessions)
    .sort((left, right) => size(right) - size(left) || left.id - right.id)
  const byVersion = new Map<string, Accepted>()
  // small rests of a cluster are mixtures until all clusters have been searched
  for (const minOpenShare of [LARGE_SHARE, 0]) {
    for (const cluster of large) {
      const known = [...byVersion.values()]
      for (const found of fromCluster(cluster, known, text, limits, minOpenShare)) {
        const { version, samples } = found.candidate
        if (samples > (byVersion.get(version)?.candidate.samples ?? 0))
          byVersion.set(version, found)
      }
    }
  }
  return withoutSpecialCases([...byVersion.values()], text)
    .map(({ candidate, matcher, members }) =>
      withKnownExamples(candidate, matcher, members, { clusters, text, blocks })
    )
    .filter((candidate) => !mayBeConversation(candidate, clusters, text))
    .sort(
      (left, right) => right.sessions - left.sessions || (left.version < right.version ? -1 : 1)
    )
}
