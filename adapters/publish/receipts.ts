/**
 * What providers were told to delete: `<data folder>/receipts.jsonl`, a line for each receipt, appended
 * and never rewritten. A later receipt of the same object replaces the earlier one in the list. Knows no
 * provider.
 */
import { open, readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../../src/errors.ts'
import type { DeletionReceipt } from '../../src/openai/engine-state.ts'
import { storageError } from '../host/disk.ts'

export const RECEIPTS = 'receipts.jsonl'

const schema: z.ZodType<DeletionReceipt> = z.object({
  provider: z.string(),
  object: z.string(),
  requested_at: z.number(),
  confirmed_at: z.number().nullable(),
})

const keyOf = ({ provider, object }: DeletionReceipt): string => JSON.stringify([provider, object])

const parse = (line: string, number: number, path: string): DeletionReceipt => {
  try {
    return schema.parse(JSON.parse(line))
  } catch (cause) {
    throw new AppError(
      'store-unavailable',
      `${path}: line ${number} is no receipt; mend it, or move the file away`,
      { cause }
    )
  }
}

/** Whole lines. The half of one, of a process that died while it wrote, is cut off. */
const readLines = async (path: string): Promise<string[]> => {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0)
    throw error
  })
  const whole = bytes.lastIndexOf('\n') + 1
  if (whole < bytes.length) await truncate(path, whole)
  return bytes.subarray(0, whole).toString('utf8').split('\n').slice(0, -1)
}

export class Receipts {
  private readonly path: string
  private readonly receipts: Map<string, DeletionReceipt>
  private lastWrite: Promise<void> = Promise.resolve()

  constructor(path: string, receipts: DeletionReceipt[]) {
    this.path = path
    this.receipts = new Map(receipts.map((receipt) => [keyOf(receipt), receipt]))
  }

  /**
   * On disk when it resolves.
   * @throws AppError `store-unavailable`, and the list is as before
   */
  async add(receipt: DeletionReceipt): Promise<void> {
    const write = this.lastWrite.then(() => this.append(receipt))
    this.lastWrite = write.catch(() => undefined)
    await write
  }

  /** The last receipt of every object, the earliest object first. */
  list(): DeletionReceipt[] {
    return [...this.receipts.values()]
  }

  private async append(receipt: DeletionReceipt): Promise<void> {
    try {
      const file = await open(this.path, 'a')
      try {
        const { size } = await file.stat()
        try {
          await file.writeFile(`${JSON.stringify(receipt)}\n`)
          await file.sync()
        } catch (error) {
          // half a line would spoil the next one
          await file.truncate(size)
          throw error
        }
      } finally {
        await file.close()
      }
    } catch (cause) {
      throw storageError(`${this.path} cannot be written`, cause)
    }
    this.receipts.set(keyOf(receipt), receipt)
  }
}

/**
 * @param dataDir exists
 * @throws AppError `store-unavailable` for a file that cannot be read, or has a line that is no receipt
 */
export const openReceipts = async (dataDir: string): Promise<Receipts> => {
  const path = join(dataDir, RECEIPTS)
  try {
    const lines = await readLines(path)
    return new Receipts(
      path,
      lines.map((line, at) => parse(line, at + 1, path))
    )
  } catch (cause) {
    throw storageError(`${path} cannot be read`, cause)
  }
}
