/**
 * What ships for several machines: compose.yaml refers to what is there and has no secret, and its services
 * work together, each started by its own command and environment, with the shipped nginx before them where
 * one is installed.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { freePort } from '../kit/process/free-port.ts'
import { fromRoot } from '../kit/process/from-root.ts'
import { startNginx, WHY_NO_NGINX, type Nginx } from '../kit/process/nginx.ts'
import { CONFIG_KEYS } from '../../src/config/environment.ts'
import { CLI } from '../kit/process/built.ts'
import { startChatUpstream, type ChatUpstream } from '../kit/upstream/chat-upstream.ts'
import { COLOURS, PROMPT } from '../kit/records/paint-orders.ts'
import { createDatabase, describePostgres, execute, testServer } from '../kit/postgres/postgres.ts'
import { PASSWORD, USER } from '../kit/postgres/postgres-process.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

interface Service {
  build?: string | { context: string }
  command?: string[]
  environment?: Record<string, string>
  healthcheck?: { test?: string[] }
  networks?: { default: { ipv4_address: string } }
  extra_hosts?: string[]
  volumes?: string[]
  ports?: string[]
  stop_grace_period?: string
  restart?: string
}

interface ComposeFile {
  services: Record<string, Service>
  networks: { default: { ipam: { config: { subnet: string }[] } } }
  volumes: Record<string, null>
}

const read = (path: string): string => readFileSync(fromRoot(path), 'utf8')

const file = parse(read('compose.yaml'), { merge: true }) as ComposeFile
const { services } = file
const PROXIES = ['proxy-1', 'proxy-2']
const ADMIN_TOKEN = 'token-of-the-deployment'

const GIVEN: Record<string, string> = {
  ADMIN_TOKEN,
  TENANT_SECRET: 'secret-of-the-deployment',
  POSTGRES_PASSWORD: PASSWORD,
  ENGINE_TOKEN: 'token-of-the-engine',
}

/** As compose does it: `:?` for what must be given, `:-` and `-` before a default. */
const filled = (text: string): string =>
  text.replaceAll(
    /\$\{(\w+)(:?[?-])([^}]*)\}/g,
    (_all, name: string, kind: string, rest: string) => {
      const value = GIVEN[name]
      if (value === undefined && kind.endsWith('?')) throw new Error(`${name}: ${rest}`)
      return value ?? rest
    }
  )

const isThere = (volume: string): boolean => {
  const [from = ''] = filled(volume).split(':')
  return from.startsWith('.') ? existsSync(fromRoot(from)) : from in file.volumes
}

describe('deploy/image.sh', () => {
  it('builds the image of this version with what is installed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'promptintern-image-'))
    const tools = join(folder, 'docker')
    writeFileSync(tools, '#!/bin/sh\necho "$@"\n', { mode: 0o755 })
    const env = { PATH: `${folder}:/usr/bin:/bin`, PLATFORMS: 'linux/arm64' }
    const words = execFileSync(fromRoot('deploy/image.sh'), ['ghcr.io/acme/proxy'], { env })
    const { version } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as {
      version: string
    }
    expect(words.toString().trim()).toBe(
      `build --platform linux/arm64 --tag ghcr.io/acme/proxy:${version} --tag ghcr.io/acme/proxy:latest .`
    )
    rmSync(folder, { recursive: true })
  })
})

describe('compose.yaml', () => {
  it('has no default for a secret, and the same ones for all that share the log', () => {
    const settings = [...PROXIES, 'worker'].map((name) => services[name]!.environment!)
    for (const one of settings) expect(one).toEqual(settings[0])
    for (const name of ['ADMIN_TOKEN', 'TENANT_SECRET', 'PGPASSWORD', 'ENGINE_TOKEN'])
      expect(settings[0]![name]).toMatch(/^\$\{\w+:\?.+\}$/)
    expect(services['postgres']!.environment!['POSTGRES_PASSWORD']).toBe(settings[0]!['PGPASSWORD'])
    expect(services['engine']!.environment!['ENGINE_TOKEN']).toBe(settings[0]!['ENGINE_TOKEN'])
  })

  it('sets what the program reads, and nothing else', () => {
    const known = new Set([...CONFIG_KEYS, 'PGPASSWORD'])
    const unknown = Object.keys(services['worker']!.environment!).filter((key) => !known.has(key))
    expect(unknown).toEqual([])
  })

  it('refers to folders, files and volumes that are there', () => {
    for (const { build, volumes = [] } of Object.values(services)) {
      const context = typeof build === 'string' ? build : build?.context
      if (context !== undefined) expect(existsSync(fromRoot(`${context}/Dockerfile`))).toBe(true)
      expect(volumes.filter((volume) => !isThere(volume))).toEqual([])
    }
  })

  it('starts again what has failed, and lets it finish what it does', () => {
    for (const service of Object.values(services)) {
      expect(service.restart).toBe('unless-stopped')
      expect(service.stop_grace_period).toMatch(/^\dm$/)
    }
  })

  it('opens one port, on this machine alone', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? [])
    expect(ports.map(filled)).toEqual(['127.0.0.1:8787:8787'])
  })

  it('gives the proxies the addresses that nginx knows them by', () => {
    const hosts = PROXIES.map((name) => `${name}:${services[name]!.networks!.default.ipv4_address}`)
    expect(services['nginx']!.extra_hosts).toEqual(hosts)
    const [network] = filled(file.networks.default.ipam.config[0]!.subnet).split('0/24')
    for (const host of hosts) expect(filled(host)).toContain(`:${network}`)
    const upstreams = [...read('deploy/nginx.conf').matchAll(/^ *server (proxy-\d):8787 /gm)]
    expect(new Set(upstreams.map(([, name]) => name))).toEqual(new Set(PROXIES))
  })

  it('lets nginx close idle connections before a proxy that drains does', () => {
    const seconds = /upstream proxies \{[^}]*keepalive_timeout (\d+)s;/.exec(
      read('deploy/nginx.conf')
    )![1]
    const ofProxy = Number(services['worker']!.environment!['DRAIN_IDLE_SECONDS'])
    expect(ofProxy).toBeGreaterThan(Number(seconds))
  })
})

describe('fly.toml', () => {
  const text = read('fly.toml')
  const section = (name: string): string =>
    text.split(/^\[+/m).find((part) => part.startsWith(`${name}]`))!

  it('runs what compose.yaml runs, with settings that the program reads and without a secret', () => {
    for (const [group, service] of [
      ['proxy', 'proxy-1'],
      ['worker', 'worker'],
    ] as const)
      expect(section('processes')).toContain(
        `${group} = "${services[service]!.command!.join(' ')}"`
      )
    const keys = [...section('env').matchAll(/^(\w+) = /gm)].map(([, key]) => key!)
    expect(keys.filter((key) => !CONFIG_KEYS.includes(key))).toEqual([])
    for (const secret of ['DATABASE_URL', 'ADMIN_TOKEN', 'TENANT_SECRET'])
      expect(keys).not.toContain(secret)
  })

  it('has no volume, and sends requests to proxies alone', () => {
    expect(text).not.toContain('[mounts]')
    expect(section('http_service')).toContain('processes = ["proxy"]')
  })
})

const exitOf = async (child: ChildProcess): Promise<unknown> =>
  child.exitCode ?? ((await once(child, 'exit')) as unknown[])[0]

const isHealthy = async (name: string, port: number): Promise<boolean> => {
  const [, , ...words] = services[name]!.healthcheck!.test!
  const local = words.map((word) => word.replace('127.0.0.1:8787', `127.0.0.1:${port}`))
  return promisify(execFile)(process.execPath, local).then(
    () => true,
    () => false
  )
}

describePostgres('the services of compose.yaml', () => {
  const folder = sharedFolder()
  const children: ChildProcess[] = []
  let database: DatabaseServer
  let databaseUrl: string
  let upstream: ChatUpstream
  let ports: number[]
  let nginx: Nginx | null = null
  let baseUrl: string

  /** The container's command, on this machine's addresses. */
  const start = (name: string, port: number): void => {
    const { command, environment } = services[name]!
    const values = Object.entries(environment!).map(([key, text]) => [key, filled(text)])
    const [, program, ...words] = command!
    expect(program).toBe('dist/src/cli.js')
    const env = {
      PATH: process.env['PATH'],
      LOG_LEVEL: 'warn',
      ...(Object.fromEntries(values) as Record<string, string>),
      DATABASE_URL: databaseUrl,
      UPSTREAM_BASE_URL: upstream.baseUrl,
      HOST: '127.0.0.1',
      PORT: String(port),
      DATA_DIR: join(folder, name),
    }
    children.push(spawn(process.execPath, [CLI, ...words], { env, stdio: 'inherit' }))
  }

  const templates = async (): Promise<unknown[]> => {
    const response = await fetch(`${baseUrl}/admin/api/templates`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    return ((await response.json()) as { data: unknown[] }).data
  }

  const ask = (number: number): Promise<Response> =>
    fetch(`${baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer key-of-the-client' },
      body: JSON.stringify({
        model: 'gpt-4o-mini',
        messages: [
          { role: 'system', content: PROMPT },
          { role: 'user', content: `Order ${number}: two tins of ${COLOURS[number % 6]} paint.` },
        ],
      }),
    })

  beforeAll(async () => {
    // nginx's own user reads in it
    chmodSync(folder, 0o755)
    database = await createDatabase()
    const { port } = await testServer()
    const compose = filled(services['worker']!.environment!['DATABASE_URL']!)
    databaseUrl = compose.replace(
      'promptintern@postgres:5432/promptintern',
      `${USER}@127.0.0.1:${port}/${database.database}`
    )
    expect(databaseUrl).toContain('127.0.0.1')
    upstream = await startChatUpstream(() => ({
      message: { role: 'assistant', content: 'blue' },
      finish_reason: 'stop',
    }))
    ports = [await freePort(), await freePort()]
    for (const [index, name] of PROXIES.entries()) start(name, ports[index]!)
    start('worker', 0)
    if (WHY_NO_NGINX === null) nginx = await startNginx(folder, ports)
    baseUrl = nginx?.baseUrl ?? `http://127.0.0.1:${ports[0]}`
  })

  afterAll(async () => {
    await nginx?.stop()
    for (const child of children) child.kill('SIGTERM')
    await Promise.all(children.map(exitOf))
    upstream.close()
  })

  it(
    'become healthy, take requests, and learn from both proxies’ log',
    { timeout: 240_000 },
    async () => {
      for (const [index, name] of PROXIES.entries())
        while (!(await isHealthy(name, ports[index]!)))
          await new Promise((resolve) => setTimeout(resolve, 100))
      expect((await fetch(`${baseUrl}/readyz`)).status).toBe(200)
      for (let number = 0; number < 60; number++) {
        const response = await ask(number)
        expect(response.status).toBe(200)
        await response.arrayBuffer()
      }
      while ((await templates()).length === 0)
        await new Promise((resolve) => setTimeout(resolve, 200))
      const logged = 'select count(*)::int as records from promptintern.records'
      expect(await execute(database, logged)).toEqual([{ records: 60 }])
    }
  )

  it.skipIf(WHY_NO_NGINX !== null)(
    `are reached through nginx, which shows no metrics of one of them ${WHY_NO_NGINX ?? ''}`,
    async () => {
      expect((await fetch(`${baseUrl}/metrics`)).status).toBe(404)
      expect((await fetch(`${baseUrl}/admin/api/status`)).status).toBe(401)
    }
  )

  it('go on while one of them is stopped, which ends with code 0', async () => {
    children[1]!.kill('SIGTERM')
    const answers = await Promise.all(Array.from({ length: 20 }, (_, number) => ask(100 + number)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(await exitOf(children[1]!)).toBe(0)
    expect((await ask(200)).status).toBe(200)
  })
})
