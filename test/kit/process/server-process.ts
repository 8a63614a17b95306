/** The real server as a child process for fault tests: its port, its log and its exit. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FaultLine } from '../../../src/fault-log.ts'
import { CLI } from './built.ts'
import { freePort } from './free-port.ts'

export const ADMIN_TOKEN = 'faults-admin-token'

const START_MS = 40_000

export interface ServerProcess {
  port: number
  dataDir: string
  child: ChildProcess
  /** the code; null when a signal ended it */
  exit: Promise<number | null>
  /** its output on stderr, unless stderr was redirected */
  log(): string
  /** the fault lines of its log and of its children's, oldest first */
  faults(): FaultLine[]
  metrics(): Promise<string>
  /** kills it and removes its data */
  remove(): Promise<void>
}

export interface SpawnOptions {
  /** file descriptor; a pipe by default */
  stderr?: number
  /** JavaScript that runs before the server */
  before?: string
  /** largest file it may write, in units of 512 bytes */
  maxFileBlocks?: number
  /** fills the data directory before the start */
  prepare?: (dataDir: string) => Promise<void>
  /** whether the worker runs, too; false by default */
  worker?: boolean
}

const faultsIn = (log: string): FaultLine[] =>
  log
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as FaultLine & { msg?: string })
    .filter(({ msg }) => msg === 'fault')

/** Starts the server without waiting until it is ready. */
export const spawnServer = async (
  env: Record<string, string>,
  { stderr, before = '', maxFileBlocks, prepare, worker = false }: SpawnOptions = {}
): Promise<ServerProcess> => {
  const port = Number(env['PORT'] ?? (await freePort()))
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-faults-'))
  const first = `data:text/javascript,${encodeURIComponent(before)}`
  const command = ['--import', first, CLI, 'serve']
  if (!worker) command.push('--no-worker')
  await prepare?.(dataDir)
  const limit = maxFileBlocks === undefined ? '' : `ulimit -f ${maxFileBlocks} && `
  const child = spawn('sh', ['-c', `${limit}exec "$0" "$@"`, process.execPath, ...command], {
    env: { ...process.env, DATA_DIR: dataDir, ADMIN_TOKEN, ...env, PORT: String(port) },
    stdio: ['ignore', 'ignore', stderr ?? 'pipe'],
  })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    port,
    dataDir,
    child,
    exit,
    log: () => log,
    faults: () => faultsIn(log),
    metrics: async () => {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
      return (await fetch(`http://127.0.0.1:${port}/metrics`, { headers })).text()
    },
    remove: async () => {
      child.kill('SIGKILL')
      await exit
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** @throws Error with the log if the server ends or is not ready in time */
export const startServerProcess = async (
  env: Record<string, string>,
  options: SpawnOptions = {}
): Promise<ServerProcess> => {
  const server = await spawnServer(env, options)
  const deadline = Date.now() + START_MS
  while (Date.now() < deadline && server.child.exitCode === null) {
    const ready = await fetch(`http://127.0.0.1:${server.port}/readyz`).catch(() => null)
    if (ready?.ok) return server
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await server.remove()
  throw new Error(`the server does not serve: ${server.log()}`)
}
