/** The first part of `bench/gpu.sh`: what is broken, within three minutes. Each check has a line with its cause. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Engine } from '../../src/engine/engine.ts'
import { toAppError } from '../../src/errors.ts'
import { writeRandomModel } from '../../test/kit/model/random-model.ts'
import { TRAINER } from '../../test/kit/process/gpu-process.ts'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import type { Figures } from '../../test/kit/report.ts'
import { orderOf } from '../../test/kit/traffic/shelf-orders.ts'
import {
  gpuLine,
  orderRows,
  startEngine,
  trainLora,
  type PartContext,
  type StartedEngine,
} from './part-context.ts'

const STEPS = 10
const TRAINING_ROWS = 40
/** vLLM's attention knows no narrower heads. */
const WIDE = { hiddenSize: 256, heads: 4 }
const HEAD_WIDTH = WIDE.hiddenSize / WIDE.heads
const PYTHON_MS = 120_000

/** @returns what Python prints; @throws Error with its last line */
const byPython = (code: string): string => {
  const { error, status, stdout, stderr } = spawnSync(TRAINER.python, ['-c', code], {
    encoding: 'utf8',
    cwd: fromRoot('adapters/trainer'),
    timeout: PYTHON_MS,
  })
  if (error) throw error
  if (status !== 0)
    throw new Error(stderr.trim().split('\n').at(-1) || `it ended with exit code ${status}`)
  return stdout.trim()
}

const DEVICE = `
import torch
device = "cuda" if torch.cuda.is_available() else "cpu"
`

const torchCode = (needsGpu: boolean): string => `${DEVICE}
assert ${needsGpu ? 'device == "cuda"' : 'True'}, "torch finds no GPU: " + torch.__version__
values = torch.ones(256, 256, device=device, dtype=torch.bfloat16)
assert float((values @ values)[0, 0]) == 256
import transformers, peft
print("torch", torch.__version__, "transformers", transformers.__version__, "peft", peft.__version__, device)
`

/** On a CPU it has no gradient, so there it is only computed. */
const attentionCode = `${DEVICE}
from attention import block_mask, compile_flex, why_not_flex
if device == "cuda":
    reason = why_not_flex(device, torch.bfloat16, ${HEAD_WIDTH})
    assert reason is None, reason
else:
    values = torch.randn(1, 2, 128, 16)
    with torch.no_grad():
        compile_flex()(values, values, values, block_mask=block_mask(torch.arange(128) // 70))
print("flex attention compiles on", device)
`

/** A check ends with what it found, or throws its cause. */
type Check = () => Promise<string> | string

class Checks {
  readonly figures: Figures = {}

  /** @returns whether it holds; a check whose requirement failed is not made */
  async make(name: string, check: Check, isPossible = true): Promise<boolean> {
    let [holds, value] = [false, 'not made, for one above failed']
    if (isPossible)
      try {
        value = await check()
        holds = true
      } catch (error) {
        value = toAppError(error)
          .message.trim()
          .replaceAll(/\s*\n\s*/g, ' | ')
      }
    process.stdout.write(`check ${name}: ${holds ? 'ok' : 'failed'}: ${value}\n`)
    this.figures[name] = { value: `${holds ? 'ok' : 'failed'}: ${value}`, unit: '', holds }
    return holds
  }
}

/** Trains a lora by a job, and asks it. */
const checkEngine = async (checks: Checks, engine: Engine, dataDir: string): Promise<void> => {
  let lora = ''
  const hasTrained = await checks.make('training', async () => {
    const job = await trainLora(engine, orderRows(TRAINING_ROWS), STEPS)
    const { fine_tuned_model: id, result_metrics: metrics } = job
    if (id === null || metrics === undefined) throw new Error(job.error?.message ?? job.status)
    lora = id
    return `${metrics.steps} steps, ${Math.round(metrics.tokens_per_second)} tokens/s`
  })
  const prove = async (): Promise<string> => {
    if (!existsSync(join(dataDir, 'loras', lora, 'probe.json'))) throw new Error('no probe')
    const ids = (await engine.models()).map(({ id }) => id)
    if (!ids.includes(lora)) throw new Error(`${lora} is not announced`)
    return 'the lora was announced after its probe'
  }
  await checks.make('proof', prove, hasTrained)
  const answer = async (): Promise<string> => {
    const messages = orderOf(1).messages.slice(1)
    const { usage } = await engine.complete({ model: lora, messages, max_tokens: 8 })
    return `${usage?.completion_tokens} tokens`
  }
  await checks.make('answer', answer, hasTrained)
}

export const checkAll = async ({ folder, isDry }: PartContext): Promise<Figures> => {
  const checks = new Checks()
  await checks.make('driver', () => {
    const line = gpuLine()
    if (line === null && !isDry) throw new Error('nvidia-smi finds no GPU')
    return line ?? 'none asked for'
  })
  const hasTorch = await checks.make('torch', () => byPython(torchCode(!isDry)))
  await checks.make('attention', () => byPython(attentionCode), hasTorch)
  const model = join(folder, 'tiny')
  const dataDir = join(folder, 'engine')
  writeRandomModel(model, { seed: 11, ...WIDE })
  // compiling graphs takes a minute, and none of the answers
  const args = isDry ? '' : '--enforce-eager'
  let engine: StartedEngine | undefined
  await checks.make('vllm', async () => {
    engine = await startEngine(model, dataDir, { ENGINE_VLLM_ARGS: args })
    return 'it has started and answers'
  })
  if (engine === undefined) return checks.figures
  try {
    await checkEngine(checks, engine.client, dataDir)
  } finally {
    await engine.process.close()
  }
  return checks.figures
}
