/**
 * The heads of one encoder on disk, one file each. A file that is damaged, or was made for another
 * encoder, is kept and logged but not served.
 */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { AppError } from '../../../src/errors.ts'
import { openFolder, writeInFolder } from '../disk.ts'
import type { Log } from '../log.ts'
import { addHeads, ModelRecords, type ModelRecord } from '../model-records.ts'
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

export class Heads {
  private readonly folder: string
  private readonly fingerprint: string
  private readonly records = new ModelRecords()
  private readonly cache = new LRUCache<string, LabelHead>({
    maxSize: MAX_CACHE_BYTES,
    sizeCalculation: ({ bytes }) => bytes,
  })

  private constructor(folder: string, fingerprint: string) {
    this.folder = folder
    this.fingerprint = fingerprint
  }

  /**
   * Reads and checks every head once.
   * @param fingerprint of the encoder
   * @throws AppError `store-unavailable` when the folder cannot be used
   */
  static async open(folder: string, fingerprint: string, log: Log): Promise<Heads> {
    const heads = new Heads(folder, fingerprint)
    const names = await openFolder(folder, (name) => name.endsWith('.tmp'))
    await addHeads(names, EXTENSION, (id) => heads.add(id), log)
    return heads
  }

  /** Heads that are served. */
  list(): ModelRecord[] {
    return this.records.list()
  }

  has(id: string): boolean {
    return this.records.has(id)
  }

  /** Reads a file that training has just written. */
  add(id: string): Promise<ModelRecord> {
    return this.records.add(id, this.path(id), () => this.read(id))
  }

  /** @throws AppError `not-found`; `invalid-request` for a head that is not served, with the reason */
  async load(id: string): Promise<LabelHead> {
    this.records.require(id)
    return this.cache.get(id) ?? this.read(id)
  }

  /** Removes the head from the list at once, then its file. */
  async remove(id: string): Promise<void> {
    this.records.delete(id)
    this.cache.delete(id)
    await rm(this.path(id), { force: true })
  }

  private path(id: string): string {
    return join(this.folder, `${id}${EXTENSION}`)
  }

  private async read(id: string): Promise<LabelHead> {
    const head = decodeHead(id, await readFile(this.path(id)))
    const { encoder, encoder_fingerprint: fingerprint } = head.manifest
    if (fingerprint !== this.fingerprint)
      throw new AppError('invalid-model', `${id} was trained on another encoder (${encoder})`)
    this.cache.set(id, head)
    return head
  }
}
