/**
 * Temporary folders of the tests, in memory where the machine has a file system for it: stores commit thousands of
 * times, and each commit waits for the disk. That no commit is lost is tested by killed processes, not by a power cut.
 */
import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'

const IN_MEMORY = '/dev/shm'
/** Of the file system, and of the memory that it shares with all processes. The whole ring takes some 2 GiB. */
const LEAST_FREE = 6 * 2 ** 30
const LEAST_MEMORY = 12 * 2 ** 30

const hasRoom = (): boolean => {
  if (Math.min(process.constrainedMemory() || Infinity, totalmem()) < LEAST_MEMORY) return false
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY)
    return bavail * bsize >= LEAST_FREE
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
