/**
 * Finds recurring prompts in a stream of requests, in bounded memory: counts recurring lines and
 * prefixes, keeps a sample of sessions for each, and makes templates of the samples on demand.
 * Deterministic for a seed; two detectors merge; a snapshot restores. Knows nothing of HTTP, storage
 * or training.
 */
import { AppError } from '../../errors.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import { ByteReader, ByteWriter } from './sampling/bytes.ts'
import { findCandidates, type Candidate } from './candidates.ts'
import { ClusterStore, type Cluster, type Sample } from './sampling/clusters.ts'
import { ConversationTable, type SessionStart } from './sampling/conversation.ts'
import { Filing, hashAt } from './filing.ts'
import { LinePool } from './sampling/line-pool.ts'
import { type ExampleSighting, ExamplePool } from './sampling/example-pool.ts'
import { BlockPools } from './block-pools.ts'
import {
  combine,
  createScan,
  hashText,
  plainTexts,
  scanMessages,
  toInteger,
  type HashPair,
} from '../request/request-scan.ts'
import { itemAt, valueIn } from '../lists.ts'
import { pairDigest, pairStarts } from '../template/example-pairs.ts'
import { keyText } from '../template/template-key.ts'
import type { RequestKey } from '../template/template.ts'
import type { LineText } from './building/align.ts'

/** Writes clusters as bytes and reads them. Lines are written once and referenced by number. */
const MAX_ITEMS = 2 ** 26

const writeClusters = (writer: ByteWriter, clusters: Cluster[], text: LineText): void => {
  const messages = clusters.flatMap(({ samples }) => samples.flatMap((sample) => sample.messages))
  const lines = new Set(messages.flatMap((message) => [...message]))
  const numbers = new Map([...lines].map((line, number) => [line, number]))
  const writeSample = (sample: Sample): void => {
    writer.number(sample.session)
    writer.number(sample.priority)
    writer.number(sample.at)
    writer.int(sample.turns)
    writer.int(sample.response === null ? 0 : 1)
    if (sample.response !== null) writer.string(sample.response)
    writer.string(sample.caller)
    for (const message of sample.messages) {
      writer.int(message.length)
      for (const line of message) writer.int(valueIn(numbers, line))
    }
  }
  writer.int(lines.size)
  for (const line of lines) writer.string(text(line))
  writer.int(clusters.length)
  for (const { id, key, roles, smallest, samples, pairs } of clusters) {
    writer.number(id)
    writer.string(JSON.stringify([key, roles]))
    writer.int(smallest.length)
    for (const session of smallest) writer.number(session)
    writer.int(samples.length)
    for (const sample of samples) writeSample(sample)
    pairs.write(writer)
  }
}

const readCount = (reader: ByteReader): number => {
  const count = reader.int()
  if (count < 0 || count > MAX_ITEMS) {
    throw new AppError('invalid-state', 'the detector snapshot is damaged')
  }
  return count
}

const readMany = <Item>(reader: ByteReader, read: () => Item): Item[] =>
  Array.from({ length: readCount(reader) }, read)

const readSample = (reader: ByteReader, messages: number): Sample => ({
  session: reader.number(),
  priority: reader.number(),
  at: reader.number(),
  turns: reader.int(),
  response: reader.int() === 1 ? reader.string() : null,
  caller: reader.string(),
  messages: Array.from({ length: messages }, () =>
    Uint32Array.from(readMany(reader, () => reader.int()))
  ),
})

const readCluster = (reader: ByteReader): Cluster => {
  const id = reader.number()
  const [key, roles] = JSON.parse(reader.string()) as [Cluster['key'], string[]]
  const smallest = readMany(reader, () => reader.number())
  const samples = readMany(reader, () => readSample(reader, roles.length))
  const pairs = ExamplePool.read(reader)
  return { id, key, roles, smallest, samples, pairs, lastRequest: 0 }
}

/** @throws AppError `invalid-state` when the bytes are damaged */
const readClusters = (reader: ByteReader): { clusters: Cluster[]; text: LineText } => {
  const lines = readMany(reader, () => reader.string())
  const clusters = readMany(reader, () => readCluster(reader))
  const text = (line: number): string => {
    const found = lines[line]
    if (found === undefined) throw new AppError('invalid-state', 'the detector snapshot is damaged')
    return found
  }
  return { clusters, text }
}

export type { Candidate } from './candidates.ts'

export interface DetectorOptions {
  /** keys every hash, so that a client cannot aim at collisions */
  seed: number
  /**
   * Distinct sessions that make a template. With 30 out of 30 samples alike, at least 90 % of the
   * traffic is (95 % confidence, rule of three); 100 gives 97 %.
   */
  minSessions: number
  /** sessions kept for each group of requests */
  sampleSize: number
  maxClusters: number
  /** of all samples; the counting tables are not included, see `bytes` */
  maxSampleBytes: number
  maxLines: number
  maxTrieNodes: number
  maxConversations: number
}

export const DEFAULT_DETECTOR_OPTIONS: DetectorOptions = {
  seed: 0x5eed,
  minSessions: 30,
  sampleSize: 200,
  maxClusters: 1024,
  maxSampleBytes: 24 * 2 ** 20,
  maxLines: 2 ** 18,
  maxTrieNodes: 2 ** 16,
  maxConversations: 2 ** 16,
}

export interface Observation {
  key: RequestKey
  messages: ChatMessage[]
  /** text of the answer, when it is known */
  response?: string | null
  /** milliseconds since the epoch */
  at: number
}

/** Longer requests are skipped. */
const [MAX_MESSAGES, MAX_REQUEST_CHARS] = [512, 2 ** 18]
const MAX_SCAN_LINES = 4096
const MAX_RESPONSE_CHARS = 2048
const SNAPSHOT_FORMAT = 1

export class Detector {
  private readonly options: DetectorOptions
  private readonly scan = createScan(MAX_SCAN_LINES, MAX_SCAN_LINES, MAX_MESSAGES)
  private readonly filing: Filing
  private readonly conversations: ConversationTable
  private readonly pool = new LinePool()
  private readonly clusters: ClusterStore
  private readonly blocks: BlockPools
  private requests = 0

  /** @param options defaults are DEFAULT_DETECTOR_OPTIONS */
  constructor(options: Partial<DetectorOptions> = {}) {
    this.options = { ...DEFAULT_DETECTOR_OPTIONS, ...options }
    const { maxLines, maxTrieNodes, seed, maxConversations, maxSampleBytes } = this.options
    this.filing = new Filing(maxLines, maxTrieNodes, seed)
    this.conversations = new ConversationTable(maxConversations)
    this.clusters = new ClusterStore(this.pool, { ...this.options, maxBytes: maxSampleBytes })
    this.blocks = new BlockPools(seed)
  }

  /** Upper bound of the memory held, in bytes. */
  get bytes(): number {
    const { lines, trie } = this.filing
    const filed = lines.bytes + trie.bytes + this.conversations.bytes
    return filed + this.clusters.bytes + this.blocks.bytes
  }

  observe(observation: Observation): void {
    const { messages, key, response } = observation
    if (messages.length === 0 || messages.length > MAX_MESSAGES) return
    const texts = plainTexts(messages)
    const chars = texts?.reduce((sum, text) => sum + text.length, 0) ?? 0
    if (!texts || chars > MAX_REQUEST_CHARS) return
    const keyHash = hashText(keyText(key), this.options.seed)
    scanMessages(this.scan, messages, texts, this.options.seed, keyHash)
    this.requests++
    const earlier = this.earlierStart(messages, texts)
    const start = earlier ?? {
      session: this.newSession(observation),
      rootMessages: messages.length,
    }
    const answer = typeof response === 'string' ? this.answerHash(response) : 0
    this.conversations.remember(this.chainBefore(messages.length), answer, start)
    this.file(observation, texts, start, keyHash, earlier === null)
  }

  /**
   * Complete templates by falling number of sessions; takes milliseconds for each cluster. Sessions after that
   * add to the pools of their examples.
   */
  candidates(): Candidate[] {
    const text = (id: number): string => this.pool.text(id)
    const found = findCandidates(this.clusters.all(), text, this.options, this.blocks)
    this.blocks.retain(found)
    return found
  }

  snapshot(): Uint8Array {
    const writer = new ByteWriter()
    writer.int(SNAPSHOT_FORMAT)
    writer.int(this.options.seed)
    writer.number(this.requests)
    this.filing.lines.write(writer)
    this.filing.trie.write(writer)
    this.conversations.write(writer)
    writeClusters(writer, this.clusters.all(), (id) => this.pool.text(id))
    this.blocks.write(writer)
    return writer.finish()
  }

  /**
   * Adds the content of a snapshot, which restores it in a new detector and merges it into a used one.
   * @throws AppError `invalid-state` for another seed or a damaged snapshot
   */
  restore(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes)
    if (reader.int() !== SNAPSHOT_FORMAT || reader.int() !== (this.options.seed | 0)) {
      throw new AppError('invalid-state', 'the detector snapshot has another format or seed')
    }
    this.requests += reader.number()
    this.filing.lines.read(reader)
    this.filing.trie.read(reader)
    this.conversations.read(reader)
    const { clusters, text } = readClusters(reader)
    for (const cluster of clusters) this.clusters.adopt(cluster, text)
    this.blocks.read(reader)
  }

  /** The session of the latest earlier request whose messages and answer this request repeats. */
  private earlierStart(messages: ChatMessage[], texts: string[]): SessionStart | null {
    for (let index = messages.length - 2; index > 0; index--) {
      if (itemAt(messages, index).role !== 'assistant') continue
      const answer = this.answerHash(itemAt(texts, index))
      const start = this.conversations.find(this.chainBefore(index), answer)
      if (start) return start
    }
    return null
  }

  /** Hash of the scanned messages before an index. */
  private chainBefore(index: number): HashPair {
    return hashAt(this.scan.chainHi, this.scan.chainLo, index)
  }

  /** Hash of an answer without the blanks around it, which clients change; never 0, which stands for none. */
  private answerHash(answer: string): number {
    return hashText(answer.trim(), this.options.seed).lo || 1
  }

  private newSession({ at }: Observation): number {
    const content = this.chainBefore(this.scan.messages)
    return toInteger(combine(content, hashText(`${at}:${this.requests}`, this.options.seed)))
  }

  private file(
    { key: { caller = '', ...key }, messages, response = null, at }: Observation,
    texts: string[],
    { rootMessages, session }: SessionStart,
    keyHash: HashPair,
    isNew: boolean
  ): void {
    const roles = messages.slice(0, rootMessages).map(({ role }) => role)
    const roleText = roles.map((role) => `${role}\n`).join('')
    const context = combine(keyHash, hashText(roleText, this.options.seed))
    const { scan } = this
    const filed = { scan, texts, messages: rootMessages, context, counts: isNew }
    const files = this.filing.file(filed)
    const pairs = this.pairsOf(isNew && files.length > 0 ? roles : [], texts, session, caller)
    if (isNew) this.blocks.observe({ ...key, caller }, messages, session)
    for (const id of files) {
      if (isNew) {
        const start = response?.slice(0, MAX_RESPONSE_CHARS) ?? null
        this.clusters.sight(id, key, roles, {
          session,
          at,
          response: start,
          caller,
          texts,
          pairs,
        })
      } else {
        this.clusters.extend(id, session, messages.length - rootMessages)
      }
    }
  }

  private pairsOf(
    roles: string[],
    texts: string[],
    session: number,
    caller: string
  ): ExampleSighting {
    const digests = pairStarts(roles).map((at) =>
      pairDigest(itemAt(texts, at), itemAt(texts, at + 1))
    )
    const all =
      digests.length > 1 ? toInteger(hashText(digests.join(), this.options.seed)) : session
    return { digests, source: all, caller }
  }
}
