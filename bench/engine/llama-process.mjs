/**
 * One process of `engine.ts`: llama.cpp through node-llama-cpp on the same GGUF, measured as
 * `decoding-process.ts` measures; one line of JSON. Run from a folder that has node-llama-cpp:
 *
 *   node llama-process.mjs <model.gguf> <threads> <node_modules/node-llama-cpp>
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const PROMPT_TOKENS = 64
const ANSWER_TOKENS = 48
const PREFILL_TOKENS = 128

const [path, threads, packageDir] = process.argv.slice(2)
const { getLlama } = await import(pathToFileURL(join(packageDir, 'dist', 'index.js')).href)
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' })
const model = await llama.loadModel({ modelPath: path })
const context = await model.createContext({
  contextSize: 512,
  batchSize: 512,
  sequences: 8,
  threads: Number(threads),
})
const sequences = Array.from({ length: 8 }, () => context.getSequence())

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

const randomPrompt = (length) =>
  Array.from({ length }, () => Math.floor(Math.random() * 40_000) + 100)

const answer = async (sequence, promptTokens, maxTokens) => {
  await sequence.clearHistory()
  const times = []
  for await (const _ of sequence.evaluate(randomPrompt(promptTokens), {
    temperature: 0,
    yieldEogToken: true,
  })) {
    times.push(performance.now())
    if (times.length >= maxTokens) break
  }
  return times
}

const decodeSpeed = async (rows) => {
  const answers = await Promise.all(
    sequences.slice(0, rows).map((sequence) => answer(sequence, PROMPT_TOKENS, ANSWER_TOKENS))
  )
  const begin = Math.max(...answers.map((times) => times[0]))
  const end = Math.min(...answers.map((times) => times.at(-1)))
  const times = answers[0].filter((ms) => ms > begin && ms <= end)
  return (rows * 1000) / median(times.slice(1).map((ms, index) => ms - times[index]))
}

const prefillSpeed = async () => {
  const speeds = []
  for (let i = 0; i < 5; i++) {
    await sequences[0].clearHistory()
    const start = performance.now()
    const [first] = await answer(sequences[0], PREFILL_TOKENS, 1)
    speeds.push((PREFILL_TOKENS * 1000) / (first - start))
  }
  return median(speeds)
}

const figures = {}
for (const [name, once] of Object.entries({
  decode_tokens_per_second: () => decodeSpeed(1),
  decode_batch8_tokens_per_second: () => decodeSpeed(8),
  prefill_tokens_per_second: prefillSpeed,
})) {
  await once()
  figures[name] = await once()
}
console.log(JSON.stringify(figures))
process.exit(0)
