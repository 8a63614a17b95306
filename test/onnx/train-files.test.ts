import {
  cp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { createAdamW } from '../../adapters/onnx/gradient/adamw.ts'
import { readLora, writeLora, type LoraManifest } from '../../adapters/lora/lora-file.ts'
import { Loras } from '../../adapters/lora/loras.ts'
import { createLoraLayout, initLora } from '../../adapters/lora/lora-layout.ts'
import { seededRandom } from '../../src/random.ts'
import { readStateFile, writeStateFile } from '../../adapters/onnx/gradient/state-file.ts'
import { readOptimizer, writeOptimizer } from '../../adapters/onnx/train/lora-optimizer.ts'
import { openFrozenModel } from '../../adapters/onnx/train/weights-file.ts'
import type { Log } from '../../adapters/host/log.ts'
import type { ChatRenderer } from '../../adapters/text/chat-renderer.ts'
import { AppError } from '../../src/errors.ts'
import { randomTheta, randomWeights, tinyConfig } from '../kit/model/tiny-training.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

let folder: string
beforeEach(() => {
  folder = ownFolder()
})

const base = { config: tinyConfig, fingerprint: 'f1' }
const layout = createLoraLayout(tinyConfig, 4, 8)
const theta = randomTheta(layout, 5)
const manifest: LoraManifest = {
  base_model: 'tiny',
  base_fingerprint: 'f1',
  tokenizer_hash: 't',
  chat_template_hash: 'c',
  data_hash: 'd',
  parent: null,
  seed: 1,
  hyperparameters: { rank: 4 },
  rendering: { default_system_message: false },
  suffix: null,
  metadata: { stage: '1' },
}
const lora = { layout, theta, manifest }

/** Of the base model whose tokenizer and template the manifest names. */
const openLoras = (log: Log): Promise<Loras> => {
  const chat = { templateHash: 'c' } as ChatRenderer
  return Loras.open(folder, { ...base, tokenizerHash: 't', chat }, log)
}

const expectInvalid = async (id: string, message: RegExp, model = base) => {
  const error = await readLora(join(folder, id), model).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AppError)
  expect(error).toMatchObject({ code: 'invalid-model', message: expect.stringMatching(message) })
}

describe('lora layout', () => {
  it('covers all seven linear layers of every decoder layer without gaps', () => {
    expect(layout.entries).toHaveLength(tinyConfig.layers * 7 * 2)
    let end = 0
    for (const { offset, length } of layout.entries) {
      expect(offset).toBe(end)
      end += length
    }
    expect(end).toBe(layout.length)
  })

  it('starts with A within its Kaiming bound and B zero', () => {
    const start = initLora(layout, seededRandom(3))
    for (const { matrix, dims, offset, length } of layout.entries) {
      const largest = Math.max(...start.subarray(offset, offset + length).map(Math.abs))
      if (matrix === 'B') expect(largest).toBe(0)
      else {
        expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(dims[1]))
        expect(largest).toBeGreaterThan(0.8 / Math.sqrt(dims[1]))
      }
    }
  })
})

describe('lora folder', () => {
  it('is read as it was written', async () => {
    const optimizer = { ...createAdamW(layout.length), step: 12 }
    optimizer.m.fill(0.5)
    const id = await writeLora(folder, lora, writeOptimizer(optimizer))
    expect(id).toMatch(/^lora-[0-9a-f]{64}$/)
    expect(await readLora(join(folder, id), base)).toEqual({ id, ...lora })
    expect(await readOptimizer(join(folder, id), layout)).toEqual(optimizer)
  })

  it("is in PEFT's format", async () => {
    const id = await writeLora(folder, lora, null)
    const config = JSON.parse(await readFile(join(folder, id, 'adapter_config.json'), 'utf8'))
    expect(config).toMatchObject({ peft_type: 'LORA', task_type: 'CAUSAL_LM', r: 4, lora_alpha: 8 })
    expect(config.target_modules).toContain('down_proj')
    const bytes = await readFile(join(folder, id, 'adapter_model.safetensors'))
    const headerLength = Number(bytes.readBigUInt64LE(0))
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength))
    const name = 'base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight'
    expect(header[name]).toMatchObject({ dtype: 'F32', shape: [32, 4] })
    expect((8 + headerLength) % 8).toBe(0)
    expect(bytes.length).toBe(8 + headerLength + layout.length * 4)
  })

  it('has one name for the same weights and manifest, and another for any change', async () => {
    const id = await writeLora(folder, lora, null)
    expect(await writeLora(folder, lora, null)).toBe(id)
    const changed = theta.slice()
    changed[0] = changed[0]! + 1
    expect(await writeLora(folder, { ...lora, theta: changed }, null)).not.toBe(id)
    const other = { ...manifest, seed: 2 }
    expect(await writeLora(folder, { ...lora, manifest: other }, null)).not.toBe(id)
    expect((await readdir(folder)).filter((name) => !name.startsWith('lora-'))).toEqual([])
  })

  it('is refused on another base model', async () => {
    const id = await writeLora(folder, lora, null)
    await expectInvalid(id, /another base model/, { ...base, fingerprint: 'f2' })
  })

  it('is refused when it does not fit the base model', async () => {
    const id = await writeLora(folder, lora, null)
    const config = { ...tinyConfig, intermediateSize: 64 }
    await expectInvalid(id, /mlp\.gate_proj/, { ...base, config })
    await expectInvalid(id, /lacks/, { ...base, config: { ...tinyConfig, layers: 3 } })
  })

  it.each([3, 500, 15_000])('is refused when its weights end after %d bytes', async (length) => {
    const id = await writeLora(folder, lora, null)
    await truncate(join(folder, id, 'adapter_model.safetensors'), length)
    await expectInvalid(id, /truncated/)
  })

  it.each(['adapter_model.safetensors', 'adapter_config.json', 'manifest.json'])(
    'is refused without its %s',
    async (name) => {
      const id = await writeLora(folder, lora, null)
      await rm(join(folder, id, name))
      await expectInvalid(id, /no readable/)
    }
  )

  it('is refused when a byte of its weights or its name changed', async () => {
    const id = await writeLora(folder, lora, null)
    const path = join(folder, id, 'adapter_model.safetensors')
    const bytes = await readFile(path)
    bytes[bytes.length - 5]! ^= 1
    await writeFile(path, bytes)
    await expectInvalid(id, /does not match its name/)
    await rename(join(folder, id), join(folder, 'lora-0'))
    await expectInvalid('lora-0', /does not match its name/)
  })

  it('is written anew where it is damaged, or its writer did not end', async () => {
    const id = await writeLora(folder, lora, null)
    const path = join(folder, id, 'adapter_model.safetensors')
    const bytes = await readFile(path)
    await truncate(path, 500)
    expect(await writeLora(folder, lora, null)).toBe(id)
    expect(await readFile(path)).toEqual(bytes)
    await writeFile(join(folder, id, '.incomplete'), '')
    expect(await writeLora(folder, lora, null)).toBe(id)
    expect((await readdir(join(folder, id))).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'manifest.json',
    ])
  })

  it('that a process left which died is no lora, and goes at the next start', async () => {
    const id = await writeLora(folder, lora, null)
    const copyOf = async (name: string): Promise<string> => {
      await cp(join(folder, id), join(folder, name), { recursive: true })
      return join(folder, name)
    }
    await writeFile(join(await copyOf('lora-written'), '.incomplete'), '')
    const removed = await copyOf('lora-removed')
    await rename(join(removed, 'adapter_config.json'), join(removed, '.incomplete'))
    await rm(join(removed, 'manifest.json'))
    const logged: string[] = []
    const loras = await openLoras((_, message) => void logged.push(message))
    expect(loras.list().map((one) => one.id)).toEqual([id])
    expect([await readdir(folder), logged]).toEqual([[id], []])
    await loras.remove(id)
    expect([loras.list(), await readdir(folder)]).toEqual([[], []])
  })

  it('has no optimizer to go on with when that file is truncated', async () => {
    const id = await writeLora(folder, lora, writeOptimizer(createAdamW(layout.length)))
    await truncate(join(folder, id, 'optimizer.bin'), 1000)
    expect(await readOptimizer(join(folder, id), layout)).toBeNull()
  })
})

describe('state file', () => {
  it('gives back header and vectors, and null for every truncation', async () => {
    const path = join(folder, 'state.bin')
    const vectors = [Float32Array.of(1, -2.5), new Float32Array(), Float32Array.of(3)]
    await writeStateFile(path, { header: { step: 3, note: 'ü' }, vectors })
    expect(await readStateFile(path)).toMatchObject({ header: { step: 3, note: 'ü' }, vectors })
    const { size } = await stat(path)
    for (let length = size - 1; length >= 0; length--) {
      await truncate(path, length)
      expect(await readStateFile(path)).toBeNull()
    }
  })
})

describe('frozen weights', () => {
  const open = (fingerprint = 'f1') =>
    openFrozenModel(folder, {
      config: tinyConfig,
      weights: {
        float32: (name) => {
          reads++
          return randomWeights(tinyConfig, 3).float32(name)
        },
      },
      fingerprint,
    })
  let reads = 0
  beforeEach(() => {
    reads = 0
  })

  it('are written once and hold every tensor where the model says', async () => {
    const model = await open()
    expect(reads).toBe(model.tensors.size)
    await open()
    expect(reads).toBe(model.tensors.size)
    const name = 'model.layers.1.mlp.down_proj.weight'
    const { location, offset, length } = model.tensors.get(name)!
    expect(location).toBe(basename(model.path))
    const bytes = (await readFile(model.path)).subarray(offset, offset + length)
    const expected = randomWeights(tinyConfig, 3).float32(name)
    expect(
      new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + length))
    ).toEqual(expected)
  })

  it('are written again when the file is truncated or its seal is missing', async () => {
    const { path, tensors } = await open()
    const { size } = await stat(path)
    await truncate(path, size - 4096)
    await open()
    expect((await stat(path)).size).toBe(size)
    await rm(`${path}.json`)
    await open()
    expect(reads).toBe(3 * tensors.size)
    expect((await readdir(folder)).length).toBe(2)
  })

  it("remove a dead process's draft and leave a live one's", async () => {
    const dead = join(folder, 'f1.f32.draft-dead')
    await writeFile(dead, 'half')
    await utimes(dead, 0, 0)
    await writeFile(join(folder, 'f1.f32.draft-live'), 'half')
    await open()
    const drafts = (await readdir(folder)).filter((name) => name.includes('draft'))
    expect(drafts).toEqual(['f1.f32.draft-live'])
  })

  it('are kept apart by fingerprint', async () => {
    expect((await open('f1')).path).not.toBe((await open('f2')).path)
  })

  it('are refused, and nothing is left, when a tensor does not fit', async () => {
    const weights = { float32: () => new Float32Array(7) }
    const opening = openFrozenModel(folder, { ...base, weights })
    await expect(opening).rejects.toMatchObject({ code: 'invalid-model' })
    expect(await readdir(folder)).toEqual([])
  })
})
