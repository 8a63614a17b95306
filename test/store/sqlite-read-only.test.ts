/** A store that only reads, beside the one that writes. */
import { createClient } from '@libsql/client/sqlite3'
import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { databasePath } from '../../src/store/sqlite/base/database.ts'
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
    ['newer', 9_999_999_999_999, 'invalid-config'],
    ['older', 1, 'invalid-state'],
  ] as const)(
    'does not open what an %s version wrote',
    async ([, applied, code], { dataDir, store }) => {
      await store.close()
      const client = createClient({ url: `file:${databasePath(dataDir)}` })
      await client.execute(`update migrations set created_at = ${applied}`)
      client.close()
      await expect(openStore({ dataDir, readOnly: true })).rejects.toMatchObject({ code })
    }
  )
})
