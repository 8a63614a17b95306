/** vLLM put together: how it is started, a private folder for its socket, its process; or one that runs already. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, fetch as fetchBy } from 'undici'
import type { Log } from '../../host/log.ts'
import { LINEAR_LAYERS } from '../../model/llama-config.ts'
import type { BaseModel } from '../../model/open-model.ts'
import type { VllmServer } from './proofs.ts'
import { VllmClient } from './vllm-client.ts'
import { VllmProcess } from './vllm-process.ts'

export interface VllmOptions {
  /** shell words before the model and the arguments that are set here */
  command: string
  /** shell words after them: whatever else `vllm serve` takes */
  arguments: string
  /** of the GPU's memory */
  memoryShare: number
  /**
   * The worker's jobs have 16 or 32. vLLM reserves it for every lora of a batch and computes with it:
   * for Llama 3.1 8B, 32 layers of 81,920 in- and outputs, 168 MB each with 32, 336 with 64.
   */
  maxLoraRank: number
}

/**
 * Tokens of one step. vLLM computes the log-probabilities of a whole prompt at once, in bfloat16 and
 * float32, and does not count on it when it takes its share of the memory (pull request 52054): at its
 * default of 8,192 and Qwen3's 151,936 tokens that is 8192 · 151,936 · 6 bytes = 7.5 GB. 2,048 take 1.9
 * GB, for which a tenth of 24 GB has room. They keep an H100 busy, which computes as long as it reads
 * weights at 296 tokens.
 */
const MAX_BATCHED_TOKENS = 2048

/**
 * Loras in GPU memory, and so in one batch, and in host memory, ready to serve. A last `--max-loras` in ENGINE_VLLM_ARGS
 * replaces them.
 */
const MAX_BATCH_LORAS = 8
const MAX_LORAS = 32

/** Of a start: weights of 16 GB from a slow disk, and the compilation of vLLM's graphs. */
const START_MS = 900_000

/** Arguments as words of a command line; true has no value. */
const wordsOf = (values: Record<string, string | number | string[] | true>): string[] =>
  Object.entries(values).flatMap(([name, value]) => [
    `--${name}`,
    ...(value === true ? [] : [value].flat().map(String)),
  ])

/** Names as `vllm serve` of version 0.33 has them. @param dtype in which it computes */
export const serveCommand = (
  options: VllmOptions,
  { modelPath, base, dtype }: { modelPath: string; base: BaseModel; dtype: string },
  socket: string
): string[] => [
  // a shell reads command and arguments as the administrator wrote them
  'sh',
  '-c',
  `exec ${options.command} "$@" ${options.arguments}`,
  'vllm',
  modelPath,
  ...wordsOf({
    'served-model-name': base.name,
    uds: socket,
    dtype,
    'max-model-len': base.config.maxPositions,
    'max-num-batched-tokens': MAX_BATCHED_TOKENS,
    // sampling is what the request says, not what the model's folder recommends
    'generation-config': 'vllm',
    'enable-prefix-caching': true,
    'enable-lora': true,
    'max-loras': MAX_BATCH_LORAS,
    'max-cpu-loras': MAX_LORAS,
    'max-lora-rank': options.maxLoraRank,
    // not the output layer, whose rows vLLM 0.32 mistakes when it scores prompts
    'lora-target-modules': LINEAR_LAYERS.map((name) => name.slice(name.indexOf('.') + 1)),
    'gpu-memory-utilization': options.memoryShare,
    'disable-uvicorn-access-log': true,
  }),
]

/**
 * The key is no argument, because every user can read those. vLLM has no argument for one GPU of several:
 * `cuda:N` is the N-th of those that this process sees, and the only one that vLLM sees.
 */
export const serveEnvironment = (
  given: NodeJS.ProcessEnv,
  apiKey: string,
  device: string
): NodeJS.ProcessEnv => {
  const env = Object.fromEntries(
    Object.entries(given).filter(([name]) => !name.startsWith('ENGINE_'))
  )
  const index = device.split(':')[1]
  const seen = env['CUDA_VISIBLE_DEVICES']
  const gpu = index === undefined ? undefined : seen ? seen.split(',')[Number(index)] : index
  return {
    // the model is a folder; nothing is fetched and nothing reported
    HF_HUB_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
    ...env,
    PYTHONUNBUFFERED: '1',
    VLLM_ALLOW_RUNTIME_LORA_UPDATING: '1',
    VLLM_API_KEY: apiKey,
    ...(gpu !== undefined && { CUDA_VISIBLE_DEVICES: gpu }),
  }
}

/** Answers may take as long as their clients wait; a connection each, for the host has the limit. */
const fetchOver = (socketPath?: string): { fetch: typeof fetch; agent: Agent } => {
  const agent = new Agent({
    connections: null,
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(socketPath !== undefined && { connect: { socketPath } }),
  })
  const fetchOne = (url: string, init: object) => fetchBy(url, { ...init, dispatcher: agent })
  return { fetch: fetchOne as unknown as typeof fetch, agent }
}

/**
 * Starts vLLM and keeps it running. It can serve when this resolves.
 * @throws AppError `engine-unavailable` with vLLM's last words and what to do
 */
export const startVllm = async (
  options: VllmOptions,
  model: { modelPath: string; base: BaseModel; dtype: string; device: string },
  env: NodeJS.ProcessEnv,
  log: Log
): Promise<VllmServer> => {
  // a socket in a folder of this user's: a port would open the routes that vLLM guards with no key to
  // every user of the machine
  const room = mkdtempSync(join(tmpdir(), 'vllm-'))
  const socket = join(room, 'socket')
  const apiKey = randomBytes(32).toString('base64url')
  const { fetch, agent } = fetchOver(socket)
  const baseUrl = 'http://vllm'
  const client = new VllmClient({ baseUrl, apiKey, fetch }, () => undefined)
  const running = new VllmProcess({
    command: serveCommand(options, model, socket),
    env: serveEnvironment(env, apiKey, model.device),
    startMs: START_MS,
    isHealthy: async () => existsSync(socket) && client.isHealthy(),
    beforeStart: () => rmSync(socket, { force: true }),
    log,
  })
  const close = async (): Promise<void> => {
    await running.close()
    await agent.destroy()
    rmSync(room, { recursive: true, force: true })
  }
  try {
    await running.start()
  } catch (error) {
    await close()
    throw error
  }
  return {
    baseUrl,
    apiKey,
    fetch,
    replicas: [],
    incarnation: () => running.incarnation(),
    requireRunning: () => running.requireRunning(),
    waitRunning: () => running.waitRunning(),
    close,
  }
}

/** One or several that run already, the first of which gets the requests. */
export const reachVllm = (
  [url, ...replicas]: readonly [string, ...string[]],
  apiKey: string
): VllmServer => {
  const { fetch, agent } = fetchOver()
  const addressOf = (base: string) => ({ baseUrl: base.replace(/\/+$/, ''), apiKey, fetch })
  return {
    ...addressOf(url),
    replicas: replicas.map(addressOf),
    incarnation: () => 0,
    requireRunning: () => undefined,
    waitRunning: async () => undefined,
    close: () => agent.destroy(),
  }
}
