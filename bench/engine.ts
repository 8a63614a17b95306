/**
 * The embedded engine against what a user would pick instead, on the same machine in the same run:
 * training against PyTorch with PEFT, decoding and reading prompts against llama.cpp, a hundred loras
 * against one, and what an idle engine costs.
 *
 *   npm run bench:engine -- --model <file.gguf> [--out <file.json>] [--runs 5] [--threads 2]
 *     [--python <python with torch, transformers and peft>]
 *     [--llama <folder of node-llama-cpp 3.21.1>] [--tiny models/tiny]
 *
 * Peers are installed by the one who compares: `pip install torch transformers peft`, `npm install
 * --prefix <dir> node-llama-cpp@3.21.1`. Without them their figures are left out. Every measurement is
 * a process of its own, ours and the peer's in turn; a figure is the median of the rounds' ratios.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import type { startOnnxEngine } from '../adapters/onnx/index.ts'
import { loadModel } from '../adapters/onnx/model/load-model.ts'
import { createProgress } from '../src/cli/output.ts'
import { STEPS, TRAINING } from './engine/workload.ts'
import { build } from './harness/build.ts'
import { residentMiB } from './harness/proxy-process.ts'
import { runProgram, runScript, type Sample } from './harness/run-script.ts'
import { formatFigures, spread, withBar, writeReport, type Figure } from './report.ts'

const RANK = 16
const IDLE_MS = 3000

const { values: args } = parseArgs({
  options: {
    model: { type: 'string' },
    out: { type: 'string' },
    runs: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    python: { type: 'string' },
    llama: { type: 'string' },
    tiny: { type: 'string', default: 'models/tiny' },
  },
})
const modelPath = args.model
if (modelPath === undefined) throw new Error('--model <file.gguf> is missing')
const runs = Number(args.runs)
const progress = createProgress()

const here = (name: string): string => join(import.meta.dirname, name)

/** Both sides in turn, a process each. */
const rounds = async (
  name: string,
  measureOurs: () => Sample,
  measurePeer: (() => Sample) | null
): Promise<{ ours: Sample[]; peer: Sample[] }> => {
  const samples = { ours: [] as Sample[], peer: [] as Sample[] }
  for (let round = 0; round < runs; round++) {
    samples.ours.push(measureOurs())
    if (measurePeer !== null) samples.peer.push(measurePeer())
    progress.update(name, round + 1, runs)
  }
  return samples
}

const column = (samples: Sample[], name: string): number[] => samples.map((sample) => sample[name]!)

const ratio = (above: number[], below: number[]): Figure =>
  spread(
    above.map((value, index) => value / below[index]!),
    'ratio'
  )

const trainingFigures = async (cacheDir: string): Promise<Record<string, Figure>> => {
  const { config, close } = await loadModel(modelPath)
  close()
  const { python, threads } = args
  const given = { config, training: TRAINING, steps: STEPS, threads: Number(threads) }
  const measured = await rounds(
    'training',
    () => runScript(here('engine/training-process.ts'), modelPath, cacheDir),
    python === undefined
      ? null
      : () => runProgram(python, here('engine/pytorch.py'), JSON.stringify(given))
  )
  const of = (name: string): number[] => column(measured.ours, name)
  const peer = (name: string): number[] => column(measured.peer, name)
  const figures: Record<string, Figure> = {
    training_ms_a_row_short: spread(of('short'), 'ms'),
    training_ms_a_row_prompted: spread(of('prompted'), 'ms'),
    training_ms_a_row_packed: spread(of('packed'), 'ms'),
  }
  if (python === undefined) return figures
  Object.assign(figures, {
    pytorch_ms_a_row_short: spread(peer('short'), 'ms'),
    pytorch_ms_a_row_prompted: spread(peer('prompted'), 'ms'),
    training_vs_pytorch_fp32: withBar(ratio(peer('prompted'), of('prompted')), '>=', 1.3),
    training_short_rows_vs_pytorch_fp32: withBar(ratio(peer('short'), of('short')), '>=', 1.3),
    packed_training_vs_pytorch_fp32: withBar(ratio(peer('prompted'), of('packed')), '>=', 6),
  })
  if (measured.peer[0]!.short_bfloat16 !== undefined)
    Object.assign(figures, {
      training_vs_pytorch_bf16: ratio(peer('prompted_bfloat16'), of('prompted')),
      packed_training_vs_pytorch_bf16: ratio(peer('prompted_bfloat16'), of('packed')),
    })
  return figures
}

const DECODING = {
  decode_vs_llamacpp_1: ['decode_tokens_per_second', 0.9],
  decode_vs_llamacpp_8: ['decode_batch8_tokens_per_second', 1],
  prefill_vs_llamacpp: ['prefill_tokens_per_second', 0.9],
} as const

const decodingFigures = async (): Promise<Record<string, Figure>> => {
  const { llama, threads } = args
  const measured = await rounds(
    'decoding',
    () => runScript(here('decoding-process.ts'), modelPath, threads, String(RANK)),
    llama === undefined
      ? null
      : () =>
          runProgram(process.execPath, here('engine/llama-process.mjs'), modelPath, threads, llama)
  )
  const figures: Record<string, Figure> = {}
  for (const [name, [speed, bar]] of Object.entries(DECODING)) {
    figures[speed] = spread(column(measured.ours, speed), 'tokens/s')
    if (llama === undefined) continue
    const peer = column(measured.peer, speed)
    figures[`llamacpp_${speed}`] = spread(peer, 'tokens/s')
    figures[name] = withBar(ratio(column(measured.ours, speed), peer), '>=', bar)
  }
  return figures
}

const loraFigures = async (): Promise<Record<string, Figure>> => {
  const { ours: samples } = await rounds(
    'a hundred loras',
    () => runScript(here('engine/loras-process.ts'), modelPath, args.threads, String(RANK)),
    null
  )
  const of = (name: string): number[] => column(samples, name)
  return {
    requests_per_second_1_lora: spread(of('requests_per_second_1'), 'requests/s'),
    requests_per_second_100_loras: spread(of('requests_per_second_100'), 'requests/s'),
    loras_100_vs_1: ratio(of('requests_per_second_100'), of('requests_per_second_1')),
    loras_loaded_for_100: spread(of('loads'), 'loads'),
    loras_requests_failed: withBar(spread(of('failed'), 'requests'), '<=', 0),
  }
}

/** As production starts it: built. */
const idleFigures = async (): Promise<Record<string, Figure>> => {
  const built = build('bench-engine', ['adapters/onnx/index.ts', 'adapters/onnx/process.ts'])
  const module = pathToFileURL(built.pathOf('adapters/onnx/index.ts')).href
  const { startOnnxEngine: start } = (await import(module)) as {
    startOnnxEngine: typeof startOnnxEngine
  }
  const seconds: number[] = []
  const megabytes: number[] = []
  try {
    for (let round = 0; round < runs; round++) {
      const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-bench-'))
      const begun = performance.now()
      const engine = await start({ modelPath: args.tiny, dataDir, onFault: console.error })
      seconds.push((performance.now() - begun) / 1000)
      await delay(IDLE_MS)
      const resident = residentMiB(engine.pid()!)
      if (resident === 0) throw new Error('the engine is gone')
      megabytes.push(resident)
      await engine.close()
      rmSync(dataDir, { recursive: true })
      progress.update('cold start', round + 1, runs)
    }
  } finally {
    built.remove()
  }
  return {
    cold_start_s: withBar(spread(seconds, 's'), '<=', 1.5),
    idle_mb: withBar(spread(megabytes, 'MiB'), '<=', 250),
  }
}

const cacheDir = mkdtempSync(join(tmpdir(), 'promptintern-bench-'))
const parts: Record<string, () => Promise<Record<string, Figure>>> = {
  idle: idleFigures,
  decoding: decodingFigures,
  loras: loraFigures,
  training: () => trainingFigures(cacheDir),
}
const figures: Record<string, Figure> = {}
const failures: string[] = []
// a part takes minutes: the figures of one must survive the failure of another
for (const [name, measurePart] of Object.entries(parts))
  try {
    Object.assign(figures, await measurePart())
    if (args.out !== undefined) writeReport(args.out, figures)
  } catch (error) {
    failures.push(`${name} could not be measured: ${String(error)}`)
  }
progress.stop()
rmSync(cacheDir, { recursive: true })
process.stdout.write(`${formatFigures(figures)}\n`)
for (const failure of failures) process.stderr.write(`${failure}\n`)
process.exitCode = failures.length === 0 ? 0 : 1
