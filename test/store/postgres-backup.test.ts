/**
 * The backup of docs/postgres.md: dumped while a proxy appends, restored into another database, and opened
 * there by the program, which finds the same and goes on.
 */
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import {
  exampleApproved,
  exampleKey,
  exampleRecord,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { createDatabase, describePostgres } from '../kit/postgres/postgres.ts'
import { programOf } from '../kit/postgres/postgres-process.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'

const run = promisify(execFile)

const open = (server: DatabaseServer): Promise<OpenStore> => openLocalStore({ server, poolSize: 2 })

const placeOf = ({ host, port, user }: DatabaseServer): string[] => [
  `--host=${host}`,
  `--port=${port}`,
  `--username=${user}`,
]

const dump = (database: DatabaseServer, file: string): Promise<unknown> =>
  run(programOf('pg_dump'), [
    ...placeOf(database),
    '--format=custom',
    '--schema=promptintern',
    `--file=${file}`,
    database.database,
  ])

const restore = (database: DatabaseServer, file: string): Promise<unknown> =>
  run(programOf('pg_restore'), [
    ...placeOf(database),
    '--no-owner',
    '--exit-on-error',
    `--dbname=${database.database}`,
    file,
  ])

/** Records of three days. */
const append = (store: Store, from: number, count: number): Promise<void> =>
  store.records.append(
    batchOf(
      Array.from({ length: count }, (_, index) =>
        exampleRecord(from + index, { at: 1_000 + ((from + index) % 3) * DAY_MS })
      )
    )
  )

const recordsOf = (store: Store) => store.records.list({ limit: 5_000, order: 'asc' })

const decisionsOf = async (store: Store) => ({
  templates: await store.templates.list(),
  internalizations: await store.internalizations.list({ recordIds: true }),
  routes: await store.routes.list(),
  revision: await store.routes.revision(),
  keys: await store.keys.list(),
})

/** @returns number of the last record that was acknowledged when the dump began */
const fill = async (store: Store): Promise<number> => {
  await append(store, 0, 60)
  await store.templates.upsert([exampleTemplate()])
  await store.internalizations.create(exampleApproved('a'))
  const approved = (await store.internalizations.get('a'))!
  await goLive(store, approved, { by: 'admin', now: 10_000, rollout: AT_ONCE })
  await store.keys.create(exampleKey('key-a'))
  return 60
}

describePostgres('a dump', () => {
  it('that was made while a proxy appends has the whole log until it began', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'promptintern-backup-'))
    chmodSync(folder, 0o755)
    const file = join(folder, 'promptintern.dump')
    const database = await createDatabase()
    const store = await open(database)
    const acknowledged = await fill(store)
    const dumped = new AbortController()
    let next = acknowledged
    const appending = (async () => {
      for (; !dumped.signal.aborted; next += 10) await append(store, next, 10)
    })()
    await dump(database, file)
    dumped.abort()
    await appending

    const copy = await createDatabase()
    await restore(copy, file)
    rmSync(folder, { recursive: true })
    const restored = await open(copy)
    const kept = await recordsOf(restored)
    expect(kept.length).toBeGreaterThanOrEqual(acknowledged)
    // whole appends, from the first one on
    expect(kept.length % 10).toBe(0)
    expect(kept).toEqual((await recordsOf(store)).slice(0, kept.length))
    expect(await decisionsOf(restored)).toEqual(await decisionsOf(store))

    await append(restored, next, 10)
    await restored.records.append(batchOf([exampleRecord(1, { id: 'later', at: 9 * DAY_MS })]))
    const later = await recordsOf(restored)
    expect(later.slice(0, kept.length)).toEqual(kept)
    expect(later).toHaveLength(kept.length + 11)
    await Promise.all([store.close(), restored.close()])
  })
})
