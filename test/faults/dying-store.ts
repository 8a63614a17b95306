/** A store whose process is killed at one of its writes: later writes do not reach the database. */
import type { Store } from '../../src/store/store.ts'

const WRITES = {
  pairs: ['judge'],
  snapshots: ['put'],
  internalizations: ['save'],
  routes: ['put', 'remove'],
} as const

export interface Death {
  /** number of the write, from 0 */
  at: number
  /** whether the write was done before */
  isWritten: boolean
}

export interface DyingStore {
  store: Store
  /** names of the writes so far, such as `pairs.judge` */
  writes: string[]
  isDead(): boolean
}

type Method = (...parameters: unknown[]) => Promise<unknown>

/** @param death null: it lives */
export const dyingStore = (alive: Store, death: Death | null): DyingStore => {
  const writes: string[] = []
  let isDead = false

  const writing =
    (name: string, write: Method): Method =>
    async (...parameters) => {
      const isLast = writes.length === death?.at
      if (!isDead) writes.push(name)
      if (!isLast && !isDead) return write(...parameters)
      if (!isDead && death?.isWritten === true) await write(...parameters)
      isDead = true
      throw new Error(`killed at ${name}`)
    }

  const dying = Object.fromEntries(
    Object.entries(WRITES).map(([area, names]) => {
      const methods = alive[area as keyof typeof WRITES] as unknown as Record<string, Method>
      const replaced = names.map((name) => [name, writing(`${area}.${name}`, methods[name]!)])
      return [area, { ...methods, ...Object.fromEntries(replaced) }]
    })
  )
  return { store: { ...alive, ...dying } as Store, writes, isDead: () => isDead }
}
