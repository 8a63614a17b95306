/**
 * Downloads a model from a hub: selects the files of a repository, checks that they fit on the disk,
 * and names their folder. Knows nothing of graphs or engines.
 */
import { mkdir, statfs, open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors.ts'
import {
  describeRepository,
  type HubFile,
  type HubOptions,
  type HubRepository,
  openFile,
  type Checksum,
} from './hub.ts'
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'

interface DownloadOptions {
  hub: HubOptions
  /** @param bytes of the file that are on the disk */
  onProgress: (bytes: number) => void
  sleep: (ms: number) => Promise<unknown>
}

/** before a broken connection is opened again; doubles with each attempt without a byte */
const RETRY_MS = 1000
/** consecutive attempts without a byte */
const MAX_FAILURES = 4

const sizeOf = async (path: string): Promise<number | null> =>
  stat(path).then(
    ({ size }) => size,
    () => null
  )

/** @param size of the whole file; git hashes it before the bytes */
const startHash = ({ algorithm }: Checksum, size: number): Hash =>
  algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)

const matches = async (path: string, file: HubFile): Promise<boolean> => {
  if ((await sizeOf(path)) !== file.size) return false
  const hash = startHash(file.checksum, file.size)
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array)
  return hash.digest('hex') === file.checksum.hex
}

/** The name has the checksum, so a resumed download never mixes two versions of a file. */
const partPath = (folder: string, { name, checksum }: HubFile): string =>
  join(folder, `${name}.${checksum.hex.slice(0, 12)}.part`)

/** Appends the hub's bytes. @throws AppError `hub-unavailable` when the connection breaks or ends early */
const append = async (
  repository: HubRepository,
  file: HubFile,
  part: { path: string; bytes: number },
  { hub, onProgress }: DownloadOptions
): Promise<void> => {
  const { offset, body } = await openFile(hub, repository, file, part.bytes)
  const handle = await open(part.path, offset === 0 ? 'w' : 'a')
  let bytes = offset
  try {
    for await (const piece of body) {
      bytes += piece.length
      if (bytes > file.size)
        throw new AppError(
          'checksum-mismatch',
          `the hub sent more than the ${file.size} bytes of ${file.name}: pull it again`
        )
      await handle.writeFile(piece)
      onProgress(bytes)
    }
    if (bytes < file.size)
      throw new AppError(
        'hub-unavailable',
        `the hub ended ${file.name} at byte ${bytes} of ${file.size}: pull it again`
      )
  } finally {
    await handle.close()
  }
}

const isCut = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'hub-unavailable'

const fill = async (
  repository: HubRepository,
  file: HubFile,
  path: string,
  options: DownloadOptions
): Promise<void> => {
  let failures = 0
  for (let bytes = (await sizeOf(path)) ?? 0; bytes < file.size;) {
    try {
      return await append(repository, file, { path, bytes }, options)
    } catch (error) {
      const now = (await sizeOf(path)) ?? 0
      failures = now > bytes ? 0 : failures + 1
      bytes = now
      if (!isCut(error) || failures === MAX_FAILURES) throw error
    }
    await options.sleep(RETRY_MS * 2 ** failures)
  }
}

/** Bytes of the file that are on the disk, complete or partial. */
const bytesHere = async (folder: string, file: HubFile): Promise<number> =>
  (await sizeOf(join(folder, file.name))) ?? (await sizeOf(partPath(folder, file))) ?? 0

/**
 * Downloads the file into the folder unless it is there. An interrupted call leaves a `.part` file,
 * which the next call resumes. @throws AppError `checksum-mismatch`, `not-found`, `unauthorized`,
 * `hub-unavailable`; errors of the disk
 */
const downloadFile = async (
  repository: HubRepository,
  file: HubFile,
  folder: string,
  options: DownloadOptions
): Promise<void> => {
  const path = join(folder, file.name)
  if (await matches(path, file)) return options.onProgress(file.size)
  const part = partPath(folder, file)
  try {
    await fill(repository, file, part, options)
    if (file.size === 0) await writeFile(part, '')
    if (!(await matches(part, file)))
      throw new AppError(
        'checksum-mismatch',
        `${file.name} does not have the hub's checksum and was deleted: pull it again`
      )
  } catch (error) {
    if (error instanceof AppError && error.code === 'checksum-mismatch')
      await rm(part, { force: true })
    throw error
  }
  await rename(part, path)
}

export interface PullRequest {
  /** `owner/name` */
  repository: string
  revision: string
  /** a GGUF file of the repository; null: its safetensors files */
  ggufFile: string | null
}

export interface PullOptions {
  hub: HubOptions
  /** has one folder per model */
  modelsDir: string
  onProgress: (name: string, bytes: number, total: number) => void
  sleep: (ms: number) => Promise<unknown>
}

const WEIGHTS = /^model(-\d+-of-\d+)?\.safetensors$/
/** The one file that is not in the top folder: how an encoder makes one vector of many. */
const POOLING = '1_Pooling/config.json'
const BESIDE_WEIGHTS = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'model.safetensors.index.json',
  // of encoders
  'vocab.txt',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  POOLING,
])
const LICENCE = /^(licen[cs]e|notice)(\.\w+)?$/i

const isGguf = ({ name }: HubFile): boolean => name.endsWith('.gguf')

/** Files of the top folder. Another name with a path could write outside of the model's folder. */
const topFiles = ({ files }: HubRepository): HubFile[] =>
  files.filter(({ name }) => name === POOLING || (!/[/\\]/.test(name) && name !== '..'))

/** @throws AppError `not-found` that lists the GGUF files of the repository */
const modelFiles = (repository: HubRepository, ggufFile: string | null): HubFile[] => {
  const files = topFiles(repository)
  const ggufNames = files.filter(isGguf).map(({ name }) => name)
  const hint = ggufNames.length === 0 ? '' : `; name one of its GGUF files: ${ggufNames.join(', ')}`
  if (ggufFile !== null) {
    const found = files.find(({ name }) => name === ggufFile)
    if (found === undefined || !isGguf(found))
      throw new AppError('not-found', `${repository.name} has no GGUF file ${ggufFile}${hint}`)
    return [found, ...files.filter(({ name }) => LICENCE.test(name))]
  }
  const weights = files.filter(({ name }) => WEIGHTS.test(name))
  if (weights.length === 0 || !files.some(({ name }) => name === 'config.json'))
    throw new AppError(
      'not-found',
      `${repository.name} has no config.json with model.safetensors${hint}`
    )
  return [...files.filter(({ name }) => BESIDE_WEIGHTS.has(name) || LICENCE.test(name)), ...weights]
}

const checkRoom = async (folder: string, files: HubFile[]): Promise<void> => {
  const missing = await Promise.all(
    files.map(async (file) => Math.max(0, file.size - (await bytesHere(folder, file))))
  )
  const needed = missing.reduce((sum, bytes) => sum + bytes, 0)
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize < needed)
    throw new AppError(
      'disk-full',
      `the disk of ${folder} has ${bavail * bsize} bytes left, the model needs ${needed}: free some`
    )
}

/** The folder of a repository's files. */
export const modelFolder = (modelsDir: string, repository: string): string =>
  join(modelsDir, repository.replace('/', '--'))

/**
 * @returns the value of `MODEL_PATH` or `ENCODER_PATH` for the model
 * @throws AppError `invalid-request`, `not-found`, `unauthorized`, `hub-unavailable`, `disk-full`,
 * `checksum-mismatch`; errors of the disk
 */
export const pullModel = async (
  { repository: name, revision, ggufFile }: PullRequest,
  options: PullOptions
): Promise<string> => {
  const repository = await describeRepository(options.hub, name, revision)
  const files = modelFiles(repository, ggufFile)
  const folder = modelFolder(options.modelsDir, name)
  await mkdir(folder, { recursive: true })
  await checkRoom(folder, files)
  for (const file of files) {
    await mkdir(dirname(join(folder, file.name)), { recursive: true })
    await downloadFile(repository, file, folder, {
      hub: options.hub,
      sleep: options.sleep,
      onProgress: (bytes) => options.onProgress(file.name, bytes, file.size),
    })
  }
  return ggufFile === null ? folder : join(folder, ggufFile)
}
