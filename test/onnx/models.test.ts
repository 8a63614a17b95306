import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkModel } from '../../adapters/onnx/check-model.ts'
import { checkEncoder, isEncoderFolder } from '../../adapters/onnx/check-encoder.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { modelsCommand } from '../../src/cli/commands/models.ts'
import { pullModel, type PullOptions, type PullRequest } from '../../src/models/pull.ts'
import { seededRandom } from '../../src/random.ts'
import { startFakeHub, type FakeHub } from '../kit/model/hub.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const randomBytes = (length: number, seed: number): Buffer => {
  const random = seededRandom(seed)
  return Buffer.from(Uint8Array.from({ length }, () => random() * 256))
}

const WEIGHTS = randomBytes(300_000, 1)
const FILES = {
  'README.md': Buffer.from('# tiny'),
  LICENSE: Buffer.from('Apache-2.0'),
  'config.json': Buffer.from('{"model_type":"llama"}'),
  'tokenizer.json': randomBytes(2000, 2),
  'onnx/model.safetensors': randomBytes(10, 3),
  '../escape.safetensors': randomBytes(10, 4),
  'model.safetensors': WEIGHTS,
  'tiny.Q4_1.gguf': randomBytes(5000, 5),
}
const PULLED = ['LICENSE', 'config.json', 'model.safetensors', 'tokenizer.json']

let hub: FakeHub
let modelsDir: string
let seen: [string, number, number][]
let sleeps: number[]

beforeEach(async () => {
  hub = await startFakeHub(FILES)
  modelsDir = ownFolder()
  seen = []
  sleeps = []
})
afterEach(async () => {
  await hub.close()
})

const pull = (
  request: Partial<PullRequest> = {},
  hubOptions: Partial<PullOptions['hub']> = {}
): Promise<string> =>
  pullModel(
    { repository: 'acme/tiny', revision: 'main', ggufFile: null, ...request },
    {
      hub: { endpoint: hub.endpoint, token: null, fetch, timeoutMs: 2000, ...hubOptions },
      modelsDir,
      onProgress: (...progress) => seen.push(progress),
      sleep: async (ms) => void sleeps.push(ms),
    }
  )

const folder = (): string => join(modelsDir, 'acme--tiny')
const weights = (): Buffer => readFileSync(join(folder(), 'model.safetensors'))

describe('promptintern models pull', () => {
  it('downloads the files of a model, and no other files', async () => {
    expect(await pull()).toBe(folder())
    expect(readdirSync(folder()).sort()).toEqual(PULLED)
    expect(weights().equals(WEIGHTS)).toBe(true)
    expect(seen.at(-1)).toEqual(['model.safetensors', WEIGHTS.length, WEIGHTS.length])
  })

  it('downloads only files that are missing or were changed', async () => {
    await pull()
    writeFileSync(join(folder(), 'config.json'), '{"model_type":"other"}')
    hub.requests.length = 0
    await pull()
    expect(hub.requests).toEqual(['config.json'])
    expect(readFileSync(join(folder(), 'config.json')).equals(FILES['config.json'])).toBe(true)
  })

  it('resumes at the byte where a connection broke', async () => {
    // the four files before the weights are not cut
    hub.cuts = [null, null, null, 70_000, 50_000]
    await pull()
    const [first, ...resumed] = hub.requests.filter((name) => name.startsWith('model.safe'))
    expect(first).toBe('model.safetensors')
    expect(resumed).toEqual([70_000, 120_000].map((at) => `model.safetensors bytes=${at}-`))
    expect(sleeps).toEqual([1000, 1000])
    expect(weights().equals(WEIGHTS)).toBe(true)
  })

  it('gives up after four attempts without a byte, and the next call resumes', async () => {
    hub.cuts = [null, null, null, 100_000, 0, 0, 0, 0]
    await expect(pull()).rejects.toMatchObject({ code: 'hub-unavailable' })
    expect(sleeps).toEqual([1000, 2000, 4000, 8000])
    expect(readdirSync(folder()).filter((name) => name.endsWith('.part'))).toHaveLength(1)
    hub.requests.length = 0
    await pull()
    expect(hub.requests).toHaveLength(1)
    expect(hub.requests[0]).toMatch(/^model\.safetensors bytes=[1-9]\d*-$/)
    expect(readdirSync(folder()).sort()).toEqual(PULLED)
  })

  it('starts again when the server does not support ranges', async () => {
    hub.ranges = false
    hub.cuts = [null, null, null, 100_000]
    await pull()
    expect(weights().equals(WEIGHTS)).toBe(true)
  })

  it.each(['model.safetensors', 'config.json'])(
    'deletes %s when its checksum is wrong',
    async (name) => {
      hub.damaged.add(name)
      await expect(pull()).rejects.toMatchObject({
        code: 'checksum-mismatch',
        message: expect.stringContaining(name),
      })
      expect(readdirSync(folder()).filter((file) => file.startsWith(name))).toEqual([])
      hub.damaged.clear()
      await pull()
      expect(readdirSync(folder()).sort()).toEqual(PULLED)
    }
  )

  it('downloads one GGUF file with its licence', async () => {
    expect(await pull({ ggufFile: 'tiny.Q4_1.gguf' })).toBe(join(folder(), 'tiny.Q4_1.gguf'))
    expect(readdirSync(folder()).sort()).toEqual(['LICENSE', 'tiny.Q4_1.gguf'])
  })

  it('lists the GGUF files of a repository when the requested files are missing', async () => {
    await expect(pull({ ggufFile: 'big.gguf' })).rejects.toThrow(/no GGUF file big.*tiny\.Q4_1/)
    hub.files.delete('config.json')
    await expect(pull()).rejects.toThrow(/no config\.json.*tiny\.Q4_1/)
  })

  it('gives advice when the hub is unreachable or silent', async () => {
    hub.silent = true
    await expect(pull({}, { timeoutMs: 50 })).rejects.toThrow(/cannot be reached.*50 ms/)
    await hub.close()
    await expect(pull()).rejects.toThrow(/cannot be reached \(ECONNREFUSED\).*HF_ENDPOINT/)
    expect(existsSync(folder())).toBe(false)
  })

  it('needs the right token for a private model', async () => {
    hub.token = 'hf_secret'
    await expect(pull()).rejects.toThrow(/set a token in HF_TOKEN/)
    await expect(pull({}, { token: 'hf_other' })).rejects.toMatchObject({
      code: 'unauthorized',
    })
    await pull({}, { token: 'hf_secret' })
    expect(readdirSync(folder()).sort()).toEqual(PULLED)
  })

  it.each([
    ['acme/none', 'not-found'],
    ['../../etc', 'invalid-request'],
    ['acme', 'invalid-request'],
  ])('refuses %s', async (repository, code) => {
    await expect(pull({ repository })).rejects.toMatchObject({ code })
  })

  it.each(['/../../../pw', '/../../../../pw', 'C'.repeat(40), ''])(
    'refuses a checksum that is none and would name a file elsewhere: %s',
    async (checksum) => {
      hub.checksum = checksum
      const before = readdirSync(modelsDir, { recursive: true })
      await expect(pull()).rejects.toMatchObject({ code: 'hub-unavailable' })
      expect(readdirSync(modelsDir, { recursive: true })).toEqual(before)
      expect(existsSync(join(modelsDir, 'pw.part'))).toBe(false)
      expect(hub.requests).toEqual([])
    }
  )

  it('refuses a description of a repository that is larger than one can be', async () => {
    for (let i = 0; i < 170; i++) hub.files.set(`${'f'.repeat(100_000)}${i}`, Buffer.from('x'))
    await expect(pull()).rejects.toThrow(/more than 16777216 bytes/)
  })

  it('downloads an encoder with the file that says how it pools', async () => {
    hub.files.set('modules.json', Buffer.from('[]'))
    hub.files.set('vocab.txt', Buffer.from('[PAD]'))
    hub.files.set('1_Pooling/config.json', Buffer.from('{"pooling_mode_mean_tokens":true}'))
    hub.files.set('2_Dense/config.json', Buffer.from('{}'))
    await pull()
    expect(readdirSync(folder()).sort()).toEqual(
      [...PULLED, '1_Pooling', 'modules.json', 'vocab.txt'].sort()
    )
    expect(readFileSync(join(folder(), '1_Pooling', 'config.json'), 'utf8')).toContain('mean')
    hub.requests.length = 0
    await pull()
    expect(hub.requests).toEqual([])
  })
})

describe('promptintern models list', () => {
  it('has the path of the model that is part of the package', async () => {
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    try {
      await modelsCommand().parseAsync(['list', '--json'], { from: 'user' })
      const { known } = JSON.parse(written.mock.calls.map(([text]) => text).join('')) as {
        known: { name: string; path: string | null }[]
      }
      const { path } = known.find(({ name }) => name === 'tiny')!
      expect(existsSync(join(path!, 'model.safetensors'))).toBe(true)
    } finally {
      written.mockRestore()
    }
  })
})

describe('promptintern models check', () => {
  it('describes a model and its first token', async () => {
    const path = join(modelsDir, 'random')
    writeRandomModel(path, { seed: 3 })
    const found = await checkModel(path)
    expect(found).toMatchObject({ name: 'random', layers: 2, hiddenSize: 64 })
    expect(found.firstLogprob).toBeLessThan(0)
    expect(found.contextTokens).toBeGreaterThan(0)
  })

  it('refuses damaged weights', async () => {
    const path = join(modelsDir, 'damaged')
    writeRandomModel(path, { seed: 3 })
    const file = join(path, 'model.safetensors')
    const bytes = readFileSync(file)
    // every value of the last tensors becomes infinite or NaN
    bytes.fill(0xff, bytes.length - 4096)
    writeFileSync(file, bytes)
    await expect(checkModel(path)).rejects.toMatchObject({ code: 'invalid-model' })
  })

  it('tells an encoder from a base model, and reports its shape', async () => {
    const encoder = join(modelsDir, 'encoder')
    writeTinyBert(encoder, { seed: 1, pooling: 'cls' })
    const base = join(modelsDir, 'base')
    writeRandomModel(base, { seed: 3 })
    expect([isEncoderFolder(encoder), isEncoderFolder(base)]).toEqual([true, false])
    expect(isEncoderFolder(join(base, 'model.safetensors'))).toBe(false)
    const found = await checkEncoder(encoder)
    expect(found).toMatchObject({ layers: 2, hiddenSize: 64, contextTokens: 16, pooling: 'cls' })
    expect(Math.abs(found.similarity.alike)).toBeLessThanOrEqual(1.001)
    // without its modules it is still meant as an encoder, so that the reason names the missing file
    rmSync(join(encoder, 'modules.json'))
    expect(isEncoderFolder(encoder)).toBe(true)
    await expect(checkEncoder(encoder)).rejects.toThrow('modules.json is missing')
  })
})
