/** The GPU engine as a process, with a stand-in for vLLM: its requirements, its start, its end. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { TrainCommand } from '../../../adapters/gpu/train-command.ts'
import type { TrainingOptions } from '../../../adapters/gpu/train.ts'
import { build, builtPath } from './build.ts'
import { TEST_BUILD } from './built.ts'
import { fromRoot } from './from-root.ts'

const ENGINE = 'adapters/gpu/process.ts'
const STAND_IN = 'test/kit/vllm/stand-in-process.ts'

/** All that an engine on a stand-in starts, for `build`. */
export const GPU_PROGRAMS = [ENGINE, STAND_IN, 'adapters/gpu/leash.ts']

/** Before `startGpuProcess` in a benchmark; tests have all programs built. */
export const buildGpuPrograms = (): void => void build(TEST_BUILD, GPU_PROGRAMS)

const PACKAGES = ['torch', 'transformers', 'peft', 'safetensors']
const TOKEN = 'gpu-process-token'

const python = process.env['ENGINE_PYTHON'] ?? fromRoot('adapters/trainer/.venv/bin/python')

/** The trainer here. */
export const TRAINER: TrainCommand = {
  command: null,
  python,
  script: fromRoot('adapters/trainer/train.py'),
  env: process.env,
  log: () => undefined,
}

/** A model this tiny gains nothing from threads, and on a busy machine they wait for each other. */
export const trainingOnCpu: TrainingOptions = {
  device: 'cpu',
  dtype: 'float32',
  four_bit: false,
  max_tokens: 4096,
  checkpoint_seconds: 60,
  threads: 1,
  memory_share: 1,
}

/** Why the trainer cannot run here; null when it can. */
export const missingForTrainer = (): string | null => {
  const check = `import importlib.util as i; print(*[p for p in ${JSON.stringify(PACKAGES)} if i.find_spec(p) is None])`
  const { error, stdout } = spawnSync(python, ['-c', check], { encoding: 'utf8' })
  if (error) return `no Python at ${python}`
  return stdout.trim() === '' ? null : `${python} lacks ${stdout.trim()}`
}

/** Milliseconds that the trainer takes here until its packages are loaded. */
export const trainerLoadMs = (): number => {
  const start = performance.now()
  spawnSync(python, ['-c', `import ${PACKAGES.join()}`])
  return performance.now() - start
}

/** vLLM's API, spoken by a server that computes with the embedded engine. */
export const BY_STAND_IN = {
  ENGINE_VLLM_COMMAND: `${process.execPath} ${builtPath(TEST_BUILD, STAND_IN)}`,
}

/** For `startGpuProcess`: what a machine has in place of the CPU and the stand-in, by VLLM_COMMAND. */
export const ofThisMachine = (): Record<string, string> => {
  const command = process.env['VLLM_COMMAND']
  return {
    ...(existsSync('/dev/nvidiactl') && { ENGINE_DEVICE: 'cuda', ENGINE_THREADS: '' }),
    ...(command && { ENGINE_VLLM_COMMAND: command }),
  }
}

export interface GpuProcess {
  /** ends in `/v1` */
  baseUrl: string
  token: string
  port: number
  pid: number
  exited(): boolean
  /** SIGTERM, and wait */
  close(): Promise<void>
  /** SIGKILL of the server alone, and wait */
  kill(): Promise<void>
}

/** @returns the address of the engine; @throws Error with the report of an engine that does not listen */
const portOf = async (child: ChildProcess): Promise<number> => {
  const lines = createInterface({ input: child.stdout! })
  for await (const line of lines) {
    const report = JSON.parse(line) as { port: number } | { error: { message: string } }
    if ('port' in report) return report.port
    throw new Error(report.error.message)
  }
  throw new Error('the engine ended without a report')
}

/**
 * Starts the built engine (`GPU_PROGRAMS`), and resolves when it listens.
 * @param options.port 0 takes a free one; a restart names the one it had
 * @param options.env more of adapters/gpu/README.md's environment
 * @throws Error with what the engine reports instead
 */
export const startGpuProcess = async (options: {
  modelPath: string
  dataDir: string
  port?: number
  env?: Record<string, string>
}): Promise<GpuProcess> => {
  const child = spawn(process.execPath, [builtPath(TEST_BUILD, ENGINE)], {
    cwd: fromRoot('.'),
    env: {
      ...process.env,
      ...BY_STAND_IN,
      ENGINE_TOKEN: TOKEN,
      ENGINE_DATA_DIR: options.dataDir,
      ENGINE_MODEL: options.modelPath,
      ENGINE_PORT: String(options.port ?? 0),
      ENGINE_PYTHON: python,
      ENGINE_DEVICE: 'cpu',
      ENGINE_THREADS: '1',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await ended
  }
  const port = await portOf(child)
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    token: TOKEN,
    port,
    pid: child.pid!,
    exited: () => child.exitCode !== null || child.signalCode !== null,
    close: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}
