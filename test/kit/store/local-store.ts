/**
 * A store on the test's own thread. The product's thread takes half a second to start from TypeScript
 * sources; only tests of the thread itself need it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it as base } from 'vitest'
import { openLocalStore, type LocalOptions } from '../../../src/store/sqlite/local.ts'
import type { OpenStore } from '../../../src/store/store.ts'

export const openStore = (options: LocalOptions): Promise<OpenStore> => openLocalStore(options)

/** `dataDir` is a folder that does not exist yet, `store` is open in it; both go after the test. */
export const it = base.extend<{ dataDir: string; store: OpenStore }>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the parameters
  dataDir: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), 'store-'))
    await use(join(folder, 'data'))
    rmSync(folder, { recursive: true })
  },
  store: async ({ dataDir }, use) => {
    const store = await openStore({ dataDir })
    await use(store)
    await store.close()
  },
})
