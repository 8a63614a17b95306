/** An engine's data folder is tried at the start: a mounted bucket may lack some of what a disk can do. */
import * as nodeFiles from 'node:fs/promises'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkFolder, type FileCalls } from '../../adapters/host/disk.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

/** A file system where some calls fail with a code. */
const filesWhere = (failing: Partial<Record<keyof FileCalls, string>>): FileCalls => {
  const refused = Object.entries(failing).map(([name, code]) => [
    name,
    () => Promise.reject(Object.assign(new Error(`${name}: ${code}`), { code })),
  ])
  return { ...nodeFiles, ...Object.fromEntries(refused) }
}

describe('the data folder', () => {
  it('is made, and left as it was', async () => {
    const folder = join(ownFolder(), 'new')
    await checkFolder(folder)
    expect(await readdir(folder)).toEqual([])
    // other users of the machine may not read what users wrote
    expect((await stat(folder)).mode & 0o077).toBe(0)
  })

  it.each([
    [{ rename: 'ENOSYS' }, 'cannot replace a file by a rename'],
    [{ appendFile: 'ENOTSUP' }, 'cannot append to a file'],
    [{ writeFile: 'EIO' }, 'cannot write and sync a file'],
    [{ readFile: 'EIO' }, 'cannot read a file back'],
  ] as const)('that lacks something is refused: %o', async (failing, message) => {
    const folder = ownFolder()
    const error: unknown = await checkFolder(folder, filesWhere(failing)).catch(
      (thrown: unknown) => thrown
    )
    expect(error).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining(`${folder} ${message}`) as string,
    })
    expect(await readdir(folder)).toEqual([])
  })

  it('on a full disk is used, because answers go on', async () => {
    await checkFolder(ownFolder(), filesWhere({ writeFile: 'ENOSPC' }))
  })

  it('that cannot be made is refused', async () => {
    const folder = ownFolder()
    await writeFile(join(folder, 'file'), '')
    await expect(checkFolder(join(folder, 'file', 'data'))).rejects.toThrow(/cannot make a folder/)
  })
})
