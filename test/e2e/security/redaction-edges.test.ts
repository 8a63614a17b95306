/** Values that `REDACT` removes, where a record is shortened and in members beside the bodies: the real server. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startServerProcess, type ServerProcess } from '../../kit/process/server-process.ts'
import { completion } from '../../kit/records/completion.ts'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  respondJson,
  send,
  startUpstream,
  type FakeUpstream,
} from '../../kit/proxy/harness.ts'

let upstream: FakeUpstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServerProcess({
    ENGINE: 'none',
    UPSTREAM_BASE_URL: `${upstream.url}/v1`,
    REDACT: 'key,email,iban,card,phone',
  })
}, 60_000)
afterAll(async () => {
  await server.remove()
  upstream.close()
})

const headers = { authorization: 'Bearer faults-admin-token' }
interface Shown {
  data: { id: string }[]
}
const records = async (): Promise<Shown> =>
  (await (
    await fetch(`http://127.0.0.1:${server.port}/admin/api/records?bodies=true`, { headers })
  ).json()) as Shown

/** The record of a request as the admin API shows it, JSON. */
const recordOf = async (body: string, path = CHAT_PATH): Promise<string> => {
  const before = (await records()).data.length
  await send(server.port, body, { path })
  let after: Shown = { data: [] }
  await eventually(async () => (after = await records()).data.length > before)
  return JSON.stringify(after.data[0])
}

/** A body of which the first 8 KiB, that are kept of one that was not answered, end within the value. */
const cutWithin = (value: string, chars: number): string => {
  const empty = chatBody('')
  const at = Buffer.byteLength(empty.slice(0, empty.lastIndexOf('""') + 1))
  return chatBody(`${'x '.repeat(8192).slice(0, 8192 - at - chars - 1)} ${value}`)
}

it.each([
  ['an address of e-mail', 'erika.mustermann@example.com', 'erika.mustermann@exa'],
  ['a key', 'sk-abcdefghijklmnopqrstuvwxyz0123456789', 'sk-abcdefghijklmnopqrs'],
  ['a card', '4111 1111 1111 1111', '4111 1111 1111 11'],
  ['an IBAN', 'DE89 3704 0044 0532 0130 00', 'DE89 3704 0044 0532 01'],
])('%s that the shortening of a record cuts is not stored in part', async (_name, ...row) => {
  const [value, part] = row
  upstream.respond = respondJson({ error: { message: 'later' } }, 500)
  const shown = await recordOf(cutWithin(value, part.length))
  expect(shown).not.toContain(part.slice(0, -1))
})

it('the name of a model is redacted as the body that has it', async () => {
  upstream.respond = respondJson(completion('fine'))
  const shown = await recordOf(chatBody('hi', { model: 'erika.mustermann@example.com' }))
  expect(shown).not.toContain('erika')
})

it.each([
  ['with the spaces of a form', '?caller=%2B49+170+1234567', '1234567'],
  ['twice encoded', '?caller=erika.mustermann%2540example.com', 'erika'],
  ['as itself and as a blank', '?x=ann.b+x@example.com+%2B49+170+1234567', 'ann.b'],
  ['as itself, with a blank behind it', '?x=ann.b+x@example.com+%2B49+170+1234567', '1234567'],
  ['behind what is no encoding', '?x=%zz&caller=erika.mustermann%40example.com', 'erika'],
  [
    'at the end of a long query',
    `?x=${'a'.repeat(1024 - 40)}&c=erika.mustermann%40example.com`,
    'erika',
  ],
])('a value of a query %s is redacted', async (_name, query, mark) => {
  upstream.respond = respondJson(completion('fine'))
  expect(await recordOf(chatBody('hi'), `${CHAT_PATH}${query}`)).not.toContain(mark)
})
