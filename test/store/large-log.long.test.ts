/** The filled log of `bench:store`: the rows are those that the store writes for the same exchanges. */
import { expect, it } from 'vitest'
import { checkLog } from '../kit/store/fill/check.ts'
import { fillLog } from '../kit/store/fill/fill.ts'
import { ENDED_VERSIONS } from '../kit/store/fill/world.ts'
import { groupBy } from '../../src/core/group-by.ts'
import type { StoredRecord } from '../../src/core/log/record.ts'
import { seededRandom } from '../../src/random.ts'
import { BaseCache } from '../../src/store/log/base-cache.ts'
import { segmentOf } from '../../src/store/log/segment-codec.ts'
import { openPool } from '../../src/store/postgres/base/database.ts'
import type { ServerOptions } from '../../src/store/postgres/base/server-options.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import { recordWriter } from '../../src/store/postgres/log/append.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { createDatabase, describePostgres, execute } from '../kit/postgres/postgres.ts'

/** A Saturday: 2026-11-28. */
const LAST_DAY = 20_785
const DAYS = 12
const RECORDS = 900
const PATIENCE_MS = 900_000

const open = (server: ServerOptions): Promise<OpenStore> =>
  openLocalStore({ server, poolSize: 2 }, Date.now)

const readAll = async ({ records }: Store): Promise<StoredRecord[]> => {
  const all: StoredRecord[] = []
  for (;;) {
    const page = await records.list({ after: all.at(-1)?.sequence ?? -1, limit: 1_000 })
    if (page.length === 0) return all
    all.push(...page)
  }
}

/** Appends the records as the log segments have them, and tags them as the worker does. */
const writeAgain = async (server: ServerOptions, records: StoredRecord[]): Promise<void> => {
  const store = await open(server)
  const connection = openPool(server, 2)
  const write = recordWriter(connection, new BaseCache(Date.now))
  const bySegment = groupBy(records, ({ sequence }) => segmentOf(sequence))
  for (const group of bySegment.values())
    await write(
      group.map(
        ({ request, response, usage, sequence: _sequence, templateVersion: _tag, ...head }) => ({
          head,
          usage,
          request: Buffer.from(request),
          response: response === null ? null : Buffer.from(response),
        })
      )
    )
  const tagged = records.filter(({ route, templateVersion }) => route === null && templateVersion)
  for (const [version, group] of groupBy(tagged, (record) => record.templateVersion!))
    await store.records.tagTemplate(
      group.map(({ id }) => id),
      version
    )
  await connection.close()
  await store.close()
}

const TABLES: Record<string, string> = {
  records: 'select * from promptintern.records order by sequence',
  segments: 'select day, id, records, bodies from promptintern.segments order by id',
  differences: 'select day, segment from promptintern.segment_bodies order by segment',
  days: 'select * from promptintern.days order by day',
  end: 'select * from promptintern.log_end',
  totals: 'select * from promptintern.template_totals order by version',
  hours: 'select * from promptintern.traffic_hours order by hour',
  audits: 'select record_id, lora, at from promptintern.pairs order by record_id',
}

describePostgres('a large log', () => {
  it(
    'has the rows that the store writes for its exchanges',
    async () => {
      const server = await createDatabase()
      const options = { server, records: RECORDS, days: DAYS, lastDay: LAST_DAY, onDay: () => {} }
      const written = await fillLog(options)
      // how a day is cut into segments depends on the time that its writes take
      expect(written).toBeGreaterThan(0.9 * RECORDS)
      await checkLog(server, written, seededRandom(3))
      const store = await open(server)
      const all = await readAll(store)
      expect(all).toHaveLength(written)

      const again = await createDatabase()
      await writeAgain(again, all)
      for (const [table, sql] of Object.entries(TABLES)) {
        const [copied, appended] = [await execute(server, sql), await execute(again, sql)]
        expect(copied, table).toEqual(appended)
        expect(copied.length, table).toBeGreaterThan(0)
      }
      const other = await open(again)
      expect(await readAll(other)).toEqual(all)
      const ended = new Set(ENDED_VERSIONS)
      const lastDays = all.filter(({ at }) => at >= (LAST_DAY - 1) * 86_400_000)
      expect(lastDays.some(({ templateVersion }) => ended.has(templateVersion!))).toBe(false)
      await other.close()
      await store.close()
    },
    PATIENCE_MS
  )

  it(
    'is refused where its rows contradict each other',
    async () => {
      const server = await createDatabase()
      const options = { server, records: 200, days: 2, lastDay: LAST_DAY, onDay: () => {} }
      const written = await fillLog(options)
      await expect(checkLog(server, written + 1, seededRandom(3))).rejects.toThrow(/by the hour/)
      await execute(server, 'update promptintern.days set last_segment = last_segment + 1')
      await expect(checkLog(server, written, seededRandom(3))).rejects.toThrow(/log segments/)
    },
    PATIENCE_MS
  )
})
