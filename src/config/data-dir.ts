/** The data directory: created on first use, with generated secrets and a lock for the worker. */
import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../errors.ts'

export interface Secrets {
  tenantSecret: string
  adminToken: string
}

const SECRET_BYTES = 32
/** An empty token would open the admin API to everybody. */
const MIN_SECRET_CHARS = 16

const isSecret = (value: unknown): value is string =>
  typeof value === 'string' && value.trim().length >= MIN_SECRET_CHARS

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

const rethrowUnlessThere = (error: unknown): void => {
  if (codeOf(error) !== 'EEXIST') throw error
}

/** How long the process that made a file may take to write into it. */
const WRITE_MS = 1_000

/** The text of a file that another process may have made a moment ago; '' where none comes. */
const readWritten = async (path: string): Promise<string> => {
  const text = await readFile(path, 'utf8')
  if (text !== '') return text
  await delay(WRITE_MS)
  return readFile(path, 'utf8')
}

/**
 * Writes a file that only its owner can read, and leaves one that is there.
 * @returns its text: processes that start at once all get the text of the first one
 */
const writeOnce = async (path: string, text: string): Promise<string> => {
  await writeFile(path, text, { flag: 'wx', mode: 0o600 }).catch(rethrowUnlessThere)
  return readWritten(path)
}

/** Node's own `mkdir` with `recursive` never returns below `/proc`, where no folder can be made. */
const makeFolder = async (path: string): Promise<void> => {
  const parent = dirname(path)
  if (parent !== path && !existsSync(parent)) await makeFolder(parent)
  await mkdir(path, { mode: 0o700 }).catch(rethrowUnlessThere)
}

/** @throws AppError `store-unavailable` when the directory cannot be written */
export const prepareDataDir = async (dataDir: string): Promise<void> => {
  try {
    await makeFolder(resolve(dataDir))
    // in the containers of one volume, processes have the same number
    const probe = join(dataDir, `.probe-${randomUUID()}`)
    await writeFile(probe, '')
    await rm(probe)
  } catch (cause) {
    throw new AppError(
      'store-unavailable',
      `DATA_DIR ${dataDir} cannot be written (${codeOf(cause) ?? 'unknown'}): ` +
        'make it writable, free space or choose another',
      { cause }
    )
  }
}

const generate = (): Secrets => ({
  tenantSecret: randomBytes(SECRET_BYTES).toString('hex'),
  adminToken: randomBytes(SECRET_BYTES).toString('hex'),
})

const secretsPath = (dataDir: string): string => join(dataDir, 'secrets.json')

/** Whether `loadSecrets` would generate none. */
export const hasSecrets = (dataDir: string): boolean => existsSync(secretsPath(dataDir))

/** Secrets of this installation, generated on first use into a file that only its owner can read. */
export const loadSecrets = async (dataDir: string): Promise<Secrets> => {
  const path = secretsPath(dataDir)
  const text = await writeOnce(path, `${JSON.stringify(generate(), null, 2)}\n`)
  const advice = 'restore it, or delete it to generate new secrets'
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid-config', `${path} is not valid JSON: ${advice}`, { cause })
  }
  const { tenantSecret, adminToken } = (read ?? {}) as Partial<Record<keyof Secrets, unknown>>
  if (isSecret(tenantSecret) && isSecret(adminToken)) return { tenantSecret, adminToken }
  throw new AppError(
    'invalid-config',
    `${path} needs tenantSecret and adminToken of at least ${MIN_SECRET_CHARS} characters: ${advice}`
  )
}

/**
 * The name of the one worker that a data directory has, generated on first use. A worker that is started again
 * after a crash takes its own work over by it.
 */
export const loadWorkerId = async (dataDir: string): Promise<string> => {
  const path = join(dataDir, 'worker-id')
  const id = (await writeOnce(path, randomUUID())).trim()
  // the disk was full when it was written
  if (id === '') throw new AppError('invalid-config', `${path} is empty: delete it`)
  return id
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** When the process started, in ticks of the system; null where the system does not tell. */
const startOf = async (pid: number): Promise<string | null> => {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // the 22nd field (proc(5)); the second one is the name, which may have spaces
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

/** What a lock file holds. A restarted container soon gives the number of a dead process to another one. */
const identityOf = async (pid: number): Promise<string> => `${pid} ${(await startOf(pid)) ?? ''}`

const lockPath = (dataDir: string, name: string): string => join(dataDir, `${name}.lock`)

/** The process that holds a named lock of the data directory; null when none does. */
export const lockHolder = async (dataDir: string, name: string): Promise<number | null> => {
  // '' where there is none, or its holder released it in the meantime
  const text = await readWritten(lockPath(dataDir, name)).catch(() => '')
  const [pid = 0, start = ''] = text.split(' ')
  const holder = Number(pid)
  if (!(holder > 0) || holder === process.pid || !isAlive(holder)) return null
  return start === '' || start === (await startOf(holder)) ? holder : null
}

/**
 * Acquires a named lock of the data directory. The lock of a process that has died is taken over.
 * @returns the function that releases it; null while another running process holds it
 */
export const tryLockDataDir = async (
  dataDir: string,
  name: string
): Promise<(() => Promise<void>) | null> => {
  await prepareDataDir(dataDir)
  const path = lockPath(dataDir, name)
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600)
      await file.writeFile(await identityOf(process.pid))
      await file.close()
      return () => rm(path, { force: true })
    } catch (error) {
      rethrowUnlessThere(error)
      if ((await lockHolder(dataDir, name)) !== null) return null
      await rm(path, { force: true })
    }
  }
  return null
}

/** @throws AppError `conflict` while another running process holds the lock */
export const lockDataDir = async (dataDir: string, name: string): Promise<() => Promise<void>> => {
  const unlock = await tryLockDataDir(dataDir, name)
  if (unlock !== null) return unlock
  const holder = await lockHolder(dataDir, name)
  throw new AppError(
    'conflict',
    `process ${holder ?? 'unknown'} holds ${lockPath(dataDir, name)}: stop that process first`
  )
}
