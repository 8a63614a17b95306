import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client } from '@libsql/client/sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { decodeWhole } from '../../src/store/sqlite/log/body-codec.ts'
import { databasePath } from '../../src/store/sqlite/base/database.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleEvaluation, exampleInternalization, exampleRecord } from '../fixtures/examples.ts'
import { filesWith } from '../fixtures/files-with.ts'

const MARKER = 'Zyxomma-petiolatum'
const DAY_MS = 86_400_000

/** Short enough to be stored as it is: its bytes are seen in the file. */
const short = (index: number, query: string, changes: Partial<ExchangeRecord> = {}) =>
  exampleRecord(index, {
    request: JSON.stringify({
      messages: [
        { role: 'system', content: 'Name the intent of the message, in one word. '.repeat(2) },
        { role: 'user', content: query },
      ],
    }),
    ...changes,
  })

describe('forgetting, in the bytes of the files', () => {
  let dataDir: string
  let store: Store
  let client: Client

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'forget-'))
    store = await openLocalStore({ dataDir }, Date.now)
    client = createClient({ url: `file:${databasePath(dataDir)}` })
  })

  afterEach(async () => {
    client.close()
    await store.close()
    rmSync(dataDir, { recursive: true })
  })

  const isInFiles = (text: string): boolean => filesWith(dataDir, text).length > 0

  const wholeTexts = async (): Promise<string[]> => {
    const { rows } = await client.execute('select data from bodies')
    return rows.map(({ data }) => decodeWhole(Buffer.from(data as ArrayBuffer)).toString())
  }

  /** The marker's record is what the others are stored as a difference to. */
  const appendMarked = async (from = store): Promise<ExchangeRecord[]> => {
    const records = [
      short(0, MARKER),
      ...Array.from({ length: 50 }, (_, index) => short(index + 1, `question ${index}`)),
    ]
    await from.records.append(batchOf(records))
    return records
  }

  it('leaves none of a text that others were differences to, and keeps the others small', async () => {
    const records = await appendMarked()
    expect(isInFiles(MARKER)).toBe(true)
    expect((await wholeTexts()).filter((text) => text.includes('Name the intent'))).toHaveLength(1)
    await store.records.forget({ recordIds: ['record-0'] })
    await store.records.scrub()
    expect(isInFiles(MARKER)).toBe(false)
    expect(await store.records.list({ limit: 100 })).toMatchObject(records.slice(1))
    expect((await wholeTexts()).filter((text) => text.includes('Name the intent'))).toHaveLength(1)
  })

  it('leaves none that lies in pages freed before, in evaluations or in snapshots', async () => {
    await store.internalizations.create(exampleInternalization())
    await store.internalizations.addEvaluations([
      exampleEvaluation('record-0', { answer: MARKER, upstreamAnswer: MARKER }),
      // written by an evaluation that did not see its record go
      exampleEvaluation('record-99', { answer: MARKER }),
    ])
    await store.snapshots.put('detector', Buffer.from(MARKER.repeat(1000)))
    await store.snapshots.remove('detector')
    await client.execute({
      sql: `insert into snapshots values ('large', ?)`,
      args: [MARKER.repeat(5000)],
    })
    await client.execute('PRAGMA secure_delete = OFF')
    await client.execute(`delete from snapshots`)
    await appendMarked()
    expect(isInFiles(MARKER)).toBe(true)
    await store.records.forget({ recordIds: ['record-0'] })
    await store.records.scrub()
    expect(isInFiles(MARKER)).toBe(false)
  })

  it('is not undone by the memory of another process', async () => {
    const other = await openSqliteStore({ dataDir })
    await appendMarked(other)
    await store.records.forget({ recordIds: ['record-0'] })
    await store.records.scrub()
    await other.records.append(batchOf([short(60, 'one more'), short(61, 'and more')]))
    expect(isInFiles(MARKER)).toBe(false)
    const added = await other.records.byIds(['record-60', 'record-61'])
    expect(added.map(({ request }) => request)).toEqual([
      short(60, 'one more').request,
      short(61, 'and more').request,
    ])
    await other.close()
  })

  it('takes out a text whose own record retention has stripped already', async () => {
    const records = [short(0, MARKER), short(1, 'young', { at: 5_000 })]
    await store.records.append(batchOf(records))
    await store.records.prune({ bodies: 2_000, records: 0 })
    expect((await wholeTexts()).join()).toContain(MARKER)
    await store.records.forget({ tenant: 'nobody' })
    await store.records.scrub()
    expect((await wholeTexts()).join()).not.toContain(MARKER)
    expect(isInFiles(MARKER)).toBe(false)
    expect(await store.records.byIds(['record-1'])).toMatchObject([records[1]!])
  })

  it('goes on where an interrupted one stopped', async () => {
    const records = await appendMarked()
    await client.execute(
      `create trigger stop before delete on bodies begin select raise(abort, 'power cut'); end`
    )
    const first = store.records.forget({ recordIds: ['record-0'] })
    await expect(first).rejects.toMatchObject({ code: 'store-unavailable' })
    expect(await store.records.list({ limit: 100 })).toMatchObject(records.slice(1))
    expect((await wholeTexts()).join()).toContain(MARKER)
    await client.execute('drop trigger stop')
    expect(await store.records.forget({ recordIds: ['record-0'] })).toEqual({
      records: 0,
      bodies: 0,
    })
    await store.records.scrub()
    expect((await wholeTexts()).join()).not.toContain(MARKER)
    expect(isInFiles(MARKER)).toBe(false)
    expect(await store.records.list({ limit: 100 })).toMatchObject(records.slice(1))
  })

  it('lets the one that was begun last go on', async () => {
    await appendMarked()
    await client.execute(`create trigger begun after delete on records begin
      update revisions set value = value + 1 where name = 'forget'; end`)
    await expect(store.records.forget({ recordIds: ['record-0'] })).rejects.toMatchObject({
      code: 'conflict',
    })
    await client.execute('drop trigger begun')
  })

  it('keeps a text that another record has, too', async () => {
    const again = short(1, MARKER, { tenant: 'tenant-b' })
    await store.records.append(batchOf([short(0, MARKER), again]))
    await store.records.forget({ tenant: 'tenant-a' })
    await store.records.scrub()
    expect(await store.records.list({ limit: 10 })).toMatchObject([again])
  })

  it('binds no record to a text that is more than a day older', async () => {
    const records = [
      short(9, MARKER),
      ...[0, 1, 2, 40].map((day, index) => short(index, `q${day}`, { at: day * DAY_MS })),
    ]
    for (const record of records) await store.records.append(batchOf([record]))
    await store.records.forget({ recordIds: ['record-9'] })
    await store.records.prune({ bodies: 3 * DAY_MS, records: 0 })
    const requests = (await wholeTexts()).filter((text) => text.includes('Name the intent'))
    expect(requests).toEqual([records[4]!.request])
    expect(await store.records.byIds(['record-3'])).toMatchObject([records[4]!])
  })

  it('peers 3.11: overwrites what retention deletes', async () => {
    await store.records.append(batchOf([short(0, MARKER)]))
    expect(isInFiles(MARKER)).toBe(true)
    await store.records.prune({ bodies: 9_999, records: 0 })
    await store.close()
    client.close()
    expect(isInFiles(MARKER)).toBe(false)
    store = await openLocalStore({ dataDir }, Date.now)
    client = createClient({ url: `file:${databasePath(dataDir)}` })
  })
})
