/** Whether a filled log is one that the store could have written: its rows agree with each other. */
import { DAY_MS } from '../../../../src/core/days.ts'
import { openPool } from '../../../../src/store/postgres/base/database.ts'
import type { ServerOptions } from '../../../../src/store/postgres/base/server-options.ts'
import { openLocalStore } from '../../../../src/store/postgres/local.ts'
import type { Store } from '../../../../src/store/store.ts'
import type { Random } from './world.ts'

const PAGES = 40
const PAGE = 50

/** Each must return no row. */
const CONTRADICTIONS: Record<string, string> = {
  'a record of another day': `select id from promptintern.records where at / ${DAY_MS} <> day`,
  'bodies of another day': `select sequence from promptintern.bodies
    join promptintern.records using (sequence) where bodies.day <> records.day`,
  'a body whose dictionary is not of its day': `select sequence from promptintern.bodies
    left join promptintern.dictionaries as known
      on known.id = request_dictionary and known.day = bodies.day
    where request_dictionary is not null and known.id is null`,
  'an end of the log that is not the last record': `select sequence from promptintern.log_end
    where sequence <> (select max(sequence) from promptintern.records)`,
  'totals of a template that are not its records': `select version from promptintern.template_totals
    left join (select template_version, count(*) as records from promptintern.records
      group by template_version) as found on template_version = version
    where requests is distinct from records`,
}

const fail = (what: string): never => {
  throw new Error(`the filled log has ${what}`)
}

const checkPage = async ({ records }: Store, after: number): Promise<void> => {
  const page = await records.list({ order: 'desc', after, limit: PAGE })
  for (const [index, record] of page.entries()) {
    const { id, at, sequence, request, response, status } = record
    if (sequence >= (page[index - 1]?.sequence ?? after)) fail('a page out of order')
    const time = Number.parseInt(id.slice(0, 13).replace('-', ''), 16)
    if (time !== at) fail('a record whose id has another time')
    if (!Array.isArray((JSON.parse(request) as { messages: unknown }).messages))
      fail('a request without messages')
    if (status === 200) JSON.parse(response!)
  }
  const [first] = page
  if (first === undefined) return
  const [again] = await records.byIds([first.id])
  if (JSON.stringify(again) !== JSON.stringify(first)) fail('a record that reads as another one')
}

/** @throws Error where the rows contradict each other, or a page cannot be read */
export const checkLog = async (
  server: ServerOptions,
  count: number,
  random: Random
): Promise<void> => {
  const connection = openPool(server, 2)
  const store = await openLocalStore({ server, poolSize: 2 })
  try {
    for (const [what, sql] of Object.entries(CONTRADICTIONS)) {
      const { rows } = await connection.read(({ $client }) => $client.query(`${sql} limit 1`))
      if (rows.length > 0) fail(what)
    }
    const hours = await store.records.traffic(0, Number.MAX_SAFE_INTEGER)
    if (hours.reduce((sum, { requests }) => sum + requests, 0) !== count)
      fail('other figures by the hour than records')
    const [newest] = await store.records.list({ order: 'desc', limit: 1, bodies: false })
    for (let page = 0; page < PAGES; page++)
      await checkPage(store, Math.floor(random() * newest!.sequence))
  } finally {
    await store.close()
    await connection.close()
  }
}
