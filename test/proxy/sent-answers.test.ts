/** Hono's Node listener replaces the global `Response`. An answer that is sent is known all the same, whatever loads first. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Listens, and only then loads what the proxy answers with. Prints how often an answer's head was written. */
const script = (module: string, listen: string): string => `
  import { Hono } from 'hono'
  import { listen } from './${module}'
  const seen = { writes: 0 }
  const app = new Hono().get('/', async ({ env: { outgoing } }) => {
    const { RESPONSE_ALREADY_SENT } = await import('@hono/node-server/utils/response')
    const writeHead = outgoing.writeHead.bind(outgoing)
    outgoing.writeHead = (...args) => { seen.writes++; return writeHead(...args) }
    outgoing.writeHead(200)
    outgoing.end('once')
    return RESPONSE_ALREADY_SENT
  })
  const { port } = await ${listen}
  const body = await (await fetch('http://127.0.0.1:' + port)).text()
  console.log(body, seen.writes)
  process.exit()
`

const answerOf = async (source: string): Promise<string> => {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', source]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  return stdout.trim()
}

it.each([
  [
    'the server',
    script(
      'src/server/http-server.ts',
      "listen(app, { port: 0, host: '127.0.0.1' }, { fault: console.error })"
    ),
  ],
  ['the host of an engine', script('adapters/host/host.ts', 'listen(app)')],
])('%s sends an answer once that was sent already', async (_name, source) => {
  expect(await answerOf(source)).toBe('once 1')
})
