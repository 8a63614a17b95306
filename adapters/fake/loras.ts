/** The fake engine's loras on disk: `<id>.json`, named by content. Knows nothing of serving. */
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openFolder, writeAtomically } from '../host/disk.ts'
import { Memory, type MemoryEntry } from './memory.ts'

export interface Lora {
  id: string
  base: string
  /** seconds since the epoch; not part of the name */
  created: number
  memory: Memory
}

/** The content that a lora's name is the hash of. */
export interface LoraContent {
  base: string
  /** the base or the lora that training started from */
  parent: string
  seed: number
  suffix: string | null
  table: readonly MemoryEntry[]
}

const loraId = (content: LoraContent): string => {
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16)
  return ['fake', content.suffix, hash].filter((part) => part !== null).join('-')
}

const read = async (path: string): Promise<Lora> => {
  const { table, ...rest } = JSON.parse(await readFile(path, 'utf8'))
  return { ...rest, memory: new Memory(table) }
}

/** @param dir made when it is missing */
export const openLoras = async (dir: string) => {
  const pathOf = (id: string): string => join(dir, `${id}.json`)
  const names = await openFolder(dir, (name) => name.endsWith('.tmp'))
  const loaded = await Promise.all(
    names.filter((name) => name.endsWith('.json')).map((name) => read(join(dir, name)))
  )
  const loras = new Map(loaded.map((lora) => [lora.id, lora]))
  return {
    get: (id: string): Lora | undefined => loras.get(id),
    list: (): Lora[] => [...loras.values()],
    async save(content: LoraContent, created: number): Promise<string> {
      const { base, table } = content
      const id = loraId(content)
      await writeAtomically(pathOf(id), JSON.stringify({ id, base, created, table }))
      loras.set(id, { id, base, created, memory: new Memory(table) })
      return id
    },
    async remove(id: string): Promise<void> {
      loras.delete(id)
      await rm(pathOf(id), { force: true })
    },
  }
}

export type Loras = Awaited<ReturnType<typeof openLoras>>
