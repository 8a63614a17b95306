/** What processes that run code of others are given: a trainer, vLLM. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createTraining } from '../../adapters/gpu/train-command.ts'
import { serveEnvironment } from '../../adapters/gpu/vllm/start-vllm.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const seen = join(folder, 'seen')
const python = join(folder, 'python')
writeFileSync(python, `#!/bin/sh\nenv > ${seen}.tmp; mv ${seen}.tmp ${seen}; exec cat\n`, {
  mode: 0o755,
})

const SECRETS = ['ENGINE_TOKEN', 'UPSTREAM_API_KEY', 'ADMIN_TOKEN', 'TENANT_SECRET', 'DATABASE_URL']

const given = async (): Promise<string> => {
  await expect.poll(() => existsSync(seen), { timeout: 20_000 }).toBe(true)
  return readFileSync(seen, 'utf8')
}

const stubbed = (): void => {
  for (const name of SECRETS) vi.stubEnv(name, 'hush')
  vi.stubEnv('TOKENIZERS_PARALLELISM', 'false')
}

describe('a process that runs code of others', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(seen, { force: true })
  })

  it('gets no secret of this program as a trainer', async () => {
    stubbed()
    const stop = new AbortController()
    const trainer = { command: null, python, script: 'train.py' }
    const run = createTraining({ ...trainer, env: process.env, log: () => undefined })
    const ended = run(
      { file: 'task.json', identity: 'one' },
      { signal: stop.signal, onMessage: () => undefined, onProgress: () => undefined }
    ).catch(() => undefined)
    const environment = await given()
    stop.abort(new Error('enough'))
    await ended
    expect(environment).not.toContain('hush')
    expect(environment).toMatch(/TOKENIZERS_PARALLELISM=false/)
  })

  it('gets none of the engine’s as vLLM', () => {
    const env = { ENGINE_TOKEN: 'hush', ENGINE_VLLM_KEY: 'hush', HF_HOME: '/cache' }
    const environment = serveEnvironment(env, 'key', 'cuda')
    expect(JSON.stringify(environment)).not.toContain('hush')
    expect(environment).toMatchObject({ HF_HOME: '/cache', VLLM_API_KEY: 'key' })
  })
})
