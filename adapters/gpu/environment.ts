/** Environment variables → how the engine trains and serves. All mistakes are reported at once. Pure. */
import { z } from 'zod'
import { AppError } from '../../src/errors.ts'
import type { LaunchOptions } from '../launch/open-launcher.ts'
import type { VllmOptions } from '../publish/vllm/start-vllm.ts'
import type { TrainingOptions } from './training-on-gpu.ts'

export interface GpuOptions {
  modelPath: string
  /** a folder of a sentence encoder, for heads; null: there are none */
  encoderPath: string | null
  /** a Python with the trainer's packages */
  python: string
  training: TrainingOptions
  launch: LaunchOptions
  replayShare: number
  /** tokens of prompt and answer together that are served */
  maxModelLen: number
  maxLoraRank: number
  vllm: VllmOptions | RunningVllm
  /** settings that are ignored, each with what stands in its place */
  ignored: string[]
}

export interface RunningVllm {
  /** the first gets requests; a lora is proved at all of them */
  urls: readonly [string, ...string[]]
  apiKey: string
  /** in which they find loras; null: the only one loads each from the data directory */
  loraFolder: string | null
  /** a lora's name in `model`, with `{lora}` and `{base}` */
  loraName: string
}

export interface Machine {
  hasGpu: boolean
  /** the trainer's own Python, or one of the system */
  python: string
}

/** Tokens of one forward and backward pass; a GPU is busy with no fewer, a CPU with 4096. */
const GPU_TRAINING_TOKENS = 16_384
const CPU_TRAINING_TOKENS = 4096
/** Ranks that vLLM reserves memory for. */
const RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512]
/** Of the GPU's memory, where a training has most of the other half. */
const SERVING_SHARE = 0.45
/** What neither training nor serving counts. */
const REST = 0.05

const GONE: Record<string, string> = {
  ENGINE_SERVING: 'vLLM serves always; without a GPU use the embedded engine',
  ENGINE_MAX_LORAS: 'ENGINE_VLLM_MAX_LORAS',
  ENGINE_MAX_RUNNING: 'vLLM decides',
  ENGINE_PROCESSES: 'one GPU trains a job',
  ENGINE_SHARD_BASE: 'one GPU trains a job; ENGINE_FOUR_BIT trains larger models',
  ENGINE_GPU_SHARING: 'ENGINE_VLLM_MEMORY divides the GPU’s memory',
  ENGINE_CHECKPOINT_URL: 'ENGINE_DATA_DIR on a disk that outlives the machine',
}

const number = z.coerce.number({ error: 'must be a number' })
const count = number.int().min(1)
const share = number.min(0).max(1)
const flag = z
  .enum(['true', 'false', '1', '0'], { error: 'must be true or false' })
  .transform((text) => text === 'true' || text === '1')
/** `fetch` refuses one with a password, and names it in its error. */
const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http URL', abort: true })
  .refine((text) => {
    const { username, password } = new URL(text)
    return `${username}${password}` === ''
  }, 'must have no user and no password; a key has a setting of its own')
const absolute = z.string().startsWith('/', { error: 'must be an absolute path' })

/** Separated by commas. */
const addresses = z
  .string()
  .transform((text) => text.split(',').map((url) => url.trim()))
  .pipe(z.tuple([httpUrl], httpUrl))

/** Of `model` for a lora. Ray Serve has `{base}:{lora}`. */
const LORA_NAME = '{lora}'

const schema = z.object({
  ENGINE_MODEL: z.string({ error: 'must be set: the Hugging Face folder of the base model' }),
  ENGINE_ENCODER: z.string().optional(),
  ENGINE_PYTHON: z.string().optional(),
  ENGINE_DEVICE: z
    .string()
    .regex(/^(cpu|cuda(:\d+)?)$/, { error: 'must be cpu, cuda or cuda:N' })
    .optional(),
  ENGINE_DTYPE: z.enum(['float32', 'bfloat16']).optional(),
  ENGINE_FOUR_BIT: flag.default(false),
  ENGINE_GRADIENT_CHECKPOINTING: flag.optional(),
  ENGINE_ATTENTION: z.enum(['sdpa', 'flex']).optional(),
  ENGINE_MAX_TRAINING_TOKENS: count.optional(),
  ENGINE_CHECKPOINT_SECONDS: number.min(0).default(60),
  ENGINE_EARLY_STOP_PATIENCE: number.int().min(0).default(0),
  ENGINE_REPLAY_SHARE: share.default(0),
  ENGINE_THREADS: count.optional(),
  ENGINE_LAUNCH: z.enum(['local', 'skypilot', 'dstack']).default('local'),
  ENGINE_LAUNCH_TEMPLATE: z.string().optional(),
  ENGINE_LAUNCH_DATA_DIR: absolute.optional(),
  ENGINE_LAUNCH_MODEL: absolute.optional(),
  ENGINE_SKYPILOT_COMMAND: z.string().default('sky'),
  ENGINE_DSTACK_URL: httpUrl.optional(),
  ENGINE_DSTACK_TOKEN: z.string().optional(),
  ENGINE_DSTACK_PROJECT: z.string().default('main'),
  ENGINE_VLLM_URL: addresses.optional(),
  ENGINE_VLLM_KEY: z.string().default(''),
  ENGINE_LORA_FOLDER: z.string().optional(),
  ENGINE_LORA_NAME: z
    .string()
    .includes(LORA_NAME, { error: `must contain ${LORA_NAME}` })
    .default(LORA_NAME),
  ENGINE_VLLM_COMMAND: z.string().optional(),
  ENGINE_VLLM_ARGS: z.string().default(''),
  ENGINE_VLLM_MEMORY: number.gt(0).max(1).default(SERVING_SHARE),
  ENGINE_VLLM_MAX_LORAS: count.default(32),
  ENGINE_VLLM_MAX_BATCH_LORAS: count.default(8),
  ENGINE_VLLM_MAX_LORA_RANK: number
    .refine((rank) => RANKS.includes(rank), { error: `must be one of ${RANKS.join(', ')}` })
    .default(32),
  // vLLM does not start where not one request of this length fits: a token of Qwen3 8B takes 2 · 36
  // layers · 8 heads · 128 · 2 bytes = 147 kB, 16,384 take 2.4 GB beside weights of 16.4 GB on 24 GB
  ENGINE_VLLM_MAX_MODEL_LEN: count.default(16_384),
  ENGINE_VLLM_START_SECONDS: number.gt(0).default(900),
})

type Read = z.infer<typeof schema>

const needed = (read: Read, names: (keyof Read)[]): string[] =>
  names
    .filter((name) => read[name] === undefined)
    .map((name) => `ENGINE_LAUNCH=${read.ENGINE_LAUNCH} needs ${name}`)

const faultsOf = (read: Read, device: string): string[] => [
  ...(device === 'cpu' && read.ENGINE_ATTENTION === 'flex'
    ? ['ENGINE_ATTENTION=flex trains on a GPU only: set ENGINE_ATTENTION=sdpa']
    : []),
  ...(device === 'cpu' && read.ENGINE_FOUR_BIT
    ? ['ENGINE_FOUR_BIT trains on a GPU only: unset it']
    : []),
  ...(read.ENGINE_LAUNCH === 'local' ? [] : needed(read, ['ENGINE_LAUNCH_TEMPLATE'])),
  ...(read.ENGINE_LAUNCH === 'dstack'
    ? needed(read, ['ENGINE_DSTACK_URL', 'ENGINE_DSTACK_TOKEN'])
    : []),
  ...(read.ENGINE_VLLM_MAX_BATCH_LORAS > read.ENGINE_VLLM_MAX_LORAS
    ? ['ENGINE_VLLM_MAX_BATCH_LORAS must be at most ENGINE_VLLM_MAX_LORAS']
    : []),
  ...(read.ENGINE_LORA_FOLDER !== undefined && read.ENGINE_VLLM_URL === undefined
    ? ['ENGINE_LORA_FOLDER is read by servers that run already: set ENGINE_VLLM_URL']
    : []),
  ...(read.ENGINE_LORA_FOLDER === undefined && (read.ENGINE_VLLM_URL?.length ?? 0) > 1
    ? ['several addresses in ENGINE_VLLM_URL find loras in a shared folder: set ENGINE_LORA_FOLDER']
    : []),
  ...(read.ENGINE_LORA_FOLDER === undefined && read.ENGINE_LORA_NAME !== LORA_NAME
    ? ['ENGINE_LORA_NAME is the name of loras in ENGINE_LORA_FOLDER: set that, too']
    : []),
]

const trainingOf = (read: Read, device: string): TrainingOptions => {
  const onGpu = device !== 'cpu'
  const isShared = onGpu && read.ENGINE_VLLM_URL === undefined && read.ENGINE_LAUNCH === 'local'
  return {
    device,
    dtype: read.ENGINE_DTYPE ?? (onGpu ? 'bfloat16' : 'float32'),
    four_bit: read.ENGINE_FOUR_BIT,
    gradient_checkpointing: read.ENGINE_GRADIENT_CHECKPOINTING ?? null,
    attention: read.ENGINE_ATTENTION ?? null,
    max_tokens:
      read.ENGINE_MAX_TRAINING_TOKENS ?? (onGpu ? GPU_TRAINING_TOKENS : CPU_TRAINING_TOKENS),
    checkpoint_seconds: read.ENGINE_CHECKPOINT_SECONDS,
    early_stop_patience: read.ENGINE_EARLY_STOP_PATIENCE,
    threads: read.ENGINE_THREADS ?? null,
    memory_share: isShared ? Math.max(REST, 1 - REST - read.ENGINE_VLLM_MEMORY) : 1,
  }
}

const launchOf = (read: Read): LaunchOptions => {
  const { ENGINE_LAUNCH: by, ENGINE_LAUNCH_TEMPLATE: template = '' } = read
  const there = {
    template,
    dataDir: read.ENGINE_LAUNCH_DATA_DIR ?? null,
    model: read.ENGINE_LAUNCH_MODEL ?? null,
  }
  if (by === 'local') return { by }
  if (by === 'skypilot') return { by, ...there, command: read.ENGINE_SKYPILOT_COMMAND }
  const { ENGINE_DSTACK_URL: url = '', ENGINE_DSTACK_TOKEN: token = '' } = read
  return { by, ...there, url: url.replace(/\/$/, ''), token, project: read.ENGINE_DSTACK_PROJECT }
}

const vllmOf = (read: Read, python: string): GpuOptions['vllm'] =>
  read.ENGINE_VLLM_URL === undefined
    ? {
        command: read.ENGINE_VLLM_COMMAND ?? `'${python}' -m vllm.entrypoints.cli.main serve`,
        arguments: read.ENGINE_VLLM_ARGS,
        memoryShare: read.ENGINE_VLLM_MEMORY,
        maxLoras: read.ENGINE_VLLM_MAX_LORAS,
        maxBatchLoras: read.ENGINE_VLLM_MAX_BATCH_LORAS,
        maxLoraRank: read.ENGINE_VLLM_MAX_LORA_RANK,
        startMs: 1000 * read.ENGINE_VLLM_START_SECONDS,
      }
    : {
        urls: read.ENGINE_VLLM_URL,
        apiKey: read.ENGINE_VLLM_KEY,
        loraFolder: read.ENGINE_LORA_FOLDER ?? null,
        loraName: read.ENGINE_LORA_NAME,
      }

/**
 * The variables are in README.md; an empty one counts as not set.
 * @throws AppError `invalid-config` with every mistake
 */
export const readGpuOptions = (env: NodeJS.ProcessEnv, machine: Machine): GpuOptions => {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = schema.safeParse(given)
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new AppError('invalid-config', faults.join('; '))
  }
  const read = parsed.data
  const trainsHere = read.ENGINE_LAUNCH === 'local'
  const device = read.ENGINE_DEVICE ?? (machine.hasGpu || !trainsHere ? 'cuda' : 'cpu')
  const faults = faultsOf(read, device)
  if (faults.length > 0) throw new AppError('invalid-config', faults.join('; '))
  const python = read.ENGINE_PYTHON ?? machine.python
  return {
    modelPath: read.ENGINE_MODEL,
    encoderPath: read.ENGINE_ENCODER ?? null,
    python,
    training: trainingOf(read, device),
    launch: launchOf(read),
    replayShare: read.ENGINE_REPLAY_SHARE,
    maxModelLen: read.ENGINE_VLLM_MAX_MODEL_LEN,
    maxLoraRank: read.ENGINE_VLLM_MAX_LORA_RANK,
    vllm: vllmOf(read, python),
    ignored: Object.entries(GONE)
      .filter(([name]) => given[name] !== undefined)
      .map(([name, instead]) => `${name} is ignored: ${instead}`),
  }
}
