/** Processes of the proxy benchmark: starting and ending them, and the CPU time they have used. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

export interface Target {
  port: number
  /** all processes whose CPU time counts */
  pids: () => number[]
  /** ends it; resolves with the last line it printed */
  stop: () => Promise<string>
}

/** Linux counts in ticks of 10 ms (`getconf CLK_TCK`). */
const ticksPerSecond = (): number => Number(execFileSync('getconf', ['CLK_TCK']).toString())
const TICKS_PER_SECOND = ticksPerSecond()

/** User and system time of a process with all its threads, in microseconds (proc(5)). */
const cpuMicrosOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // the name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
}

export const cpuMicros = (target: Target): number =>
  target.pids().reduce((sum, pid) => sum + cpuMicrosOf(pid), 0)

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

/**
 * `upstream`, `fetch` or `ours`.
 * @param script the built `proxy-server.ts`
 */
export const startServer = async (
  script: string,
  kind: string,
  ...rest: string[]
): Promise<Target> => {
  const child = spawn(process.execPath, [script, kind, ...rest], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const lines: string[] = []
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(line))
  const exited = once(child, 'exit')
  await Promise.race([once(output, 'line'), exited])
  if (lines[0] === undefined) throw new Error(`the ${kind} server did not start`)
  const { port } = JSON.parse(lines[0]) as { port: number }
  return {
    port,
    pids: () => [child.pid!],
    stop: async () => {
      child.stdin.end()
      await exited
      return lines.at(-1)!
    },
  }
}

export const isInstalled = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const nginxConfig = (port: number, upstreamPort: number): string => `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_buffer_size 64k;
  keepalive_requests 1000000;
  upstream mock { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
    }
  }
}
`

const isListening = async (port: number, child: ChildProcess): Promise<boolean> => {
  for (let i = 0; i < 100 && child.exitCode === null; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null)
    if (answer) return true
    await delay(50)
  }
  return false
}

const NGINX = 'nginx'

/** nginx as it would stand there for the same job: no buffering, connections kept. */
export const startNginx = async (folder: string, upstreamPort: number): Promise<Target> => {
  const port = await freePort()
  const config = join(folder, 'nginx.conf')
  writeFileSync(config, nginxConfig(port, upstreamPort))
  const child = spawn(NGINX, ['-p', folder, '-c', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  if (!(await isListening(port, child))) throw new Error('nginx did not start')
  return {
    port,
    pids: () => [child.pid!, ...childrenOf(child.pid!)],
    stop: async () => {
      child.kill('SIGTERM')
      await exited
      return ''
    },
  }
}
