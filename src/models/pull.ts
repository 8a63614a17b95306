/**
 * Downloads a model from a hub: selects the files of a repository, checks that they fit on the disk,
 * and names their folder. Knows nothing of graphs or engines.
 */
import { mkdir, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors.ts'
import { bytesHere, downloadFile } from './download.ts'
import { describeRepository, type HubFile, type HubOptions, type HubRepository } from './hub.ts'

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
