/**
 * Groups of requests that share a recurring feature, each with a sample of at most k sessions and
 * an estimate of how many there were. The sample is bottom-k over a keyed hash of the session with
 * forward decay, so it is uniform over recent sessions, deterministic, and two samples merge.
 * Bounded in bytes. Knows nothing of how requests are grouped or how the samples are used.
 */
import { DAY_MS } from '../../days.ts'
import { firstPlace } from '../../bisect.ts'
import { itemAt } from '../../lists.ts'
import type { TemplateKey } from '../../template/template.ts'
import type { LinePool } from './line-pool.ts'
import { ExamplePool, type ExampleSighting } from './example-pool.ts'

const SKETCH_SIZE = 64
const HASH_RANGE = 2 ** 53
const CLUSTER_BYTES = 1200
/** requests without a sighting that a cluster survives for each doubling of its sessions */
const PATIENCE = 50_000

export interface Sample {
  /** hash of the session, below 2^53 */
  session: number
  priority: number
  at: number
  /** messages that followed the session's first request in later ones */
  turns: number
  response: string | null
  /** issued key that it was sent with; '' without one */
  caller: string
  /** line ids of each message */
  messages: Uint32Array[]
}

export interface Cluster {
  id: number
  key: TemplateKey
  roles: string[]
  /** the smallest session hashes, ascending: a KMV sketch (Bar-Yossef et al. 2002) */
  smallest: number[]
  samples: Sample[]
  /** of all sessions, not only the sampled ones */
  pairs: ExamplePool
  lastRequest: number
}

export interface ClusterLimits {
  sampleSize: number
  maxClusters: number
  maxBytes: number
}

export interface Sighting extends Pick<Sample, 'session' | 'at' | 'response' | 'caller'> {
  /** texts of the session's first request */
  texts: readonly string[]
  pairs: ExampleSighting
}

/**
 * Distinct sessions of a cluster: exact while the sample holds them all, then within about 13 %.
 * @param sampleSize the limit that the sample was taken with
 */
export const sessionsOf = ({ smallest, samples }: Cluster, sampleSize: number): number => {
  if (samples.length < sampleSize) return samples.length
  const last = smallest.at(-1)
  if (last === undefined || smallest.length < SKETCH_SIZE)
    return Math.max(samples.length, smallest.length)
  const estimate = Math.round(((SKETCH_SIZE - 1) * HASH_RANGE) / last)
  return Math.max(samples.length, estimate)
}

const addSession = (smallest: number[], session: number): void => {
  const last = smallest.at(-1)
  if (last !== undefined && smallest.length === SKETCH_SIZE && session >= last) return
  const at = firstPlace(smallest, (held) => held < session)
  if (smallest[at] === session) return
  smallest.splice(at, 0, session)
  if (smallest.length > SKETCH_SIZE) smallest.pop()
}

const bytesOf = (sample: Sample): number =>
  sample.messages.reduce(
    (sum, lines) => sum + 96 + 4 * lines.length,
    160 + 2 * (sample.response?.length ?? 0)
  )

/** Age at which a session counts half when samples are taken. */
const HALF_LIFE_MS = 14 * DAY_MS

/** The smallest are kept: log of an exponential variate, less the age discount (forward decay). */
const priorityOf = (session: number, at: number): number => {
  // a second, independent use of the hash: KMV looks at its top bits, this at a product of all
  const uniform = ((session * 0.6180339887498949) % 1) + 2 ** -54
  return Math.log(-Math.log(uniform)) - (Math.LN2 * at) / HALF_LIFE_MS
}

export class ClusterStore {
  private readonly clusters = new Map<number, Cluster>()
  private sampleBytes = 0
  private pairBytes = 0
  private requests = 0

  constructor(
    private readonly pool: LinePool,
    private readonly limits: ClusterLimits
  ) {}

  get bytes(): number {
    return this.sampleBytes + this.pairBytes + this.pool.bytes + this.clusters.size * CLUSTER_BYTES
  }

  all(): Cluster[] {
    return [...this.clusters.values()].sort((left, right) => left.id - right.id)
  }

  sight(id: number, key: TemplateKey, roles: string[], sighting: Sighting): void {
    const { session, at, response, caller, texts } = sighting
    const cluster = this.open(id, key, roles)
    cluster.lastRequest = ++this.requests
    addSession(cluster.smallest, session)
    this.addPairs(cluster, (pairs) => pairs.add(sighting.pairs))
    const priority = priorityOf(session, at)
    if (this.admits(cluster, session, priority)) {
      const messages = texts.map((text) => this.intern(text.split('\n')))
      this.put(cluster, { session, priority, at, turns: 0, response, caller, messages })
    }
    this.shrink(id)
  }

  /** Notes that a session went on for `turns` messages after its first request. */
  extend(id: number, session: number, turns: number): void {
    const sample = this.clusters.get(id)?.samples.find((held) => held.session === session)
    if (sample) sample.turns = Math.max(sample.turns, turns)
  }

  /** Takes over a cluster of another store; `text` gives the texts of its line ids. */
  adopt(other: Cluster, text: (line: number) => string): void {
    const cluster = this.open(other.id, other.key, other.roles)
    cluster.lastRequest = Math.max(cluster.lastRequest, this.requests)
    for (const session of other.smallest) addSession(cluster.smallest, session)
    this.addPairs(cluster, (pairs) => pairs.merge(other.pairs))
    for (const sample of other.samples) {
      const { session, turns } = sample
      if (this.admits(cluster, session, sample.priority)) {
        const messages = sample.messages.map((lines) => this.intern(Array.from(lines, text)))
        this.put(cluster, { ...sample, messages })
      } else {
        this.extend(other.id, session, turns)
      }
    }
    this.shrink(other.id)
  }

  private open(id: number, key: TemplateKey, roles: string[]): Cluster {
    const known = this.clusters.get(id)
    if (known) return known
    const pairs = new ExamplePool()
    const cluster: Cluster = { id, key, roles, smallest: [], samples: [], pairs, lastRequest: 0 }
    this.clusters.set(id, cluster)
    return cluster
  }

  private addPairs({ pairs }: Cluster, add: (pairs: ExamplePool) => void): void {
    const before = pairs.bytes
    add(pairs)
    this.pairBytes += pairs.bytes - before
  }

  private intern(lines: string[]): Uint32Array {
    return Uint32Array.from(lines, (line) => this.pool.intern(line))
  }

  private admits({ samples }: Cluster, session: number, priority: number): boolean {
    const [worst] = samples
    const isFull = samples.length >= this.limits.sampleSize
    if (isFull && worst !== undefined && priority >= worst.priority) return false
    return !samples.some((sample) => sample.session === session)
  }

  /** Keeps the worst sample first, because admission looks only at that one. */
  private put({ samples }: Cluster, sample: Sample): void {
    const [first] = samples
    if (first !== undefined && samples.length >= this.limits.sampleSize) {
      this.forget(first)
      samples[0] = sample
    } else samples.push(sample)
    this.sampleBytes += bytesOf(sample)
    const worst = samples.reduce((most, each) => (each.priority > most.priority ? each : most))
    const at = samples.indexOf(worst)
    ;[samples[0], samples[at]] = [worst, itemAt(samples, 0)]
  }

  private forget(sample: Sample): void {
    this.sampleBytes -= bytesOf(sample)
    for (const lines of sample.messages) for (const line of lines) this.pool.release(line)
  }

  /** Evicts the clusters with the fewest recent sessions until the store fits; `inUse` goes last. */
  private shrink(inUse: number): void {
    while (this.clusters.size > this.limits.maxClusters || this.bytes > this.limits.maxBytes) {
      let victim: Cluster | null = null
      let lowest = Infinity
      for (const cluster of this.clusters.values()) {
        const sessions = sessionsOf(cluster, this.limits.sampleSize)
        const score = cluster.lastRequest + PATIENCE * Math.log2(1 + sessions)
        if (score < lowest && (cluster.id !== inUse || this.clusters.size === 1)) {
          lowest = score
          victim = cluster
        }
      }
      if (!victim) return
      for (const sample of victim.samples) this.forget(sample)
      this.pairBytes -= victim.pairs.bytes
      this.clusters.delete(victim.id)
    }
  }
}
