/**
 * One process of `engine.ts`: requests a second with one lora and with a hundred whose matrices do not
 * all fit into memory at once; one line of JSON.
 *
 *   tsx bench/engine/loras-process.ts <model> <threads> <rank>
 */
import { fuseLora } from '../../adapters/onnx/generate/fused-lora.ts'
import { createGenerator, type Generator } from '../../adapters/onnx/generate/generator.ts'
import { loadModel } from '../../adapters/onnx/model/load-model.ts'
import { answer, randomLora, randomPrompt } from '../decoding/answer.ts'
import { inLanes } from '../harness/lanes.ts'

const LORAS = 100
const REQUESTS = 300
const LANES = 8
const PROMPT_TOKENS = 24
const ANSWER_TOKENS = 8
/** of the hundred, how many fit at once, the second copy of those in one batch included */
const RESIDENT = 24

const [path, threads, rank] = process.argv.slice(2)
const model = await loadModel(path!, 'auto')
const { config } = model
const lora = randomLora(config, Number(rank))
let loads = 0
const generator: Generator = await createGenerator({
  config,
  weights: model.weights,
  loadLora: async () => {
    loads += 1
    return lora
  },
  threads: Number(threads),
  expectsLoras: true,
  maxLoraBytes: RESIDENT * fuseLora(config, 'lora', lora).bytes,
})

/** Requests a second, and how many failed. */
const throughput = async (nameOf: (index: number) => string) => {
  const names = Array.from({ length: REQUESTS }, (_, index) => nameOf(index))
  let failed = 0
  const begun = performance.now()
  await inLanes(LANES, names, async (name) => {
    const promptIds = randomPrompt(config, PROMPT_TOKENS)
    await answer(generator, { promptIds, lora: name, maxTokens: ANSWER_TOKENS }).catch(
      () => failed++
    )
  })
  return { perSecond: (REQUESTS * 1000) / (performance.now() - begun), failed }
}

/** Skewed as traffic is: half of the requests ask for ten of the loras, the others for all in turn. */
const mixed = (index: number): string => {
  const pair = Math.floor(index / 2)
  return `lora-${index % 2 === 0 ? pair % 10 : (pair * 37) % LORAS}`
}

await throughput(() => 'lora-0')
const one = await throughput(() => 'lora-0')
loads = 0
const hundred = await throughput(mixed)
console.log(
  JSON.stringify({
    requests_per_second_1: one.perSecond,
    requests_per_second_100: hundred.perSecond,
    failed: one.failed + hundred.failed,
    loads,
  })
)
await generator.close()
model.close()
