/**
 * The stand-in as a process: only the arguments that the engine gives; any other is an error, as it is
 * for vLLM. `STAND_IN_FOLDER` has `faults.json` (`start`: `exit` or `hang`; others as in `stand-in.ts`)
 * and gets `calls`. `STAND_IN_TOKEN_MS` slows answers down. Its resolver of loras has vLLM's environment.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { getRequestListener } from '@hono/node-server'
import { LINEAR_LAYERS } from '../../../adapters/model/llama-config.ts'
import { createStandIn } from './stand-in.ts'

const folder = process.env['STAND_IN_FOLDER'] ?? '/nonexistent'

const fault = (name: string): unknown => {
  try {
    return JSON.parse(readFileSync(join(folder, 'faults.json'), 'utf8'))[name]
  } catch {
    return undefined
  }
}

const note = (call: string): void => {
  if (existsSync(folder)) appendFileSync(join(folder, 'calls'), `${call}\n`)
}

const text = { type: 'string' as const }
const flag = { type: 'boolean' as const }
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'served-model-name': text,
    uds: text,
    host: text,
    port: text,
    dtype: text,
    'max-model-len': text,
    'max-num-batched-tokens': text,
    'generation-config': text,
    'enable-prefix-caching': flag,
    'enable-lora': flag,
    'max-loras': text,
    'max-cpu-loras': text,
    'max-lora-rank': text,
    'lora-target-modules': text,
    'gpu-memory-utilization': text,
    'disable-uvicorn-access-log': flag,
  },
})
const [modelPath, ...modules] = positionals
if (modules.length !== LINEAR_LAYERS.length - 1) throw new Error(`unknown words: ${modules.join()}`)

note('start')
if (fault('start') === 'exit') {
  process.stderr.write('ValueError: No available memory for the cache blocks.\n')
  process.exit(1)
}
if (fault('start') === 'hang') await delay(3_600_000)

const resolves =
  process.env['VLLM_ALLOW_RUNTIME_LORA_UPDATING'] === '1' &&
  process.env['VLLM_PLUGINS'] === 'lora_filesystem_resolver'
const { app } = await createStandIn({
  modelPath: modelPath!,
  servedName: values['served-model-name']!,
  apiKey: process.env['VLLM_API_KEY']!,
  maxModelLen: Number(values['max-model-len']),
  maxLoraRank: Number(values['max-lora-rank']),
  maxBatchLoras: Number(values['max-loras']),
  resolverFolder: resolves ? (process.env['VLLM_LORA_RESOLVER_CACHE_DIR'] ?? null) : null,
  fingerprint: 'vllm-0.33.0-0000',
  skipsNames: process.env['VLLM_SKIP_MODEL_NAME_VALIDATION'] === '1',
  fault,
  note,
  tokenMs: Number(process.env['STAND_IN_TOKEN_MS'] ?? 0),
  die: () => process.kill(process.pid, 'SIGKILL'),
})
const server = createServer(getRequestListener(app.fetch))
if (values.uds === undefined) server.listen(Number(values.port), '127.0.0.1')
else server.listen(values.uds)
