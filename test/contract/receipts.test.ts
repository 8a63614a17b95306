import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { openReceipts, RECEIPTS } from '../../adapters/publish/receipts.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const told = { provider: 'tinker', object: 'run/weights/a', requested_at: 10, confirmed_at: null }

let folder: string
beforeEach(() => {
  folder = ownFolder()
})

describe('receipts of deletions', () => {
  it('are there after a restart, the last one of each object', async () => {
    const receipts = await openReceipts(folder)
    const other = { ...told, object: 'run/weights/b' }
    await Promise.all([receipts.add(told), receipts.add(other)])
    await receipts.add({ ...told, confirmed_at: 12 })
    const expected = [{ ...told, confirmed_at: 12 }, other]
    expect(receipts.list()).toEqual(expected)
    expect((await openReceipts(folder)).list()).toEqual(expected)
    expect(readFileSync(join(folder, RECEIPTS), 'utf8').split('\n')).toHaveLength(4)
  })

  it('lose only the half line of a process that died', async () => {
    await (await openReceipts(folder)).add(told)
    appendFileSync(join(folder, RECEIPTS), '{"provider":"tin')
    const receipts = await openReceipts(folder)
    const other = { ...told, object: 'run/weights/b' }
    await receipts.add(other)
    expect((await openReceipts(folder)).list()).toEqual([told, other])
  })

  it('refuse a file with another line in it, by its number', async () => {
    writeFileSync(join(folder, RECEIPTS), `${JSON.stringify(told)}\n{"provider":"tinker"}\n`)
    await expect(openReceipts(folder)).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('line 2 is no receipt'),
    })
  })

  it.skipIf(process.getuid?.() === 0)('are not listed where the disk refused them', async () => {
    const receipts = await openReceipts(folder)
    await receipts.add(told)
    chmodSync(join(folder, RECEIPTS), 0o400)
    await expect(receipts.add({ ...told, confirmed_at: 12 })).rejects.toMatchObject({
      code: 'store-unavailable',
    })
    expect(receipts.list()).toEqual([told])
  })
})
