/** Servers of a test's own, which it may stop, kill, start again, and follow by a standby. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { DatabaseServer } from '../../../src/config/database-url.ts'
import { execute } from './postgres.ts'
import { freePort } from '../process/free-port.ts'
import {
  copyServer,
  launch,
  optionsOf,
  PASSWORD,
  promoteServer,
  startNew,
  stopServer,
  USER,
  type Server,
} from './postgres-process.ts'
import type { Target } from './tcp-gate.ts'

/** What is killed is a process, not the machine, so that nothing needs a flush to the disk. */
const SETTINGS = ['fsync=off', 'max_wal_senders=4', 'wal_level=replica']

export interface Node {
  /** over TCP, with a password */
  host: Target
  /** over the socket, for the test itself */
  admin: DatabaseServer
  stop: (signal: 'SIGQUIT' | 'SIGKILL') => Promise<void>
  start: () => Promise<void>
  remove: () => Promise<void>
}

export interface Standby extends Node {
  promote: () => void
}

const DATABASE = 'postgres'

const nodeOf = (server: Server): Node => ({
  host: { host: '127.0.0.1', port: server.port },
  admin: optionsOf(server, DATABASE),
  stop: (signal) => stopServer(server.folder, signal),
  start: () => launch({ ...server, run: inject('postgres').run, settings: SETTINGS }),
  remove: async () => {
    await stopServer(server.folder)
    rmSync(server.folder, { recursive: true, force: true, maxRetries: 3 })
  },
})

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'postgres-node-'))

export const startNode = async (): Promise<Node> =>
  nodeOf(await startNew(newFolder(), inject('postgres').run, SETTINGS))

/** A standby that the primary waits for: a commit is acknowledged when both have it. */
export const startStandby = async ({ admin }: Node): Promise<Standby> => {
  const folder = newFolder()
  const { host, port } = admin
  copyServer({ folder: host, port }, folder)
  const server = { folder, port: await freePort() }
  const node = nodeOf(server)
  await node.start()
  // set on the primary alone: the standby, once promoted, has none to wait for
  await execute(admin, `alter system set synchronous_standby_names = '*'`)
  await execute(admin, 'select pg_reload_conf()')
  return { ...node, promote: () => promoteServer(folder) }
}

/** A client of the nodes. */
export const serverOf = ({ host, port }: Target): DatabaseServer => ({
  host,
  port,
  database: DATABASE,
  user: USER,
  password: PASSWORD,
  tls: 'disable',
  caFile: null,
  bindsChannel: false,
})
