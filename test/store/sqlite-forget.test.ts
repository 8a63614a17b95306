import { createClient, type Client } from '@libsql/client/sqlite3'
import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { databasePath } from '../../src/store/sqlite/base/database-path.ts'
import { decodeBody } from '../../src/store/log/dictionaries.ts'
import type { Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleEvaluation, exampleInternalization } from '../kit/records/examples.ts'
import { filesWith } from '../kit/store/files-with.ts'
import { it as base } from '../kit/store/local-store.ts'
import { MARKED, MARKER, shortRecord as short } from '../kit/store/marked-records.ts'

const append = (store: Store, ...records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const forgetMarked = (store: Store) => store.records.forget({ recordIds: ['record-0'] })

/** `client` is a second connection to the file of `store`. */
const it = base.extend<{ client: Client; isInFiles: () => boolean }>({
  client: async ({ store, dataDir }, use) => {
    await store.routes.list()
    const client = createClient({ url: `file:${databasePath(dataDir)}` })
    await use(client)
    client.close()
  },
  isInFiles: async ({ dataDir }, use) => {
    await use(() => filesWith(dataDir, MARKER).length > 0)
  },
})

const dictionaries = async (client: Client): Promise<string[]> => {
  const { rows } = await client.execute('select data from dictionaries')
  return rows
    .map(({ data }) => decodeBody(Buffer.from(data as ArrayBuffer), null).toString())
    .filter((body) => body.includes('Name the intent'))
}

describe('forgetting, in the bytes of the files', () => {
  it('clears free pages and evaluations', async ({ store, client, isInFiles }) => {
    await store.internalizations.create(exampleInternalization())
    await store.internalizations.addEvaluations([
      exampleEvaluation('record-0', { answer: MARKER, upstreamAnswer: MARKER }),
      // an evaluation that was written after its record was deleted
      exampleEvaluation('record-99', { answer: MARKER }),
    ])
    await store.snapshots.put('detector', Buffer.from(MARKER.repeat(1000)))
    await store.snapshots.remove('detector')
    const large = { sql: `insert into snapshots values ('large', ?)`, args: [MARKER.repeat(5000)] }
    await client.execute(large)
    await client.execute('PRAGMA secure_delete = OFF')
    await client.execute(`delete from snapshots`)
    await append(store, ...MARKED)
    expect(isInFiles()).toBe(true)
    await forgetMarked(store)
    await store.records.scrub()
    expect(isInFiles()).toBe(false)
  })

  it('continues an interrupted call', async ({ store, client, isInFiles }) => {
    await append(store, ...MARKED)
    await client.execute(
      `create trigger stop before delete on dictionaries begin select raise(abort, 'power cut'); end`
    )
    await expect(forgetMarked(store)).rejects.toMatchObject({ code: 'store-unavailable' })
    expect(await store.records.list({ limit: 100 })).toMatchObject(MARKED.slice(1))
    expect((await dictionaries(client)).join()).toContain(MARKER)
    await client.execute('drop trigger stop')
    expect(await forgetMarked(store)).toEqual({ records: 0, bodies: 0 })
    await store.records.scrub()
    expect((await dictionaries(client)).join()).not.toContain(MARKER)
    expect(isInFiles()).toBe(false)
    expect(await store.records.list({ limit: 100 })).toMatchObject(MARKED.slice(1))
  })

  it('ends when another call begins', async ({ store, client }) => {
    await append(store, ...MARKED)
    await client.execute(`create trigger begun after delete on records begin
      update revisions set value = value + 1 where name = 'forget'; end`)
    await expect(forgetMarked(store)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('stores no body as a difference to one of another day', async ({ store, client }) => {
    const days = [0, 1, 2, 40].map((day, index) => short(index, `q${day}`, { at: day * DAY_MS }))
    for (const record of [short(9, MARKER), ...days]) await append(store, record)
    await store.records.forget({ recordIds: ['record-9'] })
    await store.records.prune({ bodies: 3 * DAY_MS, records: 0 })
    expect(await dictionaries(client)).toEqual([days[3]!.request])
    expect(await store.records.byIds(['record-3'])).toMatchObject([days[3]!])
  })

  it('retention overwrites bodies', async ({ store, isInFiles }) => {
    await append(store, short(0, MARKER))
    expect(isInFiles()).toBe(true)
    await store.records.prune({ bodies: DAY_MS, records: 0 })
    await store.close()
    expect(isInFiles()).toBe(false)
  })
})
