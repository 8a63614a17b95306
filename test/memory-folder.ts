/**
 * Temporary folders of the tests, in memory where the machine has a file system for it: stores commit thousands of
 * times, and each commit waits for the disk. That no commit is lost is tested by killed processes, not by a power cut.
 */
import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

const IN_MEMORY = '/dev/shm'
/** The whole ring takes some 2 GiB. */
const LEAST_BYTES = 6 * 2 ** 30

const hasRoom = (): boolean => {
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY)
    return bavail * bsize >= LEAST_BYTES
  } catch {
    return false
  }
}

/** Sets TMPDIR for this process and those that it starts, until it ends. One that is set already stays. */
export const keepFilesInMemory = (): void => {
  if (process.env['TMPDIR'] !== undefined || !hasRoom()) return
  const folder = mkdtempSync(join(IN_MEMORY, 'promptintern-tests-'))
  // PostgreSQL runs as a user of its own
  chmodSync(folder, 0o711)
  process.env['TMPDIR'] = folder
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
}
