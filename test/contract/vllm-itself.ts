/** vLLM itself behind the Python engine, where VLLM_COMMAND says how it is started. */
import { existsSync } from 'node:fs'

/** Few loras, because it reserves memory for each. With two in a batch it mistakes them on a CPU. */
const FEW_LORAS = {
  ENGINE_VLLM_MAX_LORAS: '4',
  ENGINE_VLLM_MAX_BATCH_LORAS: '1',
  ENGINE_VLLM_MAX_LORA_RANK: '8',
  ENGINE_VLLM_MEMORY: '0.1',
}

/**
 * The engine's environment.
 * @param command ends with `serve`, or has vLLM's own arguments behind it
 */
export const byVllmItself = (command: string): Record<string, string> => {
  const [, start, args] = /^(.*?\sserve)\s+(.*)$/.exec(command) ?? [null, command, '']
  return {
    ENGINE_SERVING: 'vllm',
    ENGINE_VLLM_COMMAND: start!,
    ENGINE_VLLM_ARGS: args!,
    // without a GPU there is nothing to sleep on
    ENGINE_GPU_SHARING: existsSync('/dev/nvidiactl') ? 'pause' : 'split',
    ...FEW_LORAS,
  }
}
