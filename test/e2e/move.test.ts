/** `promptintern migrate sqlite-to-postgres` from a user's view: killed, repeated, and served afterwards. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { freePort } from '../kit/process/free-port.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ServerOptions } from '../../src/store/postgres/base/server-options.ts'
import type { MoveReport } from '../../src/store/move/move.ts'
import { CLI, runCli, startServer } from '../kit/process/built.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { closeFiles, fillToMove } from '../kit/store/moved.ts'
import {
  createDatabase,
  describePostgres,
  execute,
  testServer,
  urlOf,
} from '../kit/postgres/postgres.ts'

const BATCHES = 12
const BATCH_RECORDS = 500
/** of several commands, each a process */
const PATIENCE_MS = 300_000
const MOVE = ['migrate', 'sqlite-to-postgres']

describePostgres('promptintern migrate sqlite-to-postgres', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-move-'))
  let env: Record<string, string>
  let target: ServerOptions
  let before: unknown

  const json = async (settings: Record<string, string>, ...words: string[]): Promise<unknown> =>
    JSON.parse(await runCli({ DATA_DIR: dataDir, ...settings }, ...words, '--json'))

  const copied = async (): Promise<number> => {
    const [row] = await execute(target, 'select count(*) from promptintern.records').catch(
      // before the move has made its tables
      () => []
    )
    return Number(row?.['count'] ?? 0)
  }

  /** @returns the signal that ended a move after two batches of records */
  const killed = async (): Promise<string | null> => {
    const child = spawn(process.execPath, [CLI, ...MOVE], { env: { ...process.env, ...env } })
    const ended = new Promise<string | null>((resolve) =>
      child.once('exit', (_, signal) => resolve(signal))
    )
    await vi.waitUntil(async () => (await copied()) > 2 * BATCH_RECORDS, {
      timeout: PATIENCE_MS / 2,
      interval: 20,
    })
    child.kill('SIGKILL')
    return ended
  }

  beforeAll(async () => {
    const store = await openStore({ dataDir })
    await fillToMove(store)
    for (let batch = 0; batch < BATCHES; batch++) {
      const records = Array.from({ length: BATCH_RECORDS }, (_, index) => {
        const number = 10_000 + batch * BATCH_RECORDS + index
        return exampleRecord(number, { at: Date.now(), request: `{"number":${number}}` })
      })
      await store.records.append(batchOf(records))
    }
    await store.close()
    await closeFiles()
    before = await json({}, 'status')
    target = await createDatabase()
    env = { DATA_DIR: dataDir, DATABASE_URL: urlOf(await testServer(), target.database) }
  }, PATIENCE_MS)

  afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

  it(
    'goes on after kill -9, and nothing opens the target until it is done',
    async () => {
      expect(await killed()).toBe('SIGKILL')
      await expect(runCli(env, 'status')).rejects.toMatchObject({
        code: 4,
        stderr: expect.stringContaining('a move from SQLite is unfinished') as string,
      })
      const report = (await json(env, ...MOVE)) as MoveReport
      expect(report).toMatchObject({ resumed: true, differences: 0 })
      expect(report.tables['records']!.compared).toBe(BATCHES * BATCH_RECORDS + 113)
      expect(report.copied).toBeLessThan(BATCHES * BATCH_RECORDS)
      expect(await json(env, 'status')).toEqual(before)
    },
    PATIENCE_MS
  )

  it(
    'says what it did, and that a second move has no empty target',
    async () => {
      expect(await runCli(env, ...MOVE, '--verify')).toContain('both databases have the same rows')
      await expect(runCli(env, ...MOVE)).rejects.toMatchObject({ code: 4 })
      await expect(runCli({ DATA_DIR: dataDir }, ...MOVE)).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringContaining('set DATABASE_URL') as string,
      })
      const elsewhere = [...MOVE, '--from', join(dataDir, 'none')]
      await expect(runCli(env, ...elsewhere)).rejects.toMatchObject({ code: 3 })
    },
    PATIENCE_MS
  )

  it(
    'ends with another code when the databases differ, and serves what was moved',
    async () => {
      const server = await startServer({ ...env, PORT: String(await freePort()), ENGINE: 'none' })
      try {
        expect((await fetch(`${server.baseUrl}/readyz`)).status).toBe(200)
        expect(await json(env, 'show', 'version-4')).toMatchObject({})
        await json(env, 'label', 'version-4', 'changed since')
      } finally {
        await server.stop()
      }
      const differs = runCli(env, ...MOVE, '--verify')
      await expect(differs).rejects.toMatchObject({
        code: 5,
        stdout: expect.stringContaining('rows are different, missing or added') as string,
      })
    },
    PATIENCE_MS
  )
})
