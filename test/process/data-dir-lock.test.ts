/** The lock that keeps a second worker off a data directory, when its holder was killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { statFieldsOf } from '../kit/process/process-stat.ts'
import { lockDataDir, lockHolder, tryLockDataDir } from '../../src/config/data-dir.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

let dataDir: string
let other: ChildProcess
let otherExit: Promise<unknown>

beforeEach(() => {
  dataDir = ownFolder()
  other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  otherExit = new Promise((resolve) => other.once('exit', resolve))
})
afterEach(async () => {
  other.kill('SIGKILL')
  await otherExit
})

const writeLock = (text: string): void => writeFileSync(join(dataDir, 'worker.lock'), text)

describe('the lock of a data directory', () => {
  it('is held by a running process, and not by one that has died', async () => {
    writeLock(String(other.pid))
    expect(await lockHolder(dataDir, 'worker')).toBe(other.pid)
    expect(await tryLockDataDir(dataDir, 'worker')).toBeNull()
    await expect(lockDataDir(dataDir, 'worker')).rejects.toMatchObject({ code: 'conflict' })
    other.kill('SIGKILL')
    await otherExit
    expect(await tryLockDataDir(dataDir, 'worker')).not.toBeNull()
  })

  it('is taken over from a process that was killed before it had written its number', async () => {
    writeLock('')
    const unlock = await tryLockDataDir(dataDir, 'worker')
    expect(unlock).not.toBeNull()
    await unlock!()
    expect(existsSync(join(dataDir, 'worker.lock'))).toBe(false)
  })

  it.skipIf(!existsSync('/proc/self/stat'))(
    'is not held by a process that got the number of its dead holder (needs /proc)',
    async () => {
      const start = statFieldsOf(other.pid!)[19]!
      writeLock(`${other.pid} ${start}`)
      expect(await lockHolder(dataDir, 'worker')).toBe(other.pid)
      writeLock(`${other.pid} ${Number(start) - 1}`)
      expect(await lockHolder(dataDir, 'worker')).toBeNull()
      expect(await tryLockDataDir(dataDir, 'worker')).not.toBeNull()
    }
  )
})
