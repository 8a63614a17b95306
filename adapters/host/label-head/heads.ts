/** The label heads of one encoder on disk, one file each. */
import { readFile } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import { AppError } from '../../../src/errors.ts'
import { writeInFolder } from '../disk.ts'
import type { Log } from '../log.ts'
import { ModelFolder } from '../model-records.ts'
import { decodeHead, encodeHead, type HeadContent, type LabelHead } from './head-file.ts'

const EXTENSION = '.head'
/** Heads in memory; others are read when they are asked for. */
const MAX_CACHE_BYTES = 256 * 1024 * 1024

/**
 * Writes `<folder>/<id>.head`. The same content written twice is one head.
 * @returns the id
 * @throws AppError `store-unavailable`
 */
export const writeHead = async (folder: string, content: HeadContent): Promise<string> => {
  const { id, bytes } = encodeHead(content)
  await writeInFolder(folder, `${id}${EXTENSION}`, bytes)
  return id
}

export class Heads extends ModelFolder<LabelHead> {
  private readonly cache = new LRUCache<string, LabelHead>({
    maxSize: MAX_CACHE_BYTES,
    sizeCalculation: ({ bytes }) => bytes,
  })

  private constructor(
    folder: string,
    private readonly fingerprint: string
  ) {
    super(folder, 'head', EXTENSION)
  }

  /**
   * Reads and checks every head once.
   * @param fingerprint of the encoder
   * @throws AppError `store-unavailable` when the folder cannot be used
   */
  static async open(folder: string, fingerprint: string, log: Log): Promise<Heads> {
    const heads = new Heads(folder, fingerprint)
    await heads.addAll(log, (name) => name.endsWith('.tmp'))
    return heads
  }

  /** @throws AppError `not-found`; `invalid-request` for a head that is not served, with the reason */
  async load(id: string): Promise<LabelHead> {
    this.require(id)
    return this.cache.get(id) ?? this.check(id)
  }

  override remove(id: string): Promise<void> {
    this.cache.delete(id)
    return super.remove(id)
  }

  protected async check(id: string): Promise<LabelHead> {
    const head = decodeHead(id, await readFile(this.path(id)))
    const { encoder, encoder_fingerprint: fingerprint } = head.manifest
    if (fingerprint !== this.fingerprint)
      throw new AppError('invalid-model', `${id} was trained on another encoder (${encoder})`)
    this.cache.set(id, head)
    return head
  }
}
