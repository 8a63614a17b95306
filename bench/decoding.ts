/**
 * How fast the embedded engine generates: tokens a second alone and in a batch of 8, with and without
 * loras, and how fast it reads prompts. Without HTTP.
 *
 *   npm run bench:decoding -- --model <file.gguf> [--out <file.json>] [--runs 5] [--threads 2]
 *     [--rank 16] [--peer '<command>']
 *
 * A peer is a program that prints lines with `B=<rows>`, `prefill tok/s med <n>` and `-> tok/s med
 * <n>`: rows by the median step, prefill of 128 tokens. So is ours measured. Ours and the peer run in
 * turn, each time in a new process: a shared machine drifts, and where a process's memory happens to
 * lie makes it faster or slower by several per cent as long as it lives. Ours must not be slower by
 * the median of ratios.
 */
import { execFileSync } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runScript, type Sample } from './harness/run-script.ts'
import { formatFigures, spread, withBar, writeReport } from '../test/kit/report.ts'
import type { Figure } from '../test/kit/report.ts'

const SCRIPT = join(import.meta.dirname, 'decoding-process.ts')

interface Round {
  ours: Sample
  peer: Sample
}

/** What the peer prints, by figure. */
const peerFigures = (command: string): Sample => {
  const [program, ...rest] = command.split(' ')
  const script = rest.find((argument) => /\.[cm]?[jt]s$/.test(argument))
  const cwd = script ? dirname(resolve(script)) : process.cwd()
  const output = execFileSync(program!, rest, { cwd, encoding: 'utf8' })
  const figures: Sample = {}
  for (const [, rows, prefill, decode] of output.matchAll(
    /B=(\d+).*prefill tok\/s med (\d+).*-> tok\/s med (\d+)/g
  )) {
    if (rows === '1') figures.prefill_tokens_per_second = Number(prefill)
    figures[rows === '1' ? 'decode_tokens_per_second' : `decode_batch${rows}_tokens_per_second`] =
      Number(decode)
  }
  return figures
}

const unitOf = (name: string): string => {
  if (name === 'start') return 's'
  if (name === 'peak_mb') return 'MB'
  return name.endsWith('per_second') ? 'tokens/s' : 'ms'
}

const figuresOf = (rounds: Round[]): Record<string, Figure> => {
  const figures: Record<string, Figure> = {}
  const of = (read: (round: Round) => number): number[] => rounds.map(read)
  for (const name of Object.keys(rounds[0]!.ours)) {
    figures[name] = spread(
      of(({ ours }) => ours[name]!),
      unitOf(name)
    )
    if (rounds[0]!.peer[name] === undefined) continue
    figures[`peer_${name}`] = spread(
      of(({ peer }) => peer[name]!),
      unitOf(name)
    )
    const ratio = spread(
      of(({ ours, peer }) => ours[name]! / peer[name]!),
      'ratio'
    )
    const key = `${name.replace('_tokens_per_second', '')}_vs_peer`
    figures[key] = withBar(ratio, '>=', 1)
  }
  return figures
}

const main = (): void => {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      out: { type: 'string' },
      runs: { type: 'string', default: '5' },
      threads: { type: 'string', default: '2' },
      rank: { type: 'string', default: '16' },
      peer: { type: 'string' },
    },
  })
  const { model, peer } = values
  if (!model) throw new Error('--model <file.gguf or folder> is missing')
  const rounds = Array.from({ length: Number(values.runs) }, (_, index): Round => {
    const ours = runScript(SCRIPT, model, values.threads, values.rank)
    const round = { ours, peer: peer === undefined ? {} : peerFigures(peer) }
    console.error(`round ${index + 1}: ${JSON.stringify(round)}`)
    return round
  })
  const figures = figuresOf(rounds)
  console.log(formatFigures(figures))
  if (values.out) writeReport(values.out, figures)
}

main()
