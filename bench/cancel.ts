/**
 * How long after a client has left does the far side know? The real server between a client and an
 * upstream, or an engine, that both live here, so that one clock times both ends. Four cases each:
 * streamed or not, before or after the far side's first byte.
 *
 *   npm run bench:cancel -- [--out file.json] [--rounds 50]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { liveRoute } from './harness/live-route.ts'
import type { Route } from '../src/core/route/route.ts'
import { createTenants } from '../src/proxy/access/tenants.ts'
import { openSqliteStore } from '../src/store/thread/open.ts'
import { startProxy, type ProxyProcess } from './harness/proxy-process.ts'
import { spread, tell, withBar, type Figure } from './report.ts'

const BAR_MS = 100
const TENANT_SECRET = 'bench'
const AUTHORIZATION = 'Bearer sk-bench'
const PROMPT = 'Sort the question.'
const LORA = 'lora-bench'
const DEADLINE_MS = 10_000

const { values: args } = parseArgs({
  options: { out: { type: 'string' }, rounds: { type: 'string', default: '50' } },
})

interface Case {
  side: 'upstream' | 'engine'
  stream: boolean
  /** whether the far side has sent something when the client leaves */
  begun: boolean
}

const CASES: Case[] = (['upstream', 'engine'] as const).flatMap((side) =>
  [false, true].flatMap((stream) => [false, true].map((begun) => ({ side, stream, begun })))
)

const nameOf = ({ side, stream, begun }: Case): string =>
  `${side}_${stream ? 'stream' : 'whole'}_${begun ? 'after' : 'before'}_first_byte_ms`

const readAll = async (incoming: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of incoming) text += String(chunk)
  return text
}

const chunkOf = (content: string): string =>
  `data: ${JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: LORA,
    choices: [
      {
        index: 0,
        delta: { content },
        logprobs: { content: [{ token: content, logprob: -0.1, bytes: null, top_logprobs: [] }] },
        finish_reason: null,
      },
    ],
  })}\n\n`

/** Upstream and engine at once: it begins an answer, or does not, and never ends it. */
class FarSide {
  readonly server = createServer((incoming, response) => void this.answer(incoming, response))
  begins = false
  /** answers everything at once, as an upstream that accepts a key */
  isReady = true
  private onWaiting: () => void = () => {}
  private onLeft: () => void = () => {}

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** @returns when a request waits here, and when its client has left */
  next(): { waiting: Promise<void>; left: Promise<number> } {
    return {
      waiting: new Promise((resolve) => (this.onWaiting = resolve)),
      left: new Promise((resolve) => (this.onLeft = () => resolve(performance.now()))),
    }
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(incoming)
    if (this.isReady || !incoming.url!.endsWith('/chat/completions')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[]}')
      return
    }
    const { stream } = JSON.parse(body) as { stream?: boolean }
    response.on('close', () => this.onLeft())
    if (this.begins) {
      const contentType = stream ? 'text/event-stream' : 'application/json'
      response.writeHead(200, { 'content-type': contentType })
      response.write(stream ? chunkOf('card') : '{"id":')
    }
    this.onWaiting()
  }
}

const routeOf = (tenant: string): Route =>
  liveRoute({
    tenant,
    model: 'routed',
    prompt: PROMPT,
    version: 'version-bench',
    engine: 'default',
    lora: LORA,
    templateTokens: 40,
  })

const writeRoute = async (dataDir: string): Promise<void> => {
  const tenants = createTenants({
    secret: TENANT_SECRET,
    ttlMs: 1,
    maxEntries: 1,
    now: () => performance.now(),
  })
  const store = await openSqliteStore({ dataDir })
  await store.routes.put(
    routeOf(tenants.identify({ rawHeaders: ['authorization', AUTHORIZATION] }).tenant)
  )
  await store.close()
}

const bodyFor = ({ side, stream }: Pick<Case, 'side' | 'stream'>): string =>
  JSON.stringify({
    model: side === 'engine' ? 'routed' : 'other',
    stream,
    messages: [
      { role: 'system', content: PROMPT },
      { role: 'user', content: 'where is my card' },
    ],
  })

const begin = (proxy: ProxyProcess, body: string) => {
  const sent = request(`${proxy.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: AUTHORIZATION },
  })
  sent.on('error', () => {})
  sent.end(body)
  return sent
}

/** A lora answers only callers whose key the upstream has accepted. */
const acceptKey = (proxy: ProxyProcess): Promise<void> =>
  new Promise((resolve) => {
    begin(proxy, bodyFor({ side: 'upstream', stream: false })).on('response', (response) => {
      response.resume().on('end', resolve)
    })
  })

const withDeadline = <T>(work: Promise<T>, what: string): Promise<T> =>
  Promise.race([
    work,
    delay(DEADLINE_MS, undefined, { ref: false }).then(() => {
      throw new Error(`${what}: not within ${DEADLINE_MS} ms`)
    }),
  ])

/** Milliseconds from the client's leaving until the far side's connection closes. */
const measure = async (proxy: ProxyProcess, farSide: FarSide, one: Case): Promise<number> => {
  farSide.begins = one.begun
  const { waiting, left } = farSide.next()
  const sent = begin(proxy, bodyFor(one))
  const isAnswered = new Promise<void>((resolve) => {
    sent.on('response', (response) => response.once('data', () => resolve()))
  })
  await withDeadline(waiting, nameOf(one))
  // of a lora's answer the client sees nothing before it is whole
  if (one.begun && one.side === 'upstream') await withDeadline(isAnswered, nameOf(one))
  const at = performance.now()
  sent.destroy()
  return (await withDeadline(left, nameOf(one))) - at
}

const run = async (folder: string, rounds: number): Promise<Record<string, Figure>> => {
  const [upstream, engine] = [new FarSide(), new FarSide()]
  await writeRoute(folder)
  const proxy = await startProxy({
    DATA_DIR: folder,
    TENANT_SECRET,
    UPSTREAM_BASE_URL: `${await upstream.listen()}/v1`,
    ENGINE: 'http',
    ENGINE_URL: `${await engine.listen()}/v1`,
    AUTO_INTERNALIZE: 'false',
  })
  const runs = new Map<string, number[]>()
  try {
    await acceptKey(proxy)
    upstream.isReady = false
    engine.isReady = false
    for (let round = 0; round < rounds; round++)
      for (const one of CASES) {
        const ms = await measure(proxy, one.side === 'engine' ? engine : upstream, one)
        runs.set(nameOf(one), [...(runs.get(nameOf(one)) ?? []), ms])
      }
  } finally {
    for (const { server } of [upstream, engine]) {
      server.closeAllConnections()
      server.close()
    }
    await proxy.stop()
  }
  return Object.fromEntries(
    [...runs].map(([name, values]) => [name, withBar(spread(values, 'ms'), '<=', BAR_MS)])
  )
}

const folder = mkdtempSync(join(tmpdir(), 'promptintern-cancel-'))
try {
  const figures = await run(folder, Number(args.rounds))
  tell(figures, args.out)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
