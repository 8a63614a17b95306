/** vLLM itself behind the GPU engine, where VLLM_COMMAND says how it is started. */
import { existsSync } from 'node:fs'

/** It reserves memory for each. With two in a batch it mistakes them for each other on a CPU. */
const FEW_LORAS = {
  ENGINE_VLLM_MAX_LORAS: '4',
  ENGINE_VLLM_MAX_BATCH_LORAS: '1',
  ENGINE_VLLM_MAX_LORA_RANK: '8',
}

/** The numbers of the tests are those of float32. */
const ON_GPU = { ENGINE_DEVICE: 'cuda', ENGINE_DTYPE: 'float32' }

/** Memory and cores are everybody's, and vLLM would take every core. */
const WITHOUT_GPU = {
  ENGINE_VLLM_MEMORY: '0.1',
  VLLM_CPU_OMP_THREADS_BIND: 'nobind',
}

/**
 * The engine's environment.
 * @param command ends with `serve`, or has vLLM's own arguments behind it
 */
export const byVllmItself = (command: string): Record<string, string> => {
  const [, start, args] = /^(.*?\sserve)\s+(.*)$/.exec(command) ?? [null, command, '']
  return {
    ENGINE_VLLM_COMMAND: start!,
    ENGINE_VLLM_ARGS: args!,
    ...FEW_LORAS,
    ...(existsSync('/dev/nvidiactl') ? ON_GPU : WITHOUT_GPU),
  }
}
