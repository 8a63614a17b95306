/** The fake engine's loras on disk: `<id>/lora.json`, named by content. Knows nothing of serving. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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

interface LoraFile extends Omit<Lora, 'memory'> {
  table: MemoryEntry[]
}

const loraId = (content: LoraContent): string => {
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16)
  return ['fake', content.suffix, hash].filter((part) => part !== null).join('-')
}

const readLora = async (folder: string): Promise<Lora> => {
  const { table, ...rest } = JSON.parse(
    await readFile(join(folder, 'lora.json'), 'utf8')
  ) as LoraFile
  return { ...rest, memory: new Memory(table) }
}

/** @param dir made when it is missing */
export const openLoras = async (dir: string) => {
  await mkdir(dir, { recursive: true })
  const names = (await readdir(dir)).filter((name) => !name.endsWith('.tmp'))
  const loaded = await Promise.all(names.map((name) => readLora(join(dir, name))))
  const loras = new Map(loaded.map((lora) => [lora.id, lora]))
  const writing = new Map<string, Promise<Lora>>()

  const add = async (id: string, { base, table }: LoraContent, created: number): Promise<Lora> => {
    const temporary = join(dir, `${id}.tmp`)
    await mkdir(temporary, { recursive: true })
    await writeFile(join(temporary, 'lora.json'), JSON.stringify({ id, base, created, table }))
    await rename(temporary, join(dir, id))
    const lora: Lora = { id, base, created, memory: new Memory(table) }
    loras.set(id, lora)
    return lora
  }

  return {
    get: (id: string): Lora | undefined => loras.get(id),
    list: (): Lora[] => [...loras.values()],
    /** Equal content from two jobs at once is written once. */
    save(content: LoraContent, created: number): Promise<Lora> {
      const id = loraId(content)
      const known = loras.get(id)
      if (known) return Promise.resolve(known)
      const write = writing.get(id) ?? add(id, content, created)
      writing.set(id, write)
      return write.finally(() => writing.delete(id))
    },
    async remove(id: string): Promise<void> {
      loras.delete(id)
      await rm(join(dir, id), { recursive: true, force: true })
    },
  }
}

export type Loras = Awaited<ReturnType<typeof openLoras>>
