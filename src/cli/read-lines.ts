/** The lines of a file in bounded memory. */
import { open, type FileHandle } from 'node:fs/promises'
import { AppError } from '../errors.ts'

const LINE_END = 0x0a

export interface Line {
  /** from 1 */
  number: number
  /** in UTF-8, without its line end and a byte order mark; null for a line over the limit */
  text: string | null
  /** that are read, up to the end of the line */
  bytes: number
}

/**
 * Lines end with LF or CRLF. `readline` has no limit on a line, and also splits at U+2028 and U+2029,
 * which JSON texts may contain.
 * @param maxBytes of a line
 */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number
): AsyncGenerator<Line> {
  let pieces: Buffer[] = []
  let [length, number, bytes] = [0, 0, 0]
  const add = (piece: Buffer): void => {
    length += piece.length
    if (length <= maxBytes) pieces.push(piece)
    else pieces = []
  }
  const endLine = (): Line => {
    const line = length > maxBytes ? null : Buffer.concat(pieces).toString().replace(/\r$/, '')
    const text = number === 0 ? (line?.replace(/^\uFEFF/, '') ?? null) : line
    bytes += length
    number++
    pieces = []
    length = 0
    return { number, text, bytes }
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
      add(chunk.subarray(from, end))
      from = end + 1
      yield endLine()
      bytes++
    }
    add(chunk.subarray(from))
  }
  if (length > 0) yield endLine()
}

export interface OpenFile {
  /** bytes; 0 for a pipe */
  size: number
  chunks: AsyncIterable<Buffer>
  close(): Promise<void>
}

const MISSING = new Set(['ENOENT', 'ENOTDIR'])

const unreadable = (path: string, cause: unknown): AppError => {
  const { code = 'unknown error' } = cause as NodeJS.ErrnoException
  return MISSING.has(code)
    ? new AppError('not-found', `there is no file ${path}`, { cause })
    : new AppError('invalid-request', `${path} cannot be read: ${code}`, { cause })
}

const TO_UTF8 = 'is in UTF-16: convert it to UTF-8 first'
/** First bytes of files without lines of text in UTF-8, and what to do with them. */
const OTHER_KINDS: [bytes: number[], advice: string][] = [
  [[0x1f, 0x8b], 'is packed by gzip: unpack it first'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'is packed by zstd: unpack it first'],
  [[0x50, 0x4b, 0x03, 0x04], 'is packed by zip: unpack it first'],
  [[0xff, 0xfe], TO_UTF8],
  [[0xfe, 0xff], TO_UTF8],
]

/** @returns why the file has no lines of text in UTF-8, or null */
const otherKind = async (handle: FileHandle): Promise<string | null> => {
  // with a position, so that the stream still begins at the first byte; it meets the same error
  const read = await handle.read(Buffer.alloc(4), { position: 0 }).catch(() => null)
  const kind = OTHER_KINDS.find(([bytes]) => bytes.every((byte, at) => read?.buffer[at] === byte))
  return kind?.[1] ?? null
}

async function* chunksOf(path: string, handle: FileHandle): AsyncGenerator<Buffer> {
  try {
    yield* handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

/** @throws AppError `not-found`, `invalid-request` for a path that cannot be read; so may `chunks` */
export const openFile = async (path: string): Promise<OpenFile> => {
  const handle = await open(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  const found = await handle.stat()
  // a pipe cannot be read at a position
  const kind = found.isFile() ? await otherKind(handle) : null
  const refusal = found.isDirectory() ? 'is a folder, not a file' : kind
  if (refusal !== null) {
    await handle.close()
    throw new AppError('invalid-request', `${path} ${refusal}`)
  }
  return { size: found.size, chunks: chunksOf(path, handle), close: () => handle.close() }
}

/**
 * A whole text.
 * @param path - reads stdin
 * @throws AppError `not-found`, `invalid-request` for a path that cannot be read, or has more bytes
 */
export const readBounded = async (path: string, maxBytes: number): Promise<string> => {
  const file = path === '-' ? null : await openFile(path)
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of file?.chunks ?? process.stdin) {
      chunks.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      if (bytes > maxBytes)
        throw new AppError(
          'invalid-request',
          `${path} is larger than ${maxBytes / 2 ** 20} MiB, which such a file may have`
        )
    }
    return Buffer.concat(chunks).toString()
  } finally {
    await file?.close()
  }
}
