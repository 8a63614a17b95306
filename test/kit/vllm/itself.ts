/** vLLM itself, where VLLM_COMMAND says how it is started: what it needs besides, and on a CPU. */
import { existsSync } from 'node:fs'

export const onGpu = existsSync('/dev/nvidiactl')

/** Its attention knows no narrower heads. */
export const WIDE = { hiddenSize: 256, heads: 4 }

/** Memory and cores are everybody's, and vLLM would take every core. */
export const CPU_ENV: Record<string, string> = onGpu ? {} : { VLLM_CPU_OMP_THREADS_BIND: 'nobind' }

/** The numbers of the tests are those of float32. */
const ON_GPU = { ENGINE_DEVICE: 'cuda', ENGINE_DTYPE: 'float32' }

/** It reserves memory for each. With two in a batch it mistakes them for each other on a CPU. */
export const FEW_LORAS = '--max-loras 1 --max-cpu-loras 4'

/**
 * vLLM wants its model before all arguments.
 * @param command ends with `serve`, or has vLLM's own arguments behind it
 */
export const splitCommand = (command: string): { start: string; args: string } => {
  const [, start = command, args = ''] = /^(.*?\sserve)\s+(.*)$/.exec(command) ?? []
  return { start, args }
}

/** The engine's environment. @param command as `splitCommand` */
export const byVllmItself = (command: string): Record<string, string> => {
  const { start, args } = splitCommand(command)
  return {
    ENGINE_VLLM_COMMAND: start,
    ENGINE_VLLM_ARGS: `${FEW_LORAS} ${args}`,
    ENGINE_VLLM_MAX_LORA_RANK: '8',
    ...CPU_ENV,
    ...(onGpu ? ON_GPU : { ENGINE_VLLM_MEMORY: '0.1' }),
  }
}
