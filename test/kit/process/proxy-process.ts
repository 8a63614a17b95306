/** The real server as a child process, watched from outside: readiness, memory, admin API, end. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.ts'

export const ADMIN_TOKEN = 'local-admin-token'

export interface ProxyProcess {
  baseUrl: string
  pid: number
  /** @throws Error when the admin API answers with an error */
  admin<T>(path: string, init?: RequestInit): Promise<T>
  /** largest resident memory of the server and all its children so far, MiB */
  peakMiB(): number
  /** whether the process ended by itself */
  exited(): boolean
  /** SIGTERM and wait; SIGKILL of the whole tree after `graceMs` */
  stop(graceMs?: number): Promise<void>
  kill(): Promise<void>
}

const statusField = (pid: number, field: string): number => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** The process and all that descends from it, by /proc. */
export const processTree = (root: number): number[] => {
  const parents = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const parent = statusField(pid, 'PPid')
    parents.set(parent, [...(parents.get(parent) ?? []), pid])
  }
  const tree = [root]
  for (let index = 0; index < tree.length; index++) tree.push(...(parents.get(tree[index]!) ?? []))
  return tree
}

/** '' when the process is gone. */
export const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

/** 0 when the process is gone. */
export const residentMiB = (pid: number): number => statusField(pid, 'VmRSS') / 1024

const treeMiB = (root: number): number =>
  processTree(root).reduce((sum, pid) => sum + residentMiB(pid), 0)

const waitUntilReady = async (child: ChildProcess, baseUrl: string): Promise<void> => {
  const deadline = Date.now() + 180_000
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`)
    const response = await fetch(`${baseUrl}/readyz`).catch(() => null)
    if (response?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error('the server was not ready within 180 s')
}

const hasExited = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null

const exitOf = (child: ChildProcess): Promise<void> =>
  hasExited(child)
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

const killTree = (root: number): void => {
  for (const pid of processTree(root).reverse()) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it was gone already
    }
  }
}

export interface ProxyProcessOptions {
  /** the command line's file; default is the one beside this file, built or not */
  cli?: string
  /** by default a free one */
  port?: number
  /** of `serve` */
  flags?: string[]
  /** gets what the server and its children log; by default that goes to stderr */
  onLog?: (text: string) => void
}

const ownCli = (): string => {
  const extension = import.meta.url.endsWith('.js') ? 'js' : 'ts'
  return fileURLToPath(new URL(`../../../src/cli.${extension}`, import.meta.url))
}

/** @param env added to the environment; PORT and ADMIN_TOKEN are set here */
export const startProxy = async (
  env: Record<string, string>,
  { cli = ownCli(), onLog, flags = [], ...options }: ProxyProcessOptions = {}
): Promise<ProxyProcess> => {
  const port = options.port ?? (await freePort())
  const translator = cli.endsWith('.ts') ? ['--import', 'tsx'] : []
  const child = spawn(process.execPath, [...translator, cli, 'serve', ...flags], {
    env: { LOG_LEVEL: 'warn', ...process.env, ...env, PORT: String(port), ADMIN_TOKEN },
    stdio: ['ignore', 'inherit', onLog === undefined ? 'inherit' : 'pipe'],
  })
  child.stderr?.setEncoding('utf8').on('data', onLog!)
  const baseUrl = `http://127.0.0.1:${port}`
  let peak = 0
  const sampler = setInterval(() => {
    peak = Math.max(peak, treeMiB(child.pid!))
  }, 1000)
  const end = async (): Promise<void> => {
    await exitOf(child)
    clearInterval(sampler)
  }
  try {
    await waitUntilReady(child, baseUrl)
  } catch (error) {
    killTree(child.pid!)
    clearInterval(sampler)
    throw error
  }
  return {
    baseUrl,
    pid: child.pid!,
    async admin<T>(path: string, init: RequestInit = {}): Promise<T> {
      const headers = { ...init.headers, authorization: `Bearer ${ADMIN_TOKEN}` }
      const ask = (): Promise<Response> =>
        fetch(`${baseUrl}/admin/api${path}`, { ...init, headers })
      const isRepeatable = init.method === undefined
      // a kept connection may be closed by the server just when it is used again
      const response = await ask().catch((error: unknown) => {
        if (!isRepeatable || hasExited(child)) throw error
        return ask()
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`admin ${path}: ${response.status} ${text}`)
      return JSON.parse(text) as T
    },
    peakMiB: () => peak,
    exited: () => hasExited(child),
    async stop(graceMs = 30_000) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => killTree(child.pid!), graceMs)
      await end()
      clearTimeout(timer)
    },
    async kill() {
      killTree(child.pid!)
      await end()
    },
  }
}
