import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, it, vi } from 'vitest'
import { writeRandomModel } from '../../adapters/onnx/model/random-model.ts'
import { describeContract, type RunningEngine } from './suite.ts'
import { tinyModel } from './tiny-model.ts'

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

const python = process.env['PEFT_PYTHON'] ?? fromRoot('adapters/peft/.venv/bin/python')
const PACKAGES = ['torch', 'transformers', 'peft', 'starlette', 'uvicorn', 'httpx']
const TOKEN = 'contract-token'

/** Why the engine cannot run here; null when it can. */
const missing = (): string | null => {
  const check = `import importlib.util as i; print(*[p for p in ${JSON.stringify(PACKAGES)} if i.find_spec(p) is None])`
  const { error, stdout } = spawnSync(python, ['-c', check], { encoding: 'utf8' })
  if (error) return `no Python at ${python}`
  return stdout.trim() === '' ? null : `${python} lacks ${stdout.trim()}`
}

/** Where the engine listens. @throws what it reports instead */
const portOf = async (child: ChildProcess): Promise<number> => {
  const lines = createInterface({ input: child.stdout! })
  for await (const line of lines) {
    const report = JSON.parse(line) as { port: number } | { error: { message: string } }
    if ('port' in report) return report.port
    throw new Error(report.error.message)
  }
  throw new Error('the engine ended without a report')
}

/** vLLM's API, spoken by a server that computes with transformers, as `ENGINE_VLLM_COMMAND`. */
const BY_STAND_IN = {
  ENGINE_SERVING: 'vllm',
  ENGINE_VLLM_COMMAND: `${python} ${fromRoot('adapters/peft/tests/vllm_stand_in.py')}`,
}

const startPeft =
  (modelPath: string, serving: Record<string, string>) =>
  async (dataDir: string): Promise<RunningEngine> => {
    const child = spawn(python, [fromRoot('adapters/peft/server.py')], {
      env: {
        ...process.env,
        ...serving,
        ENGINE_TOKEN: TOKEN,
        ENGINE_DATA_DIR: dataDir,
        ENGINE_MODEL: modelPath,
        ENGINE_PORT: '0',
        // a model this tiny gains nothing from threads, and on a busy machine they wait for each other
        OMP_NUM_THREADS: '1',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    return {
      baseUrl: `http://127.0.0.1:${await portOf(child)}/v1`,
      token: TOKEN,
      async close() {
        child.kill('SIGTERM')
        await ended
      },
    }
  }

const describePeft = (): void => {
  // each job is a process that loads torch
  vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
  const modelFolder = mkdtempSync(join(tmpdir(), 'contract-peft-'))
  const modelPath = join(modelFolder, 'tiny')
  writeRandomModel(modelPath, { seed: 11 })
  afterAll(() => rmSync(modelFolder, { recursive: true }))
  const byTransformers = startPeft(modelPath, { ENGINE_SERVING: 'transformers' })
  describeContract('peft', byTransformers, tinyModel(80))
  const byStandIn = startPeft(modelPath, BY_STAND_IN)
  describeContract("peft, vLLM's API by a stand-in", byStandIn, tinyModel(80))
}

const reason = missing()
if (reason === null) describePeft()
else describe.skip(`engine contract: peft (${reason})`, () => it('is skipped', () => undefined))
