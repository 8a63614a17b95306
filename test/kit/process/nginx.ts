/** nginx with the configuration that ships, `deploy/nginx.conf`, in front of proxies on loopback ports. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { fromRoot } from './from-root.ts'

const START_MS = 30_000

const PROGRAM =
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
    .map((folder) => join(folder, 'nginx'))
    .find((path) => existsSync(path)) ?? null

/** Why there is none; null where there is one. */
export const WHY_NO_NGINX =
  PROGRAM === null ? 'no nginx is installed (Debian: apt-get install nginx-light)' : null

export interface Nginx {
  baseUrl: string
  stop: () => Promise<void>
}

/** The file with the addresses and paths of this machine. */
const configured = (folder: string, port: number, proxies: readonly number[]): string =>
  proxies
    .reduce(
      (text, proxy, index) => text.replaceAll(`proxy-${index + 1}:8787`, `127.0.0.1:${proxy}`),
      readFileSync(fromRoot('deploy/nginx.conf'), 'utf8')
    )
    .replace('listen 8787;', `listen 127.0.0.1:${port};`)
    .replaceAll('/tmp/nginx', join(folder, 'nginx'))
    // a proxy that is being replaced refuses connections, as it should
    .replace('error_log stderr warn;', 'error_log stderr crit;')

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

/** @param proxies their ports, in the order of their names. @throws Error where it does not start */
export const startNginx = async (folder: string, proxies: readonly number[]): Promise<Nginx> => {
  if (PROGRAM === null) throw new Error(WHY_NO_NGINX!)
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configured(folder, port, proxies))
  const child = spawn(PROGRAM, ['-p', folder, '-c', file, '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  for (const deadline = Date.now() + START_MS; !(await isListening(port)); await delay(50))
    if (child.exitCode !== null || Date.now() > deadline) throw new Error('nginx did not start')
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGQUIT')
      await exited
    },
  }
}
