/**
 * How many bytes a record takes in PostgreSQL: requests with prompts that recur and with prompts that do not,
 * of 1,000 and 3,000 tokens, in appends of 64 records and of one. The texts are sentences of this project's
 * documents in random order, so a prompt compresses like English prose.
 *
 *   npm run bench:size -- [--records 4096] [--out file.json]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { countTokens } from 'gpt-tokenizer'
import { Client } from 'pg'
import { batchOf } from '../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../src/core/log/record.ts'
import { seededRandom } from '../src/random.ts'
import type { ServerOptions } from '../src/store/postgres/base/server-options.ts'
import { openLocalStore } from '../src/store/postgres/local.ts'
import { optionsOf, serverIn, USER, WHY_NO_SERVER } from '../test/kit/postgres/postgres-process.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import { type Figures } from '../test/kit/report.ts'
import { readOptions } from './harness/options.ts'
import { benchmark } from './harness/measure.ts'

const args = readOptions({
  records: 4096,
})

/** that recur */
const PROMPTS = 20
const QUERY_TOKENS = 40
const MANY = 64

interface Case {
  name: string
  tokens: number
  recurs: boolean
  /** records of one append */
  together: number
}

const CASES: Case[] = [
  ...[1_000, 3_000].flatMap((tokens) =>
    [true, false].map((recurs) => ({
      name: `${recurs ? 'recurring' : 'unique'}_${tokens}`,
      tokens,
      recurs,
      together: MANY,
    }))
  ),
  { name: 'recurring_1000_alone', tokens: 1_000, recurs: true, together: 1 },
]

const random = seededRandom(1)

const sentences = readdirSync(fromRoot('docs'))
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => readFileSync(fromRoot(`docs/${name}`), 'utf8').split(/(?<=\.)\s+/))
  .filter((text) => /^[A-Z][^|`]{30,300}\.$/.test(text))
  .map((text) => ({ text, tokens: countTokens(text) + 1 }))

const textOf = (wanted: number): string => {
  const chosen: string[] = []
  for (let tokens = 0; tokens < wanted;) {
    const sentence = sentences[Math.floor(random() * sentences.length)]!
    chosen.push(sentence.text)
    tokens += sentence.tokens
  }
  return chosen.join(' ')
}

const recordOf = (index: number, prompt: string, tokens: number): ExchangeRecord => ({
  id: `${Date.now().toString(16)}-${index.toString(16).padStart(20, '0')}`,
  at: Date.now(),
  tenant: 'a'.repeat(32),
  model: 'gpt-4o-mini',
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: 300 + random() * 100,
  durationMs: 400 + random() * 100,
  request: JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: prompt },
      { role: 'user', content: textOf(QUERY_TOKENS) },
    ],
  }),
  response: JSON.stringify({
    id: `chatcmpl-${Math.floor(random() * 36 ** 10).toString(36)}`,
    object: 'chat.completion',
    created: 1_764_000_000 + index,
    model: 'gpt-4o-mini-2024-07-18',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: `label_${Math.floor(random() * 50)}` },
        finish_reason: 'stop',
      },
    ],
  }),
  usage: { prompt_tokens: tokens, completion_tokens: 4, total_tokens: tokens + 4 },
  route: null,
})

interface Sizes {
  /** look-up rows, their indexes, and what a record has beside its bodies */
  records: number
  bodies: number
  /** write-ahead log so far */
  wal: number
}

const readSizes = async (client: Client): Promise<Sizes> => {
  const { rows } = await client.query<Sizes>(
    `select
      coalesce(sum(pg_total_relation_size(oid)) filter (where relname !~ 'bodies'), 0)::float8 as records,
      coalesce(sum(pg_total_relation_size(oid)) filter (where relname ~ 'bodies'), 0)::float8 as bodies,
      pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal
      from pg_class where relnamespace = to_regnamespace('promptintern') and relkind = 'r'`
  )
  return rows[0]!
}

interface Measured extends Sizes {
  /** of request and response, as they came */
  raw: number
}

/** @returns bytes for a record */
const measure = async (
  server: ServerOptions,
  { tokens, recurs, together }: Case
): Promise<Measured> => {
  const store = await openLocalStore({ server, poolSize: 4 }, Date.now)
  const { host, port, database } = server
  const client = new Client({ host, port, database, user: USER, ssl: false })
  await client.connect()
  // makes the day's partitions
  await store.records.append(batchOf([recordOf(-1, '', 0)]))
  const before = await readSizes(client)
  const prompts = Array.from({ length: PROMPTS }, () => textOf(tokens))
  const count = args.records
  let raw = 0
  for (let index = 0; index < count; index += together) {
    const records = Array.from({ length: together }, (_, place) => {
      const prompt = recurs ? prompts[(index + place) % PROMPTS]! : textOf(tokens)
      return recordOf(index + place, prompt, tokens)
    })
    for (const { request, response } of records) raw += request.length + (response?.length ?? 0)
    await store.records.append(batchOf(records))
  }
  const after = await readSizes(client)
  await client.end()
  await store.close()
  return {
    raw: raw / count,
    records: (after.records - before.records) / count,
    bodies: (after.bodies - before.bodies) / count,
    wal: (after.wal - before.wal) / count,
  }
}

const createDatabase = async (server: ServerOptions, name: string): Promise<ServerOptions> => {
  const { host, port, database } = server
  const client = new Client({ host, port, database, user: USER, ssl: false })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  return { ...server, database: name }
}

const run = async (folder: string): Promise<Figures> => {
  const server = optionsOf(await serverIn(folder, process.pid), 'postgres')
  const figures: Figures = {}
  for (const one of CASES) {
    const measured = await measure(await createDatabase(server, one.name), one)
    for (const [part, value] of Object.entries(measured))
      figures[`${one.name}_${part}`] = { value: Math.round(value), unit: 'bytes/record' }
  }
  return figures
}

if (WHY_NO_SERVER !== null) console.log(`skipped: ${WHY_NO_SERVER}`)
else await benchmark('size', args.out, run)
