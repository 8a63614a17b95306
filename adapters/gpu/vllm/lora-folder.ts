/**
 * A shared folder, or a mounted bucket, in which servers find loras by themselves: `<folder>/<id>` in
 * PEFT's format, as vLLM's filesystem resolver reads it. Knows nothing of the servers.
 */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { inTime, systemTimer } from '../../../src/timers.ts'
import { storageError } from '../../host/disk.ts'
import { copyLora, removeLora } from '../../lora/lora-file.ts'

/** Of a copy or a removal; a mount that hangs never ends one. */
const LIMIT_MS = 300_000

/**
 * Methods throw AppError `store-unavailable` where the folder is away, full, read-only or too slow. They take a lora's
 * own folder, and the name by which the servers know its base model.
 * @param options.copy as `copyLora`
 */
export const createLoraFolder = (
  path: string,
  { copy = copyLora, limitMs = LIMIT_MS, setTimer = systemTimer } = {}
) => {
  /** By lora, also what nothing waits for any more: two at a time would take away each other's files. */
  const changes = new Map<string, { what: string; done: Promise<void> }>()

  const start = async (lora: string, what: string, work: () => Promise<void>): Promise<void> => {
    try {
      // a mount that is not there must not become a folder of this disk
      const [shared, own] = await Promise.all([stat(path), stat(dirname(lora))])
      if (!shared.isDirectory()) throw new Error('it is no folder')
      if (shared.dev === own.dev && shared.ino === own.ino)
        throw new Error('the engine keeps its own loras there, without which nothing can be copied')
      await work()
    } catch (error) {
      throw storageError(`${what} ENGINE_LORA_FOLDER`, error)
    }
  }

  const change = (lora: string, what: string, work: () => Promise<void>): Promise<void> => {
    let current = changes.get(lora)
    if (current?.what !== what) {
      const before = current?.done.catch(() => undefined) ?? Promise.resolve()
      const done = before.then(() => start(lora, what, work))
      current = { what, done }
      changes.set(lora, current)
      const forget = (): void => {
        if (changes.get(lora)?.done === done) changes.delete(lora)
      }
      void done.then(forget, forget)
    }
    return inTime(current.done, { limitMs, setTimer, of: path })
  }

  return {
    path,
    /** The lora is there, whole, when it resolves. */
    put: (lora: string, baseModel: string): Promise<void> =>
      change(lora, `${basename(lora)} cannot be written to`, () => copy(lora, path, baseModel)),
    remove: (lora: string): Promise<void> =>
      change(lora, `${basename(lora)} cannot be removed from`, () =>
        removeLora(join(path, basename(lora)))
      ),
  }
}

export type LoraFolder = ReturnType<typeof createLoraFolder>
