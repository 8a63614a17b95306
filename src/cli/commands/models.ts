import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { baseUrlSchema } from '../../config/environment.ts'
import { AppError } from '../../errors.ts'
import { KNOWN_MODELS } from '../../models/known.ts'
import { packageFolder } from '../../package-folder.ts'
import { modelFolder, pullModel, type PullRequest } from '../../models/pull.ts'
import { readConfig } from '../context.ts'
import { openScreen, print, table, type OutputOptions } from '../output.ts'

const HUB_TIMEOUT_MS = 30_000

const HUB = 'https://huggingface.co'

/**
 * The hub's own variables, which its other programs read too.
 * @throws AppError `invalid-config`, without the URL
 */
const hubOf = ({ HF_ENDPOINT, HF_TOKEN }: NodeJS.ProcessEnv) => {
  const endpoint = baseUrlSchema('HF_TOKEN').safeParse(HF_ENDPOINT || HUB)
  if (!endpoint.success)
    throw new AppError('invalid-config', `HF_ENDPOINT: ${endpoint.error.issues[0]?.message}`)
  return { endpoint: endpoint.data, token: HF_TOKEN || null }
}

const modelsDir = (): string => join(readConfig().dataDir, 'models')

/** Models that were pulled completely: GGUF files, and folders with weights. */
const pulledModels = (folder: string): string[] => {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    const files = readdirSync(path)
    const isFolder = files.includes('config.json') && !files.some((file) => file.endsWith('.part'))
    return [
      ...(isFolder && files.some((file) => file.endsWith('.safetensors')) ? [path] : []),
      ...files.filter((file) => file.endsWith('.gguf')).map((file) => join(path, file)),
    ]
  })
}

/** The line of the environment that makes the engine use a model. */
const settingFor = (path: string): string =>
  `${existsSync(join(path, 'modules.json')) ? 'ENCODER_PATH' : 'MODEL_PATH'}=${path}`

const list = (options: OutputOptions): void => {
  const folder = modelsDir()
  const pulled = pulledModels(folder)
  const known = KNOWN_MODELS.map((model) => {
    const { name, repository } = model
    if (repository === null) return { ...model, path: join(packageFolder(), 'models', name) }
    const path = modelFolder(folder, repository)
    return { ...model, path: pulled.includes(path) ? path : null }
  })
  const others = pulled.filter((path) => !known.some((model) => model.path === path))
  if (options.json) return print({ known, others })
  const paths = [...known.flatMap(({ path }) => path ?? []), ...others]
  print(
    [
      table([
        ['name', 'kind', 'parameters', 'size', 'licence', 'downloaded'],
        ...known.map(({ name, kind, parameters, megabytes, licence, path }) => [
          name,
          kind,
          parameters,
          `${megabytes} MB`,
          licence,
          path === null ? 'no' : 'yes',
        ]),
      ]),
      paths.map(settingFor).join('\n'),
      'promptintern models pull <name> downloads a model',
    ].join('\n\n')
  )
}

/** `name`, `owner/name` or `owner/name:file.gguf`. */
const requestOf = (wanted: string, revision: string): PullRequest => {
  const [name = '', ggufFile = null] = wanted.split(':')
  const known = KNOWN_MODELS.find((model) => model.name === name)
  if (known === undefined && !name.includes('/'))
    throw new AppError(
      'not-found',
      `unknown model ${name}: give owner/name of a model on the hub, or one of ${KNOWN_MODELS.map((model) => model.name).join(', ')}`
    )
  if (known?.repository === null)
    throw new AppError(
      'invalid-request',
      `${name} ships with the package: promptintern models list shows its path`
    )
  return { repository: known?.repository ?? name, revision, ggufFile }
}

const pull = async (
  wanted: string,
  { revision, json }: OutputOptions & { revision: string }
): Promise<void> => {
  const { logLevel } = readConfig()
  const hub = hubOf(process.env)
  const request = requestOf(wanted, revision)
  const { progress } = openScreen(logLevel)
  const path = await pullModel(request, {
    hub: { ...hub, fetch, timeoutMs: HUB_TIMEOUT_MS },
    modelsDir: modelsDir(),
    onProgress: (name, bytes, total) =>
      progress.update(name, bytes, total, `${Math.round(bytes / 1e6)} MB`),
    sleep,
  }).finally(() => progress.stop())
  print(json ? { path } : settingFor(path))
}

const checkEncoder = async (path: string, options: OutputOptions): Promise<void> => {
  const { checkEncoder: checkFolder } = await import('../../../adapters/onnx/check-encoder.ts')
  const found = await checkFolder(path)
  if (options.json) return print(found)
  const { alike, unlike } = found.similarity
  print(
    table([
      ['encoder', found.name],
      ['parameters', `${(found.parameters / 1e6).toFixed(1)}M`],
      ['shape', `${found.layers} layers of ${found.hiddenSize}, ${found.pooling} pooling`],
      ['context', `${found.contextTokens} tokens`],
      ['vocabulary', `${found.vocabulary} tokens`],
      ['fingerprint', found.fingerprint],
      [
        'similarity',
        `${alike.toFixed(2)} for similar questions, ${unlike.toFixed(2)} for different ones`,
      ],
    ])
  )
}

const check = async (path: string, options: OutputOptions): Promise<void> => {
  const { isEncoderFolder } = await import('../../../adapters/onnx/check-encoder.ts')
  if (isEncoderFolder(path)) return checkEncoder(path, options)
  const { checkModel } = await import('../../../adapters/onnx/check-model.ts')
  const found = await checkModel(path)
  if (options.json) return print(found)
  print(
    table([
      ['model', found.name],
      ['parameters', `${(found.parameters / 1e6).toFixed(1)}M`],
      ['shape', `${found.layers} layers of ${found.hiddenSize}`],
      ['context', `${found.contextTokens} tokens`],
      ['vocabulary', `${found.vocabulary} tokens`],
      ['fingerprint', found.fingerprint.slice(0, 16)],
      ['first token', `${JSON.stringify(found.firstToken)} (${found.firstLogprob.toFixed(2)})`],
    ])
  )
}

export const modelsCommand = (): Command =>
  new Command('models')
    .description('list, download and check models of the embedded engine')
    .helpCommand(false)
    .addCommand(
      new Command('list')
        .description('list the supported models and the downloaded ones')
        .option('--json', 'print JSON')
        .action(list)
    )
    .addCommand(
      new Command('pull')
        .description(
          'download a model from the Hugging Face hub, or resume an interrupted download'
        )
        .argument('<model>', 'a name from models list, owner/name, or owner/name:file.gguf')
        .option('--revision <name>', 'branch, tag or commit', 'main')
        .option('--json', 'print JSON')
        .action(pull)
    )
    .addCommand(
      new Command('check')
        .description('load and try a model or an encoder, or report the reason why it fails')
        .argument('<path>', 'a GGUF file or a Hugging Face folder')
        .option('--json', 'print JSON')
        .action(check)
    )
