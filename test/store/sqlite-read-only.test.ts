/** A store that only reads, beside the one that writes. */
import { createClient } from '@libsql/client/sqlite3'
import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { knownMigrations, openDatabase } from '../../src/store/sqlite/base/database.ts'
import { databasePath } from '../../src/store/sqlite/base/database-path.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { it, openStore } from '../kit/store/local-store.ts'

describe('a read-only store', () => {
  it('reads what another one has written, and refuses to write', async ({ dataDir, store }) => {
    await store.records.append(batchOf([exampleRecord(1)]))
    const reader = await openStore({ dataDir, readOnly: true })
    expect(await reader.records.list({ limit: 10 })).toHaveLength(1)
    await expect(reader.records.append(batchOf([exampleRecord(2)]))).rejects.toMatchObject({
      code: 'store-unavailable',
    })
    await expect(reader.snapshots.put('x', new Uint8Array([1]))).rejects.toThrow()
    await reader.close()
    expect(await store.records.list({ limit: 10 })).toHaveLength(1)
  })

  it.for([
    ['a newer version', 1, 'invalid-config'],
    ['an older version', -1, 'invalid-state'],
  ] as const)('does not open what %s wrote', async ([, ahead, code], { dataDir, store }) => {
    await store.close()
    const known = knownMigrations()
    const next = { ...known[0], folderMillis: known.at(-1)!.folderMillis + 1, sql: [] }
    const newer = [...known, next] as const
    const [writes, reads] = ahead > 0 ? [newer, known] : [known, newer]
    await (await openDatabase({ dataDir }, writes)).close()
    await expect(openDatabase({ dataDir, readOnly: true }, reads)).rejects.toMatchObject({ code })
  })

  it('does not open a store of an unknown form', async ({ dataDir, store }) => {
    await store.close()
    const client = createClient({ url: `file:${databasePath(dataDir)}` })
    await client.execute('update migrations set created_at = 1')
    client.close()
    await expect(openStore({ dataDir, readOnly: true })).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('a format that this version does not know') as string,
    })
  })
})
