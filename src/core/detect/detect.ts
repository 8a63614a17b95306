/**
 * Finds recurring prompts in a stream of requests, in bounded memory: counts what recurs, keeps a
 * sample of sessions for it, and makes templates of the samples on demand. Deterministic for a
 * seed; two detectors merge; a snapshot restores. Knows nothing of HTTP, storage or training.
 */
import { AppError } from '../../errors.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import { ByteReader, ByteWriter } from './sampling/bytes.ts'
import { findCandidates, type Candidate } from './candidates.ts'
import { createClusterStore, type Cluster, type ClusterStore } from './sampling/clusters.ts'
import {
  createConversationTable,
  type ConversationTable,
  type Turn,
} from './sampling/conversation.ts'
import { createFiling, type Filing } from './filing.ts'
import { createLinePool, type LinePool } from './sampling/line-pool.ts'
import {
  combine,
  createScan,
  hashText,
  messageText,
  scanMessages,
  toInteger,
  type HashPair,
} from '../request/request-scan.ts'
import { readClusters, writeClusters } from './snapshot.ts'
import { keyText } from '../template/template-key.ts'
import type { TemplateKey } from '../template/template.ts'

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
  /** age at which a session counts half when samples are taken */
  halfLifeMs: number
  minAnchorChars: number
  minDistinctShare: number
  minRemovableShare: number
  maxClusters: number
  /** of all samples; the counting tables come on top, see `bytes` */
  maxSampleBytes: number
  maxSegments: number
  maxTrieNodes: number
  maxConversations: number
  /** a longer request is not looked at */
  maxRequestChars: number
}

export const DEFAULT_DETECTOR_OPTIONS: DetectorOptions = {
  seed: 0x5eed,
  minSessions: 30,
  sampleSize: 200,
  halfLifeMs: 14 * 24 * 3600 * 1000,
  minAnchorChars: 120,
  minDistinctShare: 0.5,
  minRemovableShare: 0.5,
  maxClusters: 1024,
  maxSampleBytes: 24 * 2 ** 20,
  maxSegments: 2 ** 18,
  maxTrieNodes: 2 ** 16,
  maxConversations: 2 ** 16,
  maxRequestChars: 2 ** 18,
}

export interface Observation {
  key: TemplateKey
  messages: ChatMessage[]
  /** the text that we answered with, when it is known */
  response?: string | null
  /** what the caller calls a session; found by conversation growth when absent */
  session?: string | null
  /** milliseconds since the epoch */
  at: number
}

export interface Detector {
  observe(observation: Observation): void
  /** Complete templates by falling number of sessions; milliseconds for each cluster. */
  candidates(): Candidate[]
  snapshot(): Uint8Array
  /** Adds what a snapshot holds; into a fresh detector it restores it. @throws AppError `invalid-state` */
  restore(bytes: Uint8Array): void
  /** Adds what another detector with the same seed saw. @throws AppError `invalid-state` */
  merge(other: Detector): void
  /** Upper bound of what is held, in bytes. */
  readonly bytes: number
}

const MAX_MESSAGES = 512
const MAX_SCAN_SEGMENTS = 4096
const MAX_RESPONSE_CHARS = 2048
const SNAPSHOT_FORMAT = 1

/** Texts of all messages; null when one holds what no template can (images, tool calls, names). */
const plainTexts = (messages: ChatMessage[], maxChars: number): string[] | null => {
  if (messages.length === 0 || messages.length > MAX_MESSAGES) return null
  const texts: string[] = []
  let chars = 0
  for (const message of messages) {
    for (const field in message) if (field !== 'role' && field !== 'content') return null
    const text = messageText(message)
    if (text === null) return null
    chars += text.length
    texts.push(text)
  }
  return chars <= maxChars ? texts : null
}

class StreamingDetector implements Detector {
  readonly #options: DetectorOptions
  readonly #scan = createScan(MAX_SCAN_SEGMENTS, MAX_SCAN_SEGMENTS, MAX_MESSAGES)
  readonly #filing: Filing
  readonly #conversations: ConversationTable
  readonly #pool: LinePool
  readonly #clusters: ClusterStore
  #requests = 0

  constructor(options: DetectorOptions) {
    this.#options = options
    this.#filing = createFiling(options.maxSegments, options.maxTrieNodes, options.seed)
    this.#conversations = createConversationTable(options.maxConversations)
    this.#pool = createLinePool()
    this.#clusters = createClusterStore(this.#pool, {
      sampleSize: options.sampleSize,
      maxClusters: options.maxClusters,
      maxBytes: options.maxSampleBytes,
      halfLifeMs: options.halfLifeMs,
    })
  }

  get bytes(): number {
    const { segments, trie } = this.#filing
    return segments.bytes + trie.bytes + this.#conversations.bytes + this.#clusters.bytes
  }

  observe(observation: Observation): void {
    const { messages, key } = observation
    const texts = plainTexts(messages, this.#options.maxRequestChars)
    if (!texts) return
    const { seed } = this.#options
    const keyHash = hashText(keyText(key), seed)
    scanMessages(this.#scan, messages, texts, seed, keyHash)
    this.#requests++
    const earlier = this.#earlierTurn(messages, texts)
    const turn = earlier ?? {
      session: this.#newSession(observation),
      rootMessages: messages.length,
    }
    this.#remember(observation, turn)
    this.#file(observation, texts, turn, keyHash, earlier === null)
  }

  /** The turn of this conversation that was seen last: some answer in it is one of ours. */
  #earlierTurn(messages: ChatMessage[], texts: string[]): Turn | null {
    const { chainHi, chainLo } = this.#scan
    for (let index = messages.length - 2; index > 0; index--) {
      if (messages[index]!.role !== 'assistant') continue
      const answer = this.#answerHash(texts[index]!)
      const turn = this.#conversations.find(chainHi[index]!, chainLo[index]!, answer)
      if (turn) return turn
    }
    return null
  }

  /** Hash of an answer, never 0: that stands for an answer which was not seen. */
  #answerHash(answer: string): number {
    return hashText(answer, this.#options.seed).lo || 1
  }

  #newSession({ session, at }: Observation): number {
    const { seed } = this.#options
    if (session) return toInteger(hashText(session, seed ^ 0x5e55))
    const { chainHi, chainLo, messages } = this.#scan
    const content = { hi: chainHi[messages]!, lo: chainLo[messages]! }
    return toInteger(combine(content, hashText(`${at}:${this.#requests}`, seed)))
  }

  #remember({ response }: Observation, turn: Turn): void {
    const { chainHi, chainLo, messages } = this.#scan
    const answer = typeof response === 'string' ? this.#answerHash(response) : 0
    this.#conversations.remember(chainHi[messages]!, chainLo[messages]!, answer, turn)
  }

  #file(
    { key, messages, response, at }: Observation,
    texts: string[],
    turn: Turn,
    keyHash: HashPair,
    isNew: boolean
  ): void {
    const { rootMessages, session } = turn
    let roleText = ''
    for (let index = 0; index < rootMessages; index++) roleText += `${messages[index]!.role}\n`
    const context = combine(keyHash, hashText(roleText, this.#options.seed))
    const files = this.#filing.file(this.#scan, texts, rootMessages, context, isNew)
    for (const id of files) {
      if (isNew) {
        const roles = roleText.split('\n').slice(0, -1)
        this.#clusters.sight(id, key, roles, {
          session,
          at,
          response: typeof response === 'string' ? response.slice(0, MAX_RESPONSE_CHARS) : null,
          texts: () => texts,
        })
      } else {
        this.#clusters.extend(id, session, messages.length - rootMessages)
      }
    }
  }

  candidates(): Candidate[] {
    return findCandidates(this.#clusters.all(), (id) => this.#pool.text(id), this.#options)
  }

  snapshot(): Uint8Array {
    const writer = new ByteWriter()
    writer.int(SNAPSHOT_FORMAT)
    writer.int(this.#options.seed)
    writer.number(this.#requests)
    this.#filing.segments.write(writer)
    this.#filing.trie.write(writer)
    this.#conversations.write(writer)
    writeClusters(writer, this.#clusters.all(), (id) => this.#pool.text(id))
    return writer.finish()
  }

  restore(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes)
    if (reader.int() !== SNAPSHOT_FORMAT || reader.int() !== (this.#options.seed | 0)) {
      throw new AppError('invalid-state', 'the detector snapshot has another format or seed')
    }
    this.#requests += reader.number()
    this.#filing.segments.read(reader)
    this.#filing.trie.read(reader)
    this.#conversations.read(reader)
    const { clusters, text } = readClusters(reader)
    this.#adopt(clusters, text)
  }

  #adopt(clusters: Cluster[], text: (id: number) => string): void {
    for (const cluster of clusters) this.#clusters.adopt(cluster, text)
  }

  merge(other: Detector): void {
    this.restore(other.snapshot())
  }
}

/** @param options defaults are DEFAULT_DETECTOR_OPTIONS */
export const createDetector = (options: Partial<DetectorOptions> = {}): Detector =>
  new StreamingDetector({ ...DEFAULT_DETECTOR_OPTIONS, ...options })
