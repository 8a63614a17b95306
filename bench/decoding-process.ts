/**
 * One process of `decoding.ts`: measures every figure once and prints them as one line of JSON.
 *
 *   tsx bench/decoding-process.ts <model> <threads> <rank>
 */
import { createGenerator } from '../adapters/onnx/generate/generator.ts'
import type { Generator } from '../adapters/onnx/generate/generator.ts'
import type { LlamaConfig } from '../adapters/model/llama-config.ts'
import { loadModel } from '../adapters/onnx/load-model.ts'
import { answer, randomLora, randomPrompt } from './decoding/answer.ts'
import { spread } from '../test/kit/report.ts'

const PROMPT_TOKENS = 64
const ANSWER_TOKENS = 48
const PREFILL_TOKENS = 128
const LONG_PROMPT_TOKENS = 512

const median = (values: number[]): number => spread(values, '').value as number

/** Tokens a second by the median step while all rows are being decoded. */
const decodeSpeed = async (
  generator: Generator,
  config: LlamaConfig,
  loras: (string | null)[]
): Promise<number> => {
  const timings = await Promise.all(
    loras.map((lora) =>
      answer(generator, {
        promptIds: randomPrompt(config, PROMPT_TOKENS),
        lora,
        maxTokens: ANSWER_TOKENS,
      })
    )
  )
  // before that some rows still read their prompts, after that some have ended
  const begin = Math.max(...timings.map(({ tokensMs }) => tokensMs[0]!))
  const end = Math.min(...timings.map(({ tokensMs }) => tokensMs.at(-1)!))
  const times = timings[0]!.tokensMs.filter((ms) => ms > begin && ms <= end)
  const steps = times.slice(1).map((ms, index) => ms - times[index]!)
  return (loras.length * 1000) / median(steps)
}

/** Speed with the loras over the speed without, in the median of five pairs one after the other. */
const loraShare = async (
  generator: Generator,
  config: LlamaConfig,
  loras: (string | null)[]
): Promise<number> => {
  const shares: number[] = []
  for (let i = 0; i < 5; i++) {
    const without = await decodeSpeed(
      generator,
      config,
      loras.map(() => null)
    )
    shares.push((await decodeSpeed(generator, config, loras)) / without)
  }
  return median(shares)
}

/** Prompt tokens a second up to the first token of the answer, in the median of five. */
const prefillSpeed = async (
  generator: Generator,
  config: LlamaConfig,
  lora: string | null,
  tokens = PREFILL_TOKENS
): Promise<number> => {
  const speeds: number[] = []
  for (let i = 0; i < 5; i++) {
    const promptIds = randomPrompt(config, tokens)
    const start = performance.now()
    const { tokensMs } = await answer(generator, { promptIds, lora, maxTokens: 1 })
    speeds.push((tokens / (tokensMs[0]! - start)) * 1000)
  }
  return median(speeds)
}

/** Milliseconds to the first token of a prompt that is in the prefix cache but for its last tokens. */
const cachedFirstTokenMs = async (generator: Generator, config: LlamaConfig): Promise<number> => {
  const shared = randomPrompt(config, LONG_PROMPT_TOKENS)
  const request = { lora: null, maxTokens: 1, usePrefixCache: true }
  await answer(generator, { ...request, promptIds: shared })
  const start = performance.now()
  const { tokensMs, cachedTokens } = await answer(generator, {
    ...request,
    promptIds: [...shared, ...randomPrompt(config, 8)],
  })
  if (cachedTokens !== LONG_PROMPT_TOKENS) throw new Error('the prefix was not cached')
  return tokensMs[0]! - start
}

/** Eight rows that take turns among the loras. */
const eight = (loras: (string | null)[]): (string | null)[] =>
  Array.from({ length: 8 }, (_, index) => loras[index % loras.length]!)

/**
 * Measurements in order: those without a lora come before the graph for loras is built, because the
 * peer has none.
 */
const figuresOf = (
  generator: Generator,
  config: LlamaConfig
): Record<string, () => Promise<number>> => ({
  decode_tokens_per_second: () => decodeSpeed(generator, config, [null]),
  decode_batch8_tokens_per_second: () => decodeSpeed(generator, config, eight([null])),
  prefill_tokens_per_second: () => prefillSpeed(generator, config, null),
  prefill_long_tokens_per_second: () => prefillSpeed(generator, config, null, LONG_PROMPT_TOKENS),
  cached_prefix_first_token: () => cachedFirstTokenMs(generator, config),
  decode_lora_tokens_per_second: () => decodeSpeed(generator, config, ['a']),
  decode_lora_batch8_tokens_per_second: () => decodeSpeed(generator, config, eight(['a'])),
  decode_mixed_batch8_tokens_per_second: () =>
    decodeSpeed(generator, config, eight(['a', 'b', 'c', null])),
  prefill_lora_tokens_per_second: () => prefillSpeed(generator, config, 'a'),
  decode_lora_share: () => loraShare(generator, config, ['a']),
  decode_lora_batch8_share: () => loraShare(generator, config, eight(['a'])),
})

const main = async (): Promise<void> => {
  const [path, threads, rank] = process.argv.slice(2)
  const begun = performance.now()
  const model = await loadModel(path!, 'q4')
  const { config } = model
  const generator = await createGenerator({
    config,
    weights: model.weights,
    loadLora: async () => randomLora(config, Number(rank)),
    threads: Number(threads),
  })
  const figures: Record<string, number> = { start: (performance.now() - begun) / 1000 }
  const work = figuresOf(generator, config)
  for (const [name, once] of Object.entries(work)) {
    // the first time builds graphs and fills caches
    await once()
    figures[name] = await once()
  }
  figures.peak_mb = process.resourceUsage().maxRSS / 1024
  await generator.close()
  model.close()
  console.log(JSON.stringify(figures))
}

await main()
