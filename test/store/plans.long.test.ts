/**
 * The plans of the queries that the pages and the admin API send: by index, and without reading rows to throw them
 * away. The queries are taken from the connection, so a changed query is checked, too.
 */
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { fillLog } from '../kit/store/fill/fill.ts'
import { KINDS, type Sample } from '../kit/store/fill/kinds.ts'
import { parseConfig } from '../../src/config/config.ts'
import { economicsSettings } from '../../src/config/config-files.ts'
import { groupBy } from '../../src/core/group-by.ts'
import { seededRandom } from '../../src/random.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { openPage, TOKEN, type Page } from '../page/harness.ts'
import { connect, createDatabase, describePostgres } from '../kit/postgres/postgres.ts'

const LAST_DAY = 20_785
const DAYS = 34
const RECORDS = 3_000
const PATIENCE_MS = 1_800_000
const SAMPLES = 2
/** of calls that differ in their values alone */
const SAME = 2

/** rows that one query may read and throw away: those of a tenant in the four days that three days touch, at most */
const MAX_REMOVED = Math.ceil((4 * RECORDS) / DAYS)

/** Tables that grow with the log. */
const GROWING = /^(records|bodies|dictionaries|pairs|evaluations|feedback)$/

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

interface Sent {
  text: string
  values: unknown[]
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)]

/** Its statements that read a growing table. */
const capture = async (work: () => Promise<void>): Promise<Sent[]> => {
  const sent: Sent[] = []
  const query = Client.prototype.query as (...words: unknown[]) => unknown
  const spy = vi.spyOn(Client.prototype, 'query').mockImplementation(function (
    this: Client,
    ...words: unknown[]
  ) {
    const [asked, values] = words as [string | { text: string; values?: unknown[] }, unknown[]]
    const { text, values: own } = typeof asked === 'string' ? { text: asked } : asked
    if (/^\s*(select|with)\s/i.test(text)) sent.push({ text, values: values ?? own ?? [] })
    return query.apply(this, words)
  } as never)
  try {
    await work()
  } finally {
    spy.mockRestore()
  }
  return sent
}

/** As planned if no table is small and no page is far: then the index that leaves the fewest rows is taken. */
const planOf = async (client: Client, { text, values }: Sent): Promise<PlanNode[]> => {
  await client.query('begin; set local enable_seqscan = off; set local random_page_cost = 1')
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `explain (analyze, format json) ${text}`,
    values
  )
  await client.query('rollback')
  return nodesOf(rows[0]!['QUERY PLAN'][0].Plan).filter((node) =>
    GROWING.test(node['Relation Name'] ?? '')
  )
}

const problemsOf = (nodes: PlanNode[]): string[] => {
  const removed = nodes.reduce(
    (sum, node) => sum + (node['Rows Removed by Filter'] ?? 0) * node['Actual Loops'],
    0
  )
  return [
    ...nodes
      .filter((node) => node['Node Type'] === 'Seq Scan')
      .map((node) => `reads all of ${node['Relation Name']}`),
    ...(removed > MAX_REMOVED ? [`reads ${removed} rows for nothing`] : []),
  ]
}

const MORE = [
  '',
  '/jobs',
  '/keys',
  '/forget',
  '/internalizations/internalization-0/answers',
  '/internalizations/internalization-0/pairs',
  '/api/internalizations/internalization-0/examples',
].map((path) => ({ name: `/admin${path}`, path: () => path }))

describePostgres('the queries of the pages', () => {
  let server: DatabaseServer
  let store: OpenStore
  let page: Page
  let client: Client
  let samples: Sample[]

  beforeAll(async () => {
    server = await createDatabase()
    await fillLog({ server, records: RECORDS, days: DAYS, lastDay: LAST_DAY, onDay: () => {} })
    store = await openLocalStore({ server, poolSize: 2 })
    const now = () => (LAST_DAY + 1) * 86_400_000
    const settings = economicsSettings(parseConfig({}), [])
    page = await openPage({ store, now, economics: openEconomics(store, settings, now) })
    await page.signIn()
    client = await connect(server)
    const random = seededRandom(5)
    const [newest] = await store.records.list({ order: 'desc', limit: 1, bodies: false })
    samples = []
    while (samples.length < SAMPLES) {
      const after = Math.floor(random() * newest!.sequence)
      const [found] = await store.records.list({ order: 'desc', after, limit: 1, bodies: false })
      if (found !== undefined) samples.push({ id: found.id, after, random })
    }
  }, PATIENCE_MS)

  afterAll(async () => {
    await client?.end()
    await page?.close()
    await store?.close()
  })

  const ask = async (path: string): Promise<void> => {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const answer = await page.request(`/admin${path}`, { headers })
    expect([path, answer.status]).toEqual([path, 200])
    await answer.text()
  }

  it.each([...KINDS, ...MORE])(
    'of $name go by index',
    async ({ path }) => {
      for (const sample of samples) {
        const asked = path(sample)
        const sent = await capture(() => ask(asked))
        expect(sent.length).toBeGreaterThan(0)
        const byText = groupBy(sent, ({ text }) => text)
        for (const each of [...byText.values()].flatMap((same) => same.slice(0, SAME))) {
          const problems = problemsOf(await planOf(client, each))
          expect({ asked, ...each, problems }).toEqual({ asked, ...each, problems: [] })
        }
      }
    },
    PATIENCE_MS
  )

  it('would be found without an index', async () => {
    const text = 'select id from promptintern.records where day > $1 and at = $2'
    const problems = problemsOf(await planOf(client, { text, values: [LAST_DAY - 20, 1] }))
    expect(problems).toContainEqual(expect.stringMatching(/ for nothing$|^reads all/))
  })
})
