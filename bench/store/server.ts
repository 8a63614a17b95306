/** The PostgreSQL that is measured: one of the benchmark's own with a database for each part, or another one. */
import { Client } from 'pg'
import { parseDatabaseUrl } from '../../src/config/database-url.ts'
import {
  PASSWORD,
  serverIn,
  USER,
  WHY_NO_SERVER,
} from '../../test/kit/postgres/postgres-process.ts'
import type { PartDatabase } from './part.ts'

const atUrl = (url: string): PartDatabase => {
  const parsed = parseDatabaseUrl(url)
  if ('mistake' in parsed) throw new Error(`--url ${parsed.mistake}`)
  return { url, server: parsed.server }
}

const createDatabase = async (url: string, name: string): Promise<void> => {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (rows.length === 0) await client.query(`create database ${name}`)
  } finally {
    await client.end()
  }
}

/**
 * @param folder of the benchmark's own server, which starts with the first database @param keeps it
 * @param url of a database that is used instead; null: none
 */
export const databases =
  (folder: string, keeps: boolean, url: string | null) =>
  async (part: string): Promise<PartDatabase> => {
    if (url !== null) return atUrl(url)
    if (WHY_NO_SERVER !== null) throw new Error(WHY_NO_SERVER)
    const { port } = await serverIn(folder, process.pid, { keeps })
    const base = `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}`
    await createDatabase(`${base}/postgres`, `bench_${part}`)
    return atUrl(`${base}/bench_${part}`)
  }
