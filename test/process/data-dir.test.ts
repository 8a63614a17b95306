/** Several processes that start on one new data directory at the same moment, as the containers of one volume do. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { loadSecrets, loadWorkerId } from '../../src/config/data-dir.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const SECRETS = { tenantSecret: 'a'.repeat(64), adminToken: 'b'.repeat(64) }

/** Another process has made the file, and writes into it a moment later. */
const slowly = async (path: string, text: string): Promise<void> => {
  writeFileSync(path, '')
  await delay(200)
  writeFileSync(path, text)
}

describe('a data directory that another process is making', () => {
  it('gives the secrets that are being written', async () => {
    const dataDir = ownFolder()
    const written = slowly(join(dataDir, 'secrets.json'), JSON.stringify(SECRETS))
    expect(await loadSecrets(dataDir)).toEqual(SECRETS)
    await written
  })

  it('gives the name of the worker that is being written', async () => {
    const dataDir = ownFolder()
    const written = slowly(join(dataDir, 'worker-id'), 'its name')
    expect(await loadWorkerId(dataDir)).toBe('its name')
    await written
  })

  it('is refused where nothing is written', async () => {
    const dataDir = ownFolder()
    writeFileSync(join(dataDir, 'worker-id'), '')
    await expect(loadWorkerId(dataDir)).rejects.toMatchObject({ code: 'invalid-config' })
  })
})
