/**
 * Frozen weights in one flat float32 file, which onnxruntime maps into memory: training, loss and a
 * restarted job share one copy, and a session opens without reading it. The file is a cache with the
 * model's fingerprint as key. When it is missing, too short or without its seal, it is written again.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError } from '../../../src/errors.ts'
import type { ExternalData } from '../graph.ts'
import {
  type LlamaConfig,
  type WeightSource,
  elements,
  modelTensors,
} from '../../model/llama-config.ts'

/** A base model for training. */
export interface FrozenModel {
  config: LlamaConfig
  fingerprint: string
  /** the flat file */
  path: string
  tensors: Map<string, ExternalData>
}

/** Tensors begin on memory pages, as mapping requires. */
const ALIGNMENT = 4096

const DRAFT = '.draft-'
/** a draft that has not changed for so long belongs to a process that died */
const STALE_MS = 10 * 60_000

const layOut = (config: LlamaConfig, location: string) => {
  const tensors = new Map<string, ExternalData>()
  let offset = 0
  for (const { name, dims } of modelTensors(config)) {
    const length = elements(dims) * Float32Array.BYTES_PER_ELEMENT
    tensors.set(name, { location, offset, length })
    offset = Math.ceil((offset + length) / ALIGNMENT) * ALIGNMENT
  }
  return { tensors, bytes: offset }
}

const write = async (
  path: string,
  weights: WeightSource,
  tensors: Map<string, ExternalData>,
  bytes: number
): Promise<void> => {
  const file = await open(path, 'wx')
  try {
    await file.truncate(bytes)
    for (const [name, { offset, length }] of tensors) {
      const data = weights.float32(name)
      if (data.byteLength !== length)
        throw new AppError(
          'invalid-model',
          `${name} has ${data.length} values, the configuration says ${length / 4}`
        )
      const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      for (let done = 0; done < length;) {
        const { bytesWritten } = await file.write(view, done, length - done, offset + done)
        done += bytesWritten
      }
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

const isComplete = async (path: string, seal: string, bytes: number): Promise<boolean> => {
  try {
    const [{ size }, text] = await Promise.all([stat(path), readFile(`${path}.json`, 'utf8')])
    return size === bytes && text === seal
  } catch {
    // not there yet
    return false
  }
}

/**
 * Opens the flat file of a base model, and writes it first when it is missing or incomplete. File and
 * seal are renamed into place, so that a crash leaves no incomplete cache.
 * @throws AppError `invalid-model` when the weights do not fit the configuration
 */
export const openFrozenModel = async (
  cacheDir: string,
  model: { config: LlamaConfig; weights: WeightSource; fingerprint: string }
): Promise<FrozenModel> => {
  const { config, weights, fingerprint } = model
  const path = join(cacheDir, `${fingerprint.replaceAll(/[^\w-]/g, '_')}.f32`)
  const { tensors, bytes } = layOut(config, basename(path))
  const seal = JSON.stringify({ fingerprint, bytes, config })
  if (!(await isComplete(path, seal, bytes))) {
    await mkdir(dirname(path), { recursive: true })
    await removeStaleDrafts(path)
    const draft = `${path}${DRAFT}${randomUUID()}`
    try {
      await write(draft, weights, tensors, bytes)
      await rm(`${path}.json`, { force: true })
      await rename(draft, path)
      await writeSeal(`${path}.json`, seal)
    } finally {
      await rm(draft, { force: true })
    }
  }
  return { config, fingerprint, path, tensors }
}

/** Removes the drafts of killed processes, which are as large as the model. */
const removeStaleDrafts = async (path: string): Promise<void> => {
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}${DRAFT}`)) continue
    const draft = join(dirname(path), name)
    // its writer may have renamed it in between
    const found = await stat(draft).catch(() => null)
    if (found !== null && Date.now() - found.mtimeMs > STALE_MS) await rm(draft, { force: true })
  }
}

const writeSeal = async (path: string, seal: string): Promise<void> => {
  const draft = `${path}.${randomUUID()}`
  const file = await open(draft, 'wx')
  await file.writeFile(seal)
  await file.sync()
  await file.close()
  await rename(draft, path)
}
