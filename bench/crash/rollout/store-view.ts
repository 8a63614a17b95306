/** What the store's file says of a rollout, by plain SQL and not by the code that wrote it. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient, type Client } from '@libsql/client/sqlite3'
import type { InternalizationState } from '../../../src/core/internalization/internalization.ts'
import type { RolloutReport } from '../../../src/lifecycle/rollout-report.ts'

export interface PairRow {
  recordId: string | null
  /** null while it waits */
  outcome: string | null
  confidence: number | null
}

export interface HistoryRow {
  /** milliseconds since the epoch */
  at: number
  from: InternalizationState | null
  to: InternalizationState
}

export interface StoreView {
  state(): Promise<InternalizationState>
  /** in the order in which the audits were logged */
  pairs(): Promise<PairRow[]>
  /** audits that had no room */
  dropped(): Promise<number>
  history(): Promise<HistoryRow[]>
  /** null before the worker has made one */
  report(): Promise<RolloutReport | null>
  /** whether the proxies have a route of the internalization */
  isRouted(): Promise<boolean>
  close(): void
}

const openFile = (dataDir: string): Client =>
  createClient({ url: pathToFileURL(join(dataDir, 'promptintern.sqlite')).href, concurrency: 1 })

const json = (value: unknown) => JSON.parse(String(value)) as InternalizationState

/** @param internalization its id @param lora of its pairs */
export const openStoreView = (
  dataDir: string,
  { internalization, lora }: { internalization: string; lora: string }
): StoreView => {
  const client = openFile(dataDir)
  const select = async (sql: string, ...args: string[]) =>
    (await client.execute({ sql, args })).rows
  return {
    async state() {
      const [row] = await select('select state from internalizations where id = ?', internalization)
      return json(row!['state'])
    },
    async pairs() {
      const rows = await select(
        'select record_id, outcome, confidence from pairs where lora = ? order by place',
        lora
      )
      return rows.map((row) => ({
        recordId: row['record_id'] as string | null,
        outcome: row['outcome'] as string | null,
        confidence: row['confidence'] as number | null,
      }))
    },
    async dropped() {
      const [row] = await select(
        'select value from revisions where name = ?',
        `audits-dropped:${lora}`
      )
      return Number(row?.['value'] ?? 0)
    },
    async history() {
      const rows = await select(
        'select at, from_state, to_state from history where internalization_id = ? order by id',
        internalization
      )
      return rows.map((row) => ({
        at: Number(row['at']),
        from: row['from_state'] === null ? null : json(row['from_state']),
        to: json(row['to_state']),
      }))
    },
    async report() {
      const [row] = await select(
        'select value from snapshots where name = ?',
        `rollout:${internalization}`
      )
      if (row === undefined) return null
      return JSON.parse(new TextDecoder().decode(row['value'] as ArrayBuffer)) as RolloutReport
    },
    async isRouted() {
      const rows = await select(
        "select 1 from routes where route ->> '$.internalizationId' = ?",
        internalization
      )
      return rows.length > 0
    },
    close: () => client.close(),
  }
}
