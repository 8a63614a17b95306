/** PgBouncer before the run's PostgreSQL, in transaction mode: a transaction's connection is any of a few. */
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DatabaseServer } from '../../../src/config/database-url.ts'
import { freePort } from '../process/free-port.ts'
import { unprivileged, USER, WHY_NO_SERVER } from './postgres-process.ts'

const PROGRAM = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path))

/** Why there is none; null where there is one. */
export const WHY_NO_POOLER =
  WHY_NO_SERVER ??
  (PROGRAM === undefined ? 'no PgBouncer is installed (Debian: apt-get install pgbouncer)' : null)

const CONNECTIONS = 3

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('close', () => socket.destroy())
    socket.unref()
  })

/** @returns the database behind the pooler */
export const startPooler = async (
  server: DatabaseServer
): Promise<{ server: DatabaseServer; stop: () => void }> => {
  const folder = mkdtempSync(join(tmpdir(), 'pgbouncer-'))
  const port = await freePort()
  const users = join(folder, 'users')
  writeFileSync(users, `"${USER}" ""\n`)
  const config = join(folder, 'config')
  writeFileSync(
    config,
    `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
max_prepared_statements = 0
default_pool_size = ${CONNECTIONS}
`
  )
  const user = unprivileged()
  chmodSync(folder, 0o755)
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid!)
  const child = spawn(PROGRAM!, [config], { ...user, cwd: folder, stdio: 'ignore' })
  while (!(await isOpen(port))) await delay(20)
  return {
    server: { ...server, host: '127.0.0.1', port },
    stop: () => {
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true })
    },
  }
}
