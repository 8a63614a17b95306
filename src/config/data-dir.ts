/** The data directory: created on first use, with generated secrets and a lock for the worker. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors.ts'

export interface Secrets {
  tenantSecret: string
  adminToken: string
}

const SECRET_BYTES = 32

/** @throws AppError `store-unavailable` when the directory cannot be written */
export const prepareDataDir = async (dataDir: string): Promise<void> => {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const probe = join(dataDir, `.probe-${process.pid}`)
    await writeFile(probe, '')
    await rm(probe)
  } catch (cause) {
    throw new AppError(
      'store-unavailable',
      `DATA_DIR ${dataDir} cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}): ` +
        'make it writable, free space or choose another',
      { cause }
    )
  }
}

const generate = (): Secrets => ({
  tenantSecret: randomBytes(SECRET_BYTES).toString('hex'),
  adminToken: randomBytes(SECRET_BYTES).toString('hex'),
})

/** Secrets of this installation, generated on first use into a file that only its owner can read. */
export const loadSecrets = async (dataDir: string): Promise<Secrets> => {
  const path = join(dataDir, 'secrets.json')
  try {
    await writeFile(path, `${JSON.stringify(generate(), null, 2)}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Secrets
  } catch (cause) {
    throw new AppError(
      'invalid-config',
      `${path} is not valid JSON: restore it, or delete it to generate new secrets`,
      {
        cause,
      }
    )
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const holderOf = async (path: string): Promise<number | null> => {
  try {
    return Number(await readFile(path, 'utf8'))
  } catch {
    // the holder released the lock in the meantime
    return null
  }
}

/**
 * Acquires a named lock of the data directory. The lock of a process that has died is taken over.
 * @returns the function that releases it
 * @throws AppError `conflict` while another running process holds it
 */
export const lockDataDir = async (dataDir: string, name: string): Promise<() => Promise<void>> => {
  await prepareDataDir(dataDir)
  const path = join(dataDir, `${name}.lock`)
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600)
      await file.writeFile(String(process.pid))
      await file.close()
      return () => rm(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = await holderOf(path)
      if (holder !== null && holder !== process.pid && isAlive(holder))
        throw new AppError('conflict', `process ${holder} holds ${path}: stop that process first`)
      await rm(path, { force: true })
    }
  }
  throw new AppError('conflict', `another process acquired ${path} at the same time: try again`)
}
