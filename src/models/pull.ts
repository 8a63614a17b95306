/**
 * Brings a model from a hub: which of a repository's files make one, whether they fit on the disk,
 * and where they go. Knows nothing of graphs or engines.
 */
import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { bytesHere, downloadFile } from './download.ts'
import { describeRepository, type HubFile, type HubOptions, type HubRepository } from './hub.ts'

export interface PullRequest {
  /** `owner/name` */
  repository: string
  revision: string
  /** one GGUF file of the repository; null takes the folder of safetensors */
  ggufFile: string | null
}

export interface PullOptions {
  hub: HubOptions
  /** folder that holds a folder a model */
  modelsDir: string
  onProgress: (name: string, bytes: number, total: number) => void
  retryMs: number
}

const WEIGHTS = /^model(-\d+-of-\d+)?\.safetensors$/
const BESIDE_WEIGHTS = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'model.safetensors.index.json',
])
const LICENCE = /^(licen[cs]e|notice)(\.\w+)?$/i

const isGguf = ({ name }: HubFile): boolean => name.endsWith('.gguf')

/** Files at the top alone: a name with a folder in it never leaves the hub. */
const topFiles = ({ files }: HubRepository): HubFile[] =>
  files.filter(({ name }) => !/[/\\]/.test(name) && name !== '..')

/**
 * The files that make a model.
 * @throws AppError `not-found` that says what the repository has instead
 */
export const modelFiles = (repository: HubRepository, ggufFile: string | null): HubFile[] => {
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
      `${folder} has room for ${bavail * bsize} bytes, the model needs ${needed} more`
    )
}

/** Where a repository's files go. */
export const modelFolder = (modelsDir: string, repository: string): string =>
  join(modelsDir, repository.replace('/', '--'))

/**
 * @returns the path to give as `MODEL_PATH`
 * @throws AppError `invalid-request`, `not-found`, `unauthorized`, `hub-unavailable`, `disk-full`,
 * `checksum-mismatch`; what the disk throws
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
  for (const file of files)
    await downloadFile(repository, file, folder, {
      hub: options.hub,
      retryMs: options.retryMs,
      onProgress: (bytes) => options.onProgress(file.name, bytes, file.size),
    })
  return ggufFile === null ? folder : join(folder, ggufFile)
}
