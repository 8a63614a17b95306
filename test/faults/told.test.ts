/** Every fault of the real server is in its log and its metrics, without secrets. */
import { createServer as createTlsServer } from 'node:https'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { commandLine, processTree } from '../kit/process/proxy-process.ts'
import { UNTRUSTED } from '../kit/postgres/untrusted-certificate.ts'
import { AUTHORIZATION, CHAT_PATH, chatBody, eventually, send } from '../kit/proxy/harness.ts'
import { startServerProcess, type ServerProcess } from '../kit/process/server-process.ts'

const WORDS = 'pelican-quartz'

let server: ServerProcess
let upstream: Server | null = null
afterEach(async () => {
  await server.remove()
  upstream?.close()
  upstream = null
})

const listening = (opened: Server): Promise<number> => {
  upstream = opened
  return new Promise((resolve) => {
    opened.listen(0, '127.0.0.1', () => resolve((opened.address() as AddressInfo).port))
  })
}

const count = async (kind: string): Promise<number> => {
  const line = new RegExp(`promptintern_faults_total\\{kind="${kind}"\\} (\\d+)`)
  return Number(line.exec(await server.metrics())?.[1])
}

/** Waits for the first line of a kind. */
const faultOf = async (kind: string) => {
  const find = () => server.faults().find((fault) => fault.kind === kind)
  await eventually(() => find() !== undefined)
  return find()!
}

const start = async (...options: Parameters<typeof startServerProcess>): Promise<void> => {
  server = await startServerProcess(...options)
}

const expectUnreachable = async (port: number, code: string): Promise<void> => {
  const { status, body } = await send(server.port, chatBody(WORDS))
  expect(status).toBe(502)
  expect(JSON.parse(body.toString()).error.message).toBe('the connection to the upstream failed')
  const fault = await faultOf('upstream')
  expect(fault).toMatchObject({ host: `127.0.0.1:${port}`, level: 50 })
  expect(fault.causes[0]).toMatchObject({ code })
  expect(await count('upstream')).toBeGreaterThan(0)
}

describe('an upstream that cannot be reached', () => {
  it('because it refuses connections', async () => {
    await start({ UPSTREAM_BASE_URL: 'http://127.0.0.1:1/v1' })
    await expectUnreachable(1, 'ECONNREFUSED')
  })

  it('because its certificate is not trusted', async () => {
    const port = await listening(createTlsServer(UNTRUSTED))
    await start({ UPSTREAM_BASE_URL: `https://127.0.0.1:${port}/v1` })
    await expectUnreachable(port, 'DEPTH_ZERO_SELF_SIGNED_CERT')
  })

  it('because it accepts connections and does not answer', async () => {
    const port = await listening(createServer((socket) => socket.on('error', () => {}).resume()))
    await start({ UPSTREAM_BASE_URL: `http://127.0.0.1:${port}/v1`, UPSTREAM_TIMEOUT_SECONDS: '1' })
    await expectUnreachable(port, 'UND_ERR_HEADERS_TIMEOUT')
  })

  it('because its name does not resolve', async () => {
    await start({ UPSTREAM_BASE_URL: 'http://upstream.invalid/v1' })
    expect((await send(server.port, chatBody(WORDS))).status).toBe(502)
    const fault = await faultOf('upstream')
    expect(fault).toMatchObject({ host: 'upstream.invalid' })
    expect(fault.causes[0]?.code).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
  })

  it('does not flood the log, is counted in full, and shows no secret', async () => {
    await start({ UPSTREAM_BASE_URL: 'http://127.0.0.1:1/v1', LOG_LEVEL: 'debug' })
    const begun = performance.now()
    for (let round = 0; round < 10; round++) {
      const path = `${CHAT_PATH}?api-key=${WORDS}`
      await Promise.all(
        Array.from({ length: 30 }, () => send(server.port, chatBody(WORDS), { path }))
      )
    }
    await send(server.port, null, { method: 'GET', path: `/v1/models?key=${WORDS}` })
    expect(await count('upstream')).toBeGreaterThanOrEqual(301)
    const seconds = Math.floor((performance.now() - begun) / 1000) + 2
    const lines = server.faults().filter(({ kind }) => kind === 'upstream')
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.length).toBeLessThanOrEqual(5 * seconds)
    for (const secret of [WORDS, AUTHORIZATION.slice('Bearer '.length)])
      expect(server.log()).not.toContain(secret)
  })
})

const CHILDREN = { worker: /cli\.[jt]s worker/, engine: /adapters\/fake\/process/ }

const childOf = (name: keyof typeof CHILDREN): number | undefined =>
  processTree(server.child.pid!).find((pid) => CHILDREN[name].test(commandLine(pid)))

describe('a process that is killed', () => {
  it.each(['worker', 'engine'] as const)(
    'is reported with pid and signal, and restarted: the %s',
    async (name) => {
      await start({ UPSTREAM_BASE_URL: 'http://127.0.0.1:1/v1', ENGINE: 'fake' }, { worker: true })
      await eventually(() => childOf(name) !== undefined)
      const pid = childOf(name)!
      process.kill(pid, 'SIGKILL')
      expect(await faultOf(`${name}-process`)).toMatchObject({ pid, signal: 'SIGKILL' })
      expect(await count(`${name}-process`)).toBe(1)
      await eventually(() => childOf(name) !== undefined && childOf(name) !== pid)
    }
  )
})
