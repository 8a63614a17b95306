/**
 * A primary and a standby that its commits wait for, behind one address that leads to the primary and can stall
 * or cut connections. The primary can be killed and started again, filled up, or followed by the standby.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import {
  copyServer,
  launch,
  PASSWORD,
  promoteServer,
  startNew,
  stopServer,
  USER,
  type Server,
} from '../../../test/kit/postgres/postgres-process.ts'
import { freePort } from '../../../test/kit/process/free-port.ts'
import { startTcpGate, type TcpGate } from '../../../test/kit/postgres/tcp-gate.ts'

/** Processes are killed, not the machine, so nothing needs a flush to the disk. */
const SETTINGS = ['fsync=off', 'max_wal_senders=8', 'wal_level=replica', 'max_wal_size=128MB']
const DISK_BYTES = 3 * 2 ** 30

const queryAt = async (
  { folder, port }: Server,
  database: string,
  text: string
): Promise<Record<string, unknown>[]> => {
  const client = new Client({ host: folder, port, database, user: USER })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end().catch(() => {})
  }
}

/** Repeats what a server that starts, or recovers, refuses. */
export const patiently = async <T>(work: () => Promise<T>, timeoutMs = 120_000): Promise<T> => {
  for (const deadline = Date.now() + timeoutMs; ;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await delay(200)
    }
  }
}

/** A file system of a limited size, where this process may mount one; else the folder itself. */
const openDisk = (): { folder: string; isLimited: boolean; remove: () => void } => {
  const folder = mkdtempSync(join(tmpdir(), 'promptintern-cluster-'))
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder], {
      stdio: 'ignore',
    })
  } catch {
    return { folder, isLimited: false, remove }
  }
  return {
    folder,
    isLimited: true,
    remove: () => {
      execFileSync('umount', ['--lazy', folder])
      remove()
    },
  }
}

export class Cluster {
  readonly canFill: boolean
  /** null until it is made */
  private standby: Server | null = null
  private folders = 0

  private constructor(
    private readonly disk: ReturnType<typeof openDisk>,
    private readonly address: TcpGate,
    private primary: Server
  ) {
    this.canFill = disk.isLimited
  }

  static async start(): Promise<Cluster> {
    const disk = openDisk()
    execFileSync('chmod', ['755', disk.folder])
    const folder = join(disk.folder, 'node-0')
    mkdirSync(folder)
    const server = await startNew(folder, process.pid, SETTINGS)
    const address = await startTcpGate({ host: '127.0.0.1', port: server.port })
    const cluster = new Cluster(disk, address, server)
    await cluster.addStandby()
    return cluster
  }

  /** Of a client. */
  url(database: string): string {
    return `postgres://${USER}:${PASSWORD}@127.0.0.1:${this.address.port}/${database}?sslmode=disable`
  }

  query(database: string, text: string): Promise<Record<string, unknown>[]> {
    return patiently(() => queryAt(this.primary, database, text))
  }

  /** Kills a process that serves a client; the server then ends all others, and recovers. */
  async killBackend(database: string): Promise<void> {
    const rows = await this.query(
      'postgres',
      `select pid from pg_stat_activity where datname = '${database}' and backend_type = 'client backend'
        order by random() limit 1`
    )
    for (const { pid } of rows) process.kill(Number(pid), 'SIGKILL')
  }

  /** Kills the server, and starts it again. */
  async killPrimary(downMs: number): Promise<void> {
    await stopServer(this.primary.folder, 'SIGKILL')
    await delay(downMs)
    await this.startPrimary()
  }

  /** Kills the primary, promotes the standby, and makes a new standby. */
  async failOver(downMs: number): Promise<void> {
    const { primary, standby } = this
    if (standby === null) throw new Error('there is no standby')
    await stopServer(primary.folder, 'SIGKILL')
    await delay(downMs)
    promoteServer(standby.folder)
    this.address.pointTo({ host: '127.0.0.1', port: standby.port })
    this.primary = standby
    this.standby = null
    rmSync(primary.folder, { recursive: true, force: true, maxRetries: 5 })
    await this.addStandby()
  }

  /** Packets are lost for a while, and no connection ends. */
  async stall(ms: number): Promise<void> {
    this.address.stall()
    await delay(ms)
    this.address.resume()
  }

  cut(): void {
    this.address.cut()
  }

  /** Fills the disk for a while. A server that gave up is started again. */
  async fillDisk(ms: number): Promise<void> {
    const { bavail, bsize } = statfsSync(this.disk.folder)
    const filler = join(this.disk.folder, 'filler')
    const size = Number(bavail) * Number(bsize)
    try {
      execFileSync('fallocate', ['-l', String(size - 4096 * 4), filler])
      // a file that is allocated at once leaves a few blocks free
      for (let i = 0; i < 16; i++) writeFileSync(`${filler}-${i}`, Buffer.alloc(4096))
    } catch {
      // full
    }
    await delay(ms)
    execFileSync('sh', ['-c', `rm -f ${filler}*`])
    await this.startPrimary()
    await this.awaitStandby().catch(async () => {
      // it could not keep up
      await this.removeStandby()
      await this.addStandby()
    })
  }

  async stop(): Promise<void> {
    this.address.close()
    await this.removeStandby()
    await stopServer(this.primary.folder)
    this.disk.remove()
  }

  private async startPrimary(): Promise<void> {
    const { primary } = this
    const isUp = await queryAt(primary, 'postgres', 'select 1').then(
      () => true,
      () => false
    )
    if (isUp) return
    await stopServer(primary.folder)
    await patiently(() => launch({ ...primary, run: process.pid, settings: SETTINGS }))
  }

  private async addStandby(): Promise<void> {
    const folder = join(this.disk.folder, `node-${++this.folders}`)
    mkdirSync(folder)
    await this.query('postgres', `alter system set synchronous_standby_names = ''`)
    await this.query('postgres', 'select pg_reload_conf()')
    await patiently(async () => {
      rmSync(join(folder, 'data'), { recursive: true, force: true })
      copyServer(this.primary, folder)
    })
    this.standby = { folder, port: await freePort() }
    await launch({ ...this.standby, run: process.pid, settings: SETTINGS })
    await this.awaitStandby()
    await this.query('postgres', `alter system set synchronous_standby_names = '*'`)
    await this.query('postgres', 'select pg_reload_conf()')
  }

  private async removeStandby(): Promise<void> {
    if (this.standby === null) return
    await stopServer(this.standby.folder)
    rmSync(this.standby.folder, { recursive: true, force: true, maxRetries: 5 })
    this.standby = null
  }

  private awaitStandby(): Promise<void> {
    return patiently(async () => {
      const rows = await this.query(
        'postgres',
        `select 1 from pg_stat_replication where state = 'streaming'`
      )
      if (rows.length === 0) throw new Error('the standby does not follow')
    }, 30_000)
  }
}
