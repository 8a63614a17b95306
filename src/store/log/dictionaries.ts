/**
 * Compact forms of bodies that resemble each other. A body is stored as its difference to an earlier one of its day,
 * tenant and side, its dictionary: the bytes that both begin and end with are counted, and what is between them is
 * deflated with the dictionary's own middle. A body that resembles none becomes a dictionary. Every body is restored
 * byte for byte. Knows nothing of records and of the database.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { LRUCache } from 'lru-cache'

/** The bytes that a body has in common with its dictionary, at the start and at the end. */
interface Overlap {
  prefixBytes: number
  suffixBytes: number
}

export interface Dictionary {
  /** of its row; null until it has one */
  id: number | null
  body: Buffer
  /** the body as its row has it; null when the row is written */
  data: Buffer | null
  /** compressed size as a share of the body's length */
  ratio: number
  /** overlap with the last body that resembled it, which is tried first because traffic repeats */
  overlap: Overlap
}

/** How a body is stored. */
export interface Form {
  /** null: the data is all of it */
  dictionary: Dictionary | null
  /** empty: the body is the dictionary's */
  data: Buffer
}

/** deflate's window */
const WINDOW_BYTES = 32_768
/** fewer bytes are not compressed: deflate would take most of the time of an append and save little */
const MIN_DEFLATED_BYTES = 256
/** zlib's default of 6 takes a third longer and saves a fiftieth more */
const LEVEL = 3
/** shorter bodies gain nothing by a dictionary */
const MIN_BODY_BYTES = 64
const MAX_BODY_BYTES = 2 ** 20
/** A row of its own takes as much as a shorter body saves as a dictionary. */
const SHORT_BYTES = 1024
/** a difference over this share of the body's own compressed size makes it a dictionary */
const MAX_DIFFERENCE_SHARE = 0.5
/** a dictionary that a probe finds is taken without a further search if its ends share this much of the body */
const MIN_SHARED = 0.5
/** offsets that are compared first, the farthest first: most prompts recur from their start on */
const PROBE_OFFSETS = [16_384, 4096, 1024, 256]
const PROBE_BYTES = 64
/** tells APIs apart: `{"id":"chatc`, `{"id":"resp_`, `{"error":{"m` */
const START_BYTES = 12
/** A body without a probe here is short, and split in little time. */
const MIN_KIND_OFFSET = 4096
const MAX_KIND_BYTES = 4 * 2 ** 20
/** pieces of a body under which the index has it */
const PIECES = 8
const MAX_PIECE_CHARS = 128
const DEFAULT_CACHE_BYTES = 32 * 2 ** 20
/** what a dictionary and each key take beside their own bytes, measured by `process.memoryUsage` */
const ENTRY_BYTES = 400
const KEY_BYTES = 150

const EMPTY: Buffer = Buffer.alloc(0)

/** A copy for what is kept: a view keeps all that it is a view of. */
const ownBytes = (bytes: Buffer): Buffer => {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

/** The same of a text, which may be a part of another one. */
const ownText = (text: string): string => Buffer.from(text).toString()

/** A stored block, RFC 1951 §3.2.4: bytes that deflate keeps as they are. */
const storedBlock = (bytes: Buffer): Buffer => {
  const block = Buffer.allocUnsafe(5 + bytes.length)
  block[0] = 1
  block.writeUInt16LE(bytes.length, 1)
  block.writeUInt16LE(~bytes.length & 0xffff, 3)
  bytes.copy(block, 5)
  return block
}

const withDictionary = (dictionary: Buffer): { dictionary?: Buffer } =>
  dictionary.length === 0 ? {} : { dictionary }

/** Sizes zlib's memory to the input: its defaults clear 256 KB for every small body. */
const deflate = (bytes: Buffer, dictionary = EMPTY): Buffer => {
  if (bytes.length < MIN_DEFLATED_BYTES) return storedBlock(bytes)
  const reach = bytes.length + dictionary.length + 512
  return deflateRawSync(bytes, {
    level: LEVEL,
    // the smallest window of raw deflate is 2^9
    windowBits: Math.min(15, Math.max(9, Math.ceil(Math.log2(reach)))),
    memLevel: bytes.length > 8192 ? 8 : 5,
    chunkSize: Math.min(16_384, Math.max(256, bytes.length)),
    ...withDictionary(dictionary),
  })
}

/** Compares two ranges of `length` bytes natively. */
const isSame = (a: Buffer, at: number, b: Buffer, otherAt: number, length: number): boolean =>
  a.compare(b, otherAt, otherAt + length, at, at + length) === 0

interface Guess {
  length: number
  /** whether one more byte than `length` does not fit, if `length` fits */
  isLongest: (length: number) => boolean
}

/** The largest length up to `limit` that fits: the guess if it is right, else by bisection. */
const longest = (limit: number, guess: Guess, fits: (length: number) => boolean): number => {
  const { length, isLongest } = guess
  if (length <= limit && fits(length) && (length === limit || isLongest(length))) return length
  let low = 0
  let high = limit
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

const overlapOf = (body: Buffer, other: Buffer, guess: Overlap): Overlap => {
  const shorter = Math.min(body.length, other.length)
  const prefixBytes = longest(
    shorter,
    { length: guess.prefixBytes, isLongest: (length) => body[length] !== other[length] },
    (length) => isSame(body, 0, other, 0, length)
  )
  const suffixBytes = longest(
    shorter - prefixBytes,
    {
      length: guess.suffixBytes,
      isLongest: (length) => body[body.length - 1 - length] !== other[other.length - 1 - length],
    },
    (length) => isSame(body, body.length - length, other, other.length - length, length)
  )
  return { prefixBytes, suffixBytes }
}

/** Of one of the two lengths; no body with a dictionary is longer. */
const LENGTH_BYTES = 3

const NO_OVERLAP: Overlap = { prefixBytes: 0, suffixBytes: 0 }

const sharedBy = ({ prefixBytes, suffixBytes }: Overlap, body: Buffer): number =>
  (prefixBytes + suffixBytes) / body.length

const middleOf = (dictionary: Buffer, { prefixBytes, suffixBytes }: Overlap): Buffer =>
  dictionary.subarray(prefixBytes, dictionary.length - suffixBytes).subarray(-WINDOW_BYTES)

const differenceOf = (body: Buffer, dictionary: Buffer, overlap: Overlap): Buffer => {
  const { prefixBytes, suffixBytes } = overlap
  const lengths = Buffer.allocUnsafe(2 * LENGTH_BYTES)
  lengths.writeUIntLE(prefixBytes, 0, LENGTH_BYTES)
  lengths.writeUIntLE(suffixBytes, LENGTH_BYTES, LENGTH_BYTES)
  const middle = body.subarray(prefixBytes, body.length - suffixBytes)
  return Buffer.concat([lengths, deflate(middle, middleOf(dictionary, overlap))])
}

/** @param dictionary its body; null where the form has none */
export const decodeBody = (data: Buffer, dictionary: Buffer | null): Buffer => {
  if (dictionary === null) return inflateRawSync(data)
  if (data.length === 0) return dictionary
  const overlap = {
    prefixBytes: data.readUIntLE(0, LENGTH_BYTES),
    suffixBytes: data.readUIntLE(LENGTH_BYTES, LENGTH_BYTES),
  }
  return Buffer.concat([
    dictionary.subarray(0, overlap.prefixBytes),
    inflateRawSync(data.subarray(2 * LENGTH_BYTES), withDictionary(middleOf(dictionary, overlap))),
    dictionary.subarray(dictionary.length - overlap.suffixBytes),
  ])
}

const probeOffsets = (body: Buffer): number[] =>
  PROBE_OFFSETS.filter((offset) => body.length >= offset + PROBE_BYTES)

const probeAt = (offset: number, scope: string, body: Buffer): string =>
  `${scope}\n@${offset}\n${body.toString('latin1', offset, offset + PROBE_BYTES)}`

/** Of a short body: those of a tenant that begin alike, as all answers of one API, share most of their pieces. */
const startOf = (scope: string, body: Buffer): string =>
  `${scope}\n@0\n${body.toString('latin1', 0, START_BYTES)}`

/** The longest of the texts, longest first. To sort a million of them would take a second. */
const longestOf = (texts: string[]): string[] => {
  const found: string[] = []
  for (const text of texts) {
    const shortest = found[PIECES - 1]
    if (shortest !== undefined && text.length <= shortest.length) continue
    const place = found.findIndex(({ length }) => length < text.length)
    found.splice(place < 0 ? found.length : place, 0, text)
    if (found.length > PIECES) found.pop()
  }
  return found
}

/** The longest lines and strings of a JSON text: similar bodies probably share some of them. */
const piecesOf = (scope: string, body: Buffer): string[] =>
  longestOf(body.toString('latin1').split(/\\n|"/)).map(
    (piece) => `${scope}\n${piece.length}\n${piece.slice(0, MAX_PIECE_CHARS)}`
  )

/** Recent dictionaries, with an index that finds a similar one. Bounded in bytes. */
export class Dictionaries {
  /** probe or piece → the newest dictionary that has it */
  private readonly byKey = new Map<string, Dictionary>()
  private readonly kept: LRUCache<Dictionary, string[]>
  /** farthest probe → a body that resembles a dictionary in its pieces alone */
  private readonly kinds = new LRUCache<string, Buffer>({
    maxSize: MAX_KIND_BYTES,
    sizeCalculation: ({ length }) => ENTRY_BYTES + length,
  })

  constructor(maxBytes = DEFAULT_CACHE_BYTES) {
    this.kept = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: maxBytes,
      sizeCalculation: (keys, { body }) =>
        keys.reduce((sum, key) => sum + KEY_BYTES + key.length, ENTRY_BYTES + body.length),
      dispose: (keys, dictionary) => {
        for (const key of keys) if (this.byKey.get(key) === dictionary) this.byKey.delete(key)
      },
    })
  }

  /** @param scope bodies of different scopes never find each other */
  encode(scope: string, body: Buffer): Form {
    if (body.length < MIN_BODY_BYTES || body.length > MAX_BODY_BYTES)
      return { dictionary: null, data: deflate(body) }
    const dictionary = this.findByProbe(scope, body) ?? this.findByPieces(scope, body)
    if (dictionary === null) return this.added(scope, body)
    if (dictionary.body.equals(body)) return { dictionary, data: EMPTY }
    const data = differenceOf(body, dictionary.body, dictionary.overlap)
    const size = data.length - 2 * LENGTH_BYTES
    if (size <= MAX_DIFFERENCE_SHARE * dictionary.ratio * body.length) return { dictionary, data }
    if (body.length > SHORT_BYTES) return this.added(scope, body)
    const alone = deflate(body)
    return data.length < alone.length ? { dictionary, data } : { dictionary: null, data: alone }
  }

  /** Forgets all: rows that they stand for may have been rolled back, pruned or forgotten. */
  clear(): void {
    this.kept.clear()
    this.kinds.clear()
  }

  private added(scope: string, body: Buffer): Form {
    const data = deflate(body)
    const dictionary: Dictionary = {
      id: null,
      body: ownBytes(body),
      data,
      ratio: data.length / body.length,
      overlap: NO_OVERLAP,
    }
    const probes = probeOffsets(body).map((offset) => probeAt(offset, scope, body))
    const pieces = piecesOf(scope, body).map(ownText)
    if (body.length <= SHORT_BYTES) probes.push(startOf(scope, body))
    const keys = [...probes, ...pieces]
    this.kept.set(dictionary, keys)
    // the cache does not take one over its size
    if (this.kept.has(dictionary)) for (const key of keys) this.byKey.set(key, dictionary)
    return { dictionary, data: EMPTY }
  }

  /** @returns how much of the body both share at their ends */
  private use(dictionary: Dictionary, body: Buffer): number {
    this.kept.get(dictionary)
    dictionary.overlap = overlapOf(body, dictionary.body, dictionary.overlap)
    return sharedBy(dictionary.overlap, body)
  }

  /** Takes constant time. Splitting a body into pieces takes as long as writing its record. */
  private findByProbe(scope: string, body: Buffer): Dictionary | null {
    for (const offset of probeOffsets(body)) {
      const dictionary = this.byKey.get(probeAt(offset, scope, body))
      if (dictionary !== undefined && this.use(dictionary, body) >= MIN_SHARED) return dictionary
    }
    if (body.length > SHORT_BYTES) return null
    const dictionary = this.byKey.get(startOf(scope, body)) ?? null
    if (dictionary !== null) this.use(dictionary, body)
    return dictionary
  }

  /** @returns the dictionary that shares the most pieces */
  private findByPieces(scope: string, body: Buffer): Dictionary | null {
    const votes = new Map<Dictionary, number>()
    for (const piece of piecesOf(scope, body)) {
      const dictionary = this.byKey.get(piece)
      if (dictionary !== undefined) votes.set(dictionary, (votes.get(dictionary) ?? 0) + 1)
    }
    let [best, most]: [Dictionary | null, number] = [null, 0]
    for (const [dictionary, count] of votes) if (count > most) [best, most] = [dictionary, count]
    if (best === null) return null
    return this.use(best, body) < MIN_SHARED && this.isOwnKind(scope, body) ? null : best
  }

  /**
   * Whether an earlier body shares its ends, and no dictionary does. A kind that resembles another one in its pieces
   * alone would never get a dictionary of its own, and each of its bodies would be split.
   */
  private isOwnKind(scope: string, body: Buffer): boolean {
    const [farthest] = probeOffsets(body)
    if (farthest === undefined || farthest < MIN_KIND_OFFSET) return false
    const probe = probeAt(farthest, scope, body)
    if (this.byKey.has(probe)) return false
    const earlier = this.kinds.get(probe)
    if (earlier !== undefined && sharedBy(overlapOf(body, earlier, NO_OVERLAP), body) >= MIN_SHARED)
      // one that is sent again tells of no kind
      return !earlier.equals(body)
    this.kinds.set(probe, ownBytes(body))
    return false
  }
}
