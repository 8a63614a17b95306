/** An engine's data folder is tried at the start: a mounted bucket may lack some of what a disk can do. */
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { ownFolder } from '../kit/temporary-folder.ts'

type Promises = typeof import('node:fs/promises')

/** `disk.ts` on a file system where some calls fail with a code. */
const diskWhere = async (failing: Partial<Record<keyof Promises, string>>) => {
  vi.resetModules()
  vi.doMock('node:fs/promises', async (original) => {
    const real = await original<Promises>()
    const refused = Object.entries(failing).map(([name, code]) => [
      name,
      () => Promise.reject(Object.assign(new Error(`${name}: ${code}`), { code })),
    ])
    return { ...real, ...Object.fromEntries(refused) }
  })
  try {
    return await import('../../adapters/host/disk.ts')
  } finally {
    vi.doUnmock('node:fs/promises')
    vi.resetModules()
  }
}

describe('the data folder', () => {
  it('is made, and left as it was', async () => {
    const { checkFolder } = await diskWhere({})
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
    const { checkFolder } = await diskWhere(failing)
    const folder = ownFolder()
    const error: unknown = await checkFolder(folder).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining(`${folder} ${message}`) as string,
    })
    expect(await readdir(folder)).toEqual([])
  })

  it('on a full disk is used, because answers go on', async () => {
    const { checkFolder } = await diskWhere({ writeFile: 'ENOSPC' })
    await checkFolder(ownFolder())
  })

  it('that cannot be made is refused', async () => {
    const { checkFolder } = await diskWhere({})
    const folder = ownFolder()
    await writeFile(join(folder, 'file'), '')
    await expect(checkFolder(join(folder, 'file', 'data'))).rejects.toThrow(/cannot make a folder/)
  })
})
