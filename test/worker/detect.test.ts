/** Records that callers have made to overflow what reads them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { createDetectLoop } from '../../src/worker/detect.ts'
import { exampleRecord } from '../fixtures/examples.ts'
import { chatBody } from '../proxy/harness.ts'
import { workerDeps } from './worker-deps.ts'

let folder: string
let store: Store

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'promptintern-detect-'))
  store = await openSqliteStore({ dataDir: folder })
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('detection', () => {
  it('reads on behind a record whose tools nest ten thousand levels deep', async () => {
    const deep = '['.repeat(10_000) + ']'.repeat(10_000)
    const request = chatBody('hi').replace(/}$/, `,"tools":${deep}}`)
    await store.records.append(batchOf([exampleRecord(1, { request }), exampleRecord(2)]))
    const loop = await createDetectLoop(
      workerDeps({
        store,
        engine: null,
        now: Date.now,
        sleep: async () => {},
        log: () => {},
      })
    )
    expect((await loop.step()).read).toBe(2)
    expect((await loop.step()).read).toBe(0)
  })
})
