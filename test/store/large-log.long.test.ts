/** The filled log of `bench:store`: the rows are those that the store writes for the same exchanges. */
import { expect, it } from 'vitest'
import { checkLog } from '../kit/store/fill/check.ts'
import { fillLog } from '../kit/store/fill/fill.ts'
import { ENDED_VERSIONS } from '../kit/store/fill/world.ts'
import { groupBy } from '../../src/core/group-by.ts'
import type { StoredRecord } from '../../src/core/log/record.ts'
import { seededRandom } from '../../src/random.ts'
import { recordWriter } from '../../src/store/common/log/append.ts'
import { inChunks } from '../../src/store/log/chunks.ts'
import { Dictionaries } from '../../src/store/log/dictionaries.ts'
import { commonOf } from '../../src/store/postgres/base/common.ts'
import { openPool } from '../../src/store/postgres/base/database.ts'
import type { ServerOptions } from '../../src/store/postgres/base/server-options.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { createDatabase, describePostgres, execute } from '../kit/postgres/postgres.ts'

/** A Saturday: 2026-11-28. */
const LAST_DAY = 20_785
const DAYS = 12
const RECORDS = 900
const PATIENCE_MS = 900_000

const open = (server: ServerOptions): Promise<OpenStore> => openLocalStore({ server, poolSize: 2 })

const readAll = async ({ records }: Store): Promise<StoredRecord[]> => {
  const all: StoredRecord[] = []
  for (;;) {
    const page = await records.list({ after: all.at(-1)?.sequence ?? -1, limit: 1_000 })
    if (page.length === 0) return all
    all.push(...page)
  }
}

/** Appends the records, and tags them as the worker does. */
const writeAgain = async (server: ServerOptions, records: StoredRecord[]): Promise<void> => {
  const store = await open(server)
  const connection = openPool(server, 2)
  const write = recordWriter(commonOf(connection), new Dictionaries())
  for (const group of inChunks(records, 20))
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

/** The filled log has holes. */
const numbered = (records: StoredRecord[]): StoredRecord[] =>
  records.map((record, sequence) => ({ ...record, sequence }))

const TABLES: Record<string, string> = {
  records: `select id, day, at, template_version, tenant_number, outcome, status_class, opening, head
    from promptintern.records order by sequence`,
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
      expect(numbered(await readAll(other))).toEqual(numbered(all))
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
      await execute(server, 'update promptintern.log_end set sequence = sequence + 1')
      await expect(checkLog(server, written, seededRandom(3))).rejects.toThrow(/end of the log/)
    },
    PATIENCE_MS
  )
})
