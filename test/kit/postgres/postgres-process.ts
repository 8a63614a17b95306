/**
 * A real PostgreSQL in a folder: found, initialized, started and stopped. One of a run, whichever process
 * starts it; it ends with the run, also where that is killed.
 */
import { execFileSync, spawn, type SpawnOptions } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DatabaseServer } from '../../../src/config/database-url.ts'
import { freePort } from '../process/free-port.ts'
import { UNTRUSTED } from './untrusted-certificate.ts'

const DEBIAN = '/usr/lib/postgresql'
const START_MS = 60_000
export const USER = 'proxy'
export const PASSWORD = 'a-secret-of-the-tests'

const debianFolders = (): string[] =>
  existsSync(DEBIAN)
    ? readdirSync(DEBIAN)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(DEBIAN, version, 'bin'))
    : []

/** Folder with the server's programs; null where there is none. */
const BINARIES =
  [...(process.env['PATH'] ?? '').split(delimiter), ...debianFolders()].find((folder) =>
    ['initdb', 'pg_basebackup', 'pg_ctl', 'postgres'].every((program) =>
      existsSync(join(folder, program))
    )
  ) ?? null

/** Path of one of the server's programs, such as `pg_dump`. In `PATH` there may be links to some of them. */
export const programOf = (name: string): string =>
  join(dirname(realpathSync(join(BINARIES!, 'initdb'))), name)

/** Why there is no server; null where there is one. */
export const WHY_NO_SERVER =
  BINARIES === null ? 'no PostgreSQL is installed (Debian: apt-get install postgresql)' : null

export interface Server {
  /** of the socket, where every user is trusted */
  folder: string
  /** on 127.0.0.1, where a password is asked for */
  port: number
}

/** Of a database, over the socket. */
export const optionsOf = ({ folder, port }: Server, database: string): DatabaseServer => ({
  host: folder,
  port,
  database,
  user: USER,
  password: null,
  tls: 'disable',
  caFile: null,
  bindsChannel: false,
})

const idOf = (flag: '-u' | '-g', user: string): number | null => {
  try {
    const text = execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] })
    return Number(text.toString())
  } catch {
    return null
  }
}

/** PostgreSQL refuses to run as root. @returns the user to run as; none: this one */
export const unprivileged = (): { uid?: number; gid?: number } => {
  if (process.geteuid?.() !== 0) return {}
  const user = idOf('-u', 'postgres') === null ? 'nobody' : 'postgres'
  return { uid: idOf('-u', user)!, gid: idOf('-g', user)! }
}

const initialize = (folder: string, options: SpawnOptions): void => {
  const secret = join(folder, 'password')
  writeFileSync(secret, PASSWORD)
  execFileSync(
    programOf('initdb'),
    [
      `--pgdata=${join(folder, 'data')}`,
      `--username=${USER}`,
      `--pwfile=${secret}`,
      '--locale=C.UTF-8',
      '--encoding=UTF8',
      '--auth-local=trust',
      '--auth-host=scram-sha-256',
      '--no-sync',
    ],
    { ...options, stdio: ['ignore', 'ignore', 'inherit'] }
  )
}

/**
 * Ends the server with the run, and removes the folder then, also where a test has ended the server before. A kept
 * one can be started again.
 */
const WATCHED = `program=$1 folder=$2 port=$3 run=$4; shift 4
"$program" -D "$folder/data" -k "$folder" -p "$port" -c listen_addresses=127.0.0.1 -c max_connections=200 \\
  -c ssl=on -c ssl_cert_file="$folder/server.crt" -c ssl_key_file="$folder/server.key" "$@" &
server=$!
lives() { [ -d "/proc/$1" ] || ps -p "$1" > /dev/null 2>&1; }
while lives "$run" && lives $server; do sleep 1; done
kill -QUIT $server 2> /dev/null
wait $server
while lives "$run" && [ -d "$folder" ]; do sleep 1; done
if [ -n "$KEEPS" ]; then rm -rf "$folder/starting" "$folder/server.json"; else rm -rf "$folder"; fi`

/** Its certificate is of another host, and of no known authority. */
const writeCertificate = (folder: string, { uid, gid }: { uid?: number; gid?: number }): void => {
  const key = join(folder, 'server.key')
  writeFileSync(join(folder, 'server.crt'), UNTRUSTED.cert)
  writeFileSync(key, UNTRUSTED.key, { mode: 0o600 })
  if (uid !== undefined) chownSync(key, uid, gid!)
}

interface LaunchOptions extends Server {
  /** process that the server ends with */
  run: number
  /** of the server, such as `fsync=off` */
  settings?: string[]
  /** its folder outlives the run */
  keeps?: boolean
}

const pidFile = (folder: string): string => join(folder, 'data', 'postmaster.pid')

const pidIn = (folder: string): number | null =>
  existsSync(pidFile(folder)) ? Number(readFileSync(pidFile(folder), 'utf8').split('\n')[0]) : null

/** Starts the server of the folder, which has its data, and waits until it takes connections. */
export const launch = async ({
  folder,
  port,
  run,
  settings = [],
  keeps = false,
}: LaunchOptions): Promise<void> => {
  // a killed server leaves the file
  const before = pidIn(folder)
  const log = openSync(join(folder, 'log'), 'a')
  const words = [programOf('postgres'), folder, String(port), String(run)]
  const options = settings.flatMap((setting) => ['-c', setting])
  const child = spawn('sh', ['-c', WATCHED, 'sh', ...words, ...options], {
    ...unprivileged(),
    cwd: folder,
    env: { ...process.env, KEEPS: keeps ? '1' : '' },
    detached: true,
    stdio: ['ignore', log, log],
  })
  child.unref()
  for (let waitedMs = 0; ; waitedMs += 50) {
    const pid = pidIn(folder)
    // the last line of the file is the state
    if (pid !== null && pid !== before && /^ready/m.test(readFileSync(pidFile(folder), 'utf8')))
      return
    if (waitedMs > START_MS) throw new Error(readFileSync(join(folder, 'log'), 'utf8'))
    await delay(50)
  }
}

/** Makes the folder one of the server's user, with a certificate. */
const prepareFolder = (folder: string): SpawnOptions => {
  const user = unprivileged()
  chmodSync(folder, 0o755)
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid!)
  writeCertificate(folder, user)
  return { ...user, cwd: folder }
}

/** A new server in the folder. @param run process that it ends with */
export const startNew = async (
  folder: string,
  run: number,
  settings: string[] = []
): Promise<Server> => {
  initialize(folder, prepareFolder(folder))
  const server = { folder, port: await freePort() }
  await launch({ ...server, run, settings })
  return server
}

/** Runs a program of the server's package as its user. */
const runProgram = (program: string, folder: string, words: string[]): void => {
  execFileSync(join(BINARIES!, program), words, { ...unprivileged(), cwd: folder, stdio: 'ignore' })
}

/** Makes a folder with the server's data that follows it as a standby. */
export const copyServer = ({ folder: host, port }: Server, folder: string): void => {
  prepareFolder(folder)
  runProgram('pg_basebackup', folder, [
    `--host=${host}`,
    `--port=${port}`,
    `--username=${USER}`,
    `--pgdata=${join(folder, 'data')}`,
    '--write-recovery-conf',
    '--wal-method=stream',
    '--checkpoint=fast',
    '--no-sync',
  ])
}

/** Ends the recovery of a standby, which is a primary then. */
export const promoteServer = (folder: string): void =>
  runProgram('pg_ctl', folder, ['promote', '-w', '-D', join(folder, 'data')])

/** A new server, or one with the data that the folder has. */
const startIn = async (folder: string, run: number, keeps: boolean): Promise<Server> => {
  const options = prepareFolder(folder)
  if (!existsSync(join(folder, 'data'))) initialize(folder, options)
  const server = { folder, port: await freePort() }
  await launch({ ...server, run, keeps })
  return server
}

/** The server in the folder. The first of several callers, in any process, starts it. */
export const serverIn = async (
  folder: string,
  run: number,
  { keeps = false }: { keeps?: boolean } = {}
): Promise<Server> => {
  const described = join(folder, 'server.json')
  try {
    mkdirSync(join(folder, 'starting'))
    writeFileSync(`${described}.new`, JSON.stringify(await startIn(folder, run, keeps)))
    execFileSync('mv', [`${described}.new`, described])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  for (let waitedMs = 0; !existsSync(described); waitedMs += 50) {
    if (waitedMs > START_MS) throw new Error(`no server started in ${folder}`)
    await delay(50)
  }
  return JSON.parse(readFileSync(described, 'utf8')) as Server
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Does nothing where none was started. @param signal SIGQUIT ends it at once, and SIGKILL without a word */
export const stopServer = async (
  folder: string,
  signal: 'SIGQUIT' | 'SIGKILL' = 'SIGQUIT'
): Promise<void> => {
  const pid = pidIn(folder)
  if (pid === null || !isRunning(pid)) return
  process.kill(pid, signal)
  while (isRunning(pid)) await delay(20)
}
