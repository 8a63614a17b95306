/**
 * How fast the embedded engine generates: tokens a second alone and in a batch of 8, with and without
 * loras, and how fast it reads prompts. Without HTTP.
 *
 *   npm run bench:decoding -- --model <file.gguf> [--out <file.json>] [--runs 5] [--threads 2]
 *     [--rank 16]
 *
 * Each round is a new process: where a process's memory happens to lie makes it faster or slower by
 * several per cent as long as it lives.
 */
import { join } from 'node:path'
import { runScript, type Sample } from './harness/run-script.ts'
import { conclude, spread, type Figures } from '../test/kit/report.ts'
import { optional, readOptions } from './harness/options.ts'

const SCRIPT = join(import.meta.dirname, 'decoding-process.ts')

const unitOf = (name: string): string => {
  if (name === 'start') return 's'
  if (name.endsWith('share')) return 'of the speed without a lora'
  if (name === 'peak_mb') return 'MB'
  return name.endsWith('per_second') ? 'tokens/s' : 'ms'
}

const figuresOf = (rounds: Sample[]): Figures =>
  Object.fromEntries(
    Object.keys(rounds[0]!).map((name) => [
      name,
      spread(
        rounds.map((round) => round[name]!),
        unitOf(name)
      ),
    ])
  )

const main = (): void => {
  const values = readOptions({
    model: optional,
    runs: 5,
    threads: 2,
    rank: 16,
  })
  const { model } = values
  if (!model) throw new Error('--model <file.gguf or folder> is missing')
  const rounds = Array.from({ length: values.runs }, (_, index): Sample => {
    const round = runScript(SCRIPT, model, String(values.threads), String(values.rank))
    console.error(`round ${index + 1}: ${JSON.stringify(round)}`)
    return round
  })
  conclude(figuresOf(rounds), values.out)
}

main()
