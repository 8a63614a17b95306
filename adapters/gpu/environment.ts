/** Environment variables → how the engine trains and serves. All mistakes are reported at once. Pure. */
import { z } from 'zod'
import { AppError } from '../../src/errors.ts'
import { goneSettings } from '../../src/gone.ts'
import type { VllmOptions } from './vllm/start-vllm.ts'
import type { TrainingOptions } from './train.ts'

export interface GpuOptions {
  modelPath: string
  /** a folder of a sentence encoder, for heads; null: there are none */
  encoderPath: string | null
  /** a Python with the trainer's packages */
  python: string
  training: TrainingOptions
  /** for a shell; null: the trainer here */
  trainCommand: string | null
  /** tokens of prompt and answer together that are served */
  maxModelLen: number
  maxLoraRank: number
  vllm: VllmOptions | RunningVllm
}

export interface RunningVllm {
  /** the first gets requests; a lora is proved at all of them */
  urls: readonly [string, ...string[]]
  apiKey: string
  /** in which they find loras; null: the only one loads each from the data directory */
  loraFolder: string | null
}

export interface Machine {
  hasGpu: boolean
  /** the trainer's own Python, or one of the system */
  python: string
}

/**
 * Tokens of one forward and backward pass; a GPU is busy with no fewer, a CPU with 4096. The trainer halves them by
 * itself where memory is too small.
 */
const GPU_TRAINING_TOKENS = 16_384
const CPU_TRAINING_TOKENS = 4096
/** Ranks that vLLM reserves memory for. */
const RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512]
/** Of the GPU's memory, where a training has most of the other half. */
const SERVING_SHARE = 0.45
/** What neither training nor serving counts. */
const REST = 0.05

const number = z.coerce.number({ error: 'must be a number' })
const count = number.int().min(1)
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

/** Separated by commas. */
const addresses = z
  .string()
  .transform((text) => text.split(',').map((url) => url.trim()))
  .pipe(z.tuple([httpUrl], httpUrl))

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
  ENGINE_CHECKPOINT_SECONDS: number.min(0).default(60),
  ENGINE_THREADS: count.optional(),
  ENGINE_TRAIN_COMMAND: z.string().optional(),
  ENGINE_VLLM_URL: addresses.optional(),
  ENGINE_VLLM_KEY: z.string().default(''),
  ENGINE_LORA_FOLDER: z.string().optional(),
  ENGINE_VLLM_COMMAND: z.string().optional(),
  ENGINE_VLLM_ARGS: z.string().default(''),
  ENGINE_VLLM_MEMORY: number.gt(0).max(1).default(SERVING_SHARE),
  ENGINE_VLLM_MAX_LORA_RANK: number
    .refine((rank) => RANKS.includes(rank), { error: `must be one of ${RANKS.join(', ')}` })
    .default(32),
  // vLLM does not start where not one request of this length fits: a token of Qwen3 8B takes 2 · 36
  // layers · 8 heads · 128 · 2 bytes = 147 kB, 16,384 take 2.4 GB beside weights of 16.4 GB on 24 GB
  ENGINE_VLLM_MAX_MODEL_LEN: count.default(16_384),
})

type Read = z.infer<typeof schema>

const faultsOf = (read: Read, device: string): string[] => [
  ...(device === 'cpu' && read.ENGINE_FOUR_BIT
    ? ['ENGINE_FOUR_BIT trains on a GPU only: unset it']
    : []),
  ...(read.ENGINE_LORA_FOLDER !== undefined && read.ENGINE_VLLM_URL === undefined
    ? ['ENGINE_LORA_FOLDER is read by servers that run already: set ENGINE_VLLM_URL']
    : []),
  ...(read.ENGINE_LORA_FOLDER === undefined && (read.ENGINE_VLLM_URL?.length ?? 0) > 1
    ? ['several addresses in ENGINE_VLLM_URL find loras in a shared folder: set ENGINE_LORA_FOLDER']
    : []),
]

const trainingOf = (read: Read, device: string): TrainingOptions => {
  const onGpu = device !== 'cpu'
  const isShared =
    onGpu && read.ENGINE_VLLM_URL === undefined && read.ENGINE_TRAIN_COMMAND === undefined
  return {
    device,
    dtype: read.ENGINE_DTYPE ?? (onGpu ? 'bfloat16' : 'float32'),
    four_bit: read.ENGINE_FOUR_BIT,
    max_tokens: onGpu ? GPU_TRAINING_TOKENS : CPU_TRAINING_TOKENS,
    checkpoint_seconds: read.ENGINE_CHECKPOINT_SECONDS,
    threads: read.ENGINE_THREADS ?? null,
    memory_share: isShared ? Math.max(REST, 1 - REST - read.ENGINE_VLLM_MEMORY) : 1,
  }
}

const vllmOf = (read: Read, python: string): GpuOptions['vllm'] =>
  read.ENGINE_VLLM_URL === undefined
    ? {
        command: read.ENGINE_VLLM_COMMAND ?? `'${python}' -m vllm.entrypoints.cli.main serve`,
        arguments: read.ENGINE_VLLM_ARGS,
        memoryShare: read.ENGINE_VLLM_MEMORY,
        maxLoraRank: read.ENGINE_VLLM_MAX_LORA_RANK,
      }
    : {
        urls: read.ENGINE_VLLM_URL,
        apiKey: read.ENGINE_VLLM_KEY,
        loraFolder: read.ENGINE_LORA_FOLDER ?? null,
      }

/**
 * The variables are in README.md; an empty one counts as not set.
 * @throws AppError `invalid-config` with every mistake
 */
export const readGpuOptions = (env: NodeJS.ProcessEnv, machine: Machine): GpuOptions => {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  // those of a proxy, whose environment it may share, are not its own
  const own = Object.entries(given).filter(([name]) => name.startsWith('ENGINE_'))
  const gone = goneSettings(Object.fromEntries(own))
  const parsed = schema.safeParse(given)
  if (!parsed.success || gone.length > 0) {
    const issues = parsed.error?.issues ?? []
    const faults = issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new AppError('invalid-config', [...gone, ...faults].join('; '))
  }
  const read = parsed.data
  const trainsHere = read.ENGINE_TRAIN_COMMAND === undefined
  const device = read.ENGINE_DEVICE ?? (machine.hasGpu || !trainsHere ? 'cuda' : 'cpu')
  const faults = faultsOf(read, device)
  if (faults.length > 0) throw new AppError('invalid-config', faults.join('; '))
  const python = read.ENGINE_PYTHON ?? machine.python
  return {
    modelPath: read.ENGINE_MODEL,
    encoderPath: read.ENGINE_ENCODER ?? null,
    python,
    training: trainingOf(read, device),
    trainCommand: read.ENGINE_TRAIN_COMMAND ?? null,
    maxModelLen: read.ENGINE_VLLM_MAX_MODEL_LEN,
    maxLoraRank: read.ENGINE_VLLM_MAX_LORA_RANK,
    vllm: vllmOf(read, python),
  }
}
