/** nginx: the floor of the proxy benchmark, and its cheapest upstream. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../test/kit/process/free-port.ts'
import { childrenOf, isListening, type Target } from '../load/processes.ts'
import { REQUEST_HEADERS, UPSTREAM_ANSWER, UPSTREAM_HEADERS } from '../load/traffic.ts'

/** Configuration that all nginx of the benchmark share. @param servers content of the `http` block */
const nginxConfig = (servers: string): string => `
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
  client_max_body_size 64m;
  keepalive_requests 1000000;
  keepalive_timeout 3600s;
  ${servers}
}
`

const proxyServer = (port: number, upstreamPort: number): string => `
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
`

const answeringServer = (port: number): string => `
  default_type application/json;
  server {
    listen 127.0.0.1:${port};
    location / {
      ${Object.entries(UPSTREAM_HEADERS)
        .map(([name, value]) => `add_header ${name} ${value};`)
        .join('\n      ')}
      return 200 '${UPSTREAM_ANSWER.toString()}';
    }
  }
`

const NGINX = 'nginx'

const start = async (folder: string, port: number, servers: string): Promise<Target> => {
  mkdirSync(folder, { recursive: true })
  const config = join(folder, 'nginx.conf')
  writeFileSync(config, nginxConfig(servers))
  const child = spawn(NGINX, ['-p', folder, '-c', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  if (!(await isListening(port, child))) throw new Error('nginx did not start')
  return {
    port,
    headers: REQUEST_HEADERS,
    pids: () => [child.pid!, ...childrenOf(child.pid!)],
    stop: async () => {
      child.kill('SIGTERM')
      await exited
      return ''
    },
  }
}

/** nginx as it would stand there for the same job: no buffering, connections kept. */
export const startNginx = async (folder: string, upstreamPort: number): Promise<Target> => {
  const port = await freePort()
  return start(folder, port, proxyServer(port, upstreamPort))
}

/** An upstream that gives the usual answer, and takes as little of the two cores as one can. */
export const startNginxUpstream = async (folder: string): Promise<Target> => {
  const port = await freePort()
  return start(folder, port, answeringServer(port))
}
