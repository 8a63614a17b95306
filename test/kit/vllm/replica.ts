/** `vllm serve` on a port, which finds loras in a folder and is told of none; several behind a balancer. */
import { mkdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { LeashedChild } from '../../../adapters/gpu/leashed-child.ts'
import { freePort } from '../process/free-port.ts'
import { startBalancer } from './balancer.ts'
import { splitCommand } from './itself.ts'

const POLL_MS = 100

/** deploy/vllm.service has them for a real model. */
const ARGUMENTS = [
  '--served-model-name tiny --host 127.0.0.1 --dtype float32 --generation-config vllm',
  '--max-model-len 512 --max-num-batched-tokens 2048 --gpu-memory-utilization 0.1',
  '--enable-lora --max-loras 1 --max-cpu-loras 4 --max-lora-rank 8',
  '--lora-target-modules q_proj k_proj v_proj o_proj gate_proj up_proj down_proj',
].flatMap((line) => line.split(' '))

export interface ReplicaOptions {
  /** shell words, as `ENGINE_VLLM_COMMAND` */
  command: string
  modelPath: string
  /** in which it finds loras */
  loraFolder: string
  env: NodeJS.ProcessEnv
}

export const API_KEY = 'key'

export class Replica {
  private child: LeashedChild | null = null

  private constructor(
    private readonly options: ReplicaOptions,
    readonly port: number
  ) {}

  /** @param port a free one where none is named */
  static async start(options: ReplicaOptions, port?: number): Promise<Replica> {
    const replica = new Replica(options, port ?? (await freePort()))
    await replica.start()
    return replica
  }

  /**
   * On the port that it had, with nothing in its memory.
   * @param more of its environment
   * @throws Error with its last words
   */
  async start(more: NodeJS.ProcessEnv = {}): Promise<void> {
    const { command, modelPath, loraFolder, env } = this.options
    const { start, args } = splitCommand(command)
    const serve = ['sh', '-c', `exec ${start} "$@" ${args}`, 'vllm', modelPath]
    const child = new LeashedChild(
      [...serve, ...ARGUMENTS, '--port', String(this.port)],
      {
        ...env,
        ...more,
        HF_HUB_OFFLINE: '1',
        VLLM_NO_USAGE_STATS: '1',
        VLLM_API_KEY: API_KEY,
        VLLM_ALLOW_RUNTIME_LORA_UPDATING: '1',
        VLLM_PLUGINS: 'lora_filesystem_resolver',
        VLLM_LORA_RESOLVER_CACHE_DIR: loraFolder,
      },
      () => undefined
    )
    this.child = child
    while (!(await this.isHealthy())) {
      if (child.hasEnded) throw new Error(`the replica ended: ${child.lastWords()}`)
      await delay(POLL_MS)
    }
  }

  /** With all its processes. */
  async kill(): Promise<void> {
    await this.child?.end(0)
  }

  private async isHealthy(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.port}/health`)).ok
    } catch {
      return false
    }
  }
}

/** Behind a balancer, which gets the engine's requests. Makes their folder. */
export const startReplicas = async (count: number, options: ReplicaOptions) => {
  mkdirSync(options.loraFolder, { recursive: true })
  const replicas: Replica[] = []
  for (let at = 0; at < count; at++) replicas.push(await Replica.start(options))
  const balancer = await startBalancer(replicas.map(({ port }) => port))
  const addresses = replicas.map(({ port }) => `http://127.0.0.1:${port}`)
  return {
    replicas,
    /** of the engine */
    env: {
      ENGINE_VLLM_URL: [balancer.baseUrl, ...addresses].join(','),
      ENGINE_VLLM_KEY: API_KEY,
      ENGINE_VLLM_MAX_MODEL_LEN: '512',
      ENGINE_VLLM_MAX_LORA_RANK: '8',
      ENGINE_LORA_FOLDER: options.loraFolder,
    },
    close: async (): Promise<void> => {
      balancer.close()
      for (const replica of replicas) await replica.kill()
    },
  }
}
