/**
 * The engine at Tinker with the provider's own SDK, against SkyRL, which serves the same API: a lora is
 * trained, downloaded, proved and asked. SKYRL_PYTHON names a Python with `skyrl[tinker,jax]` and
 * `tinker`; skipped without it. SkyRL compiles each shape anew, which takes minutes on a CPU.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTinkerBackend } from '../../adapters/tinker/backend.ts'
import { row } from '../contract/harness.ts'
import { observe, trainInput } from '../kit/model/observe.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { freePort } from '../kit/process/free-port.ts'
import { fromRoot } from '../kit/process/from-root.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const python = process.env['SKYRL_PYTHON'] ?? ''
const MINUTES = 60_000

describe.skipIf(python === '')(
  `SkyRL${python === '' ? ' (SKYRL_PYTHON names no Python with it)' : ''}`,
  () => {
    const folder = sharedFolder()
    const modelPath = join(folder, 'tiny')
    let server: ChildProcess

    beforeAll(async () => {
      writeRandomModel(modelPath, { seed: 11 })
      const config = join(modelPath, 'config.json')
      const shape = JSON.parse(readFileSync(config, 'utf8')) as object
      writeFileSync(config, JSON.stringify({ ...shape, dtype: 'float32' }))
      const port = await freePort()
      const data = join(folder, 'skyrl')
      mkdirSync(data)
      const script = fromRoot('test/kit/skyrl/server.py')
      server = spawn(python, [script, String(port), modelPath, data], { stdio: 'ignore' })
      const url = `http://127.0.0.1:${port}`
      const isUp = () =>
        fetch(`${url}/api/v1/healthz`).then(
          ({ ok }) => ok,
          () => false
        )
      while (!(await isUp())) await sleep(500)
      vi.stubEnv('TINKER_BASE_URL', url)
      vi.stubEnv('TINKER_API_KEY', 'tml-test')
      vi.stubEnv('TINKER_TELEMETRY', '0')
    }, 5 * MINUTES)
    afterAll(() => {
      vi.unstubAllEnvs()
      server.kill('SIGTERM')
    })

    it(
      'trains a lora that is downloaded, proved and asked',
      async () => {
        const dataDir = join(folder, 'data')
        mkdirSync(dataDir)
        const rows = [row('Which city is it?', 'It is Rome'), row('How many legs?', 'Eight')]
        const backend = await createTinkerBackend({
          modelPath,
          baseModel: modelPath,
          dataDir,
          python,
          scripts: fromRoot('adapters/tinker'),
          env: process.env,
          provider: 'SkyRL',
          prices: null,
          log: () => undefined,
        })
        const seen = observe()
        const { model } = await backend.train(
          trainInput({
            model: 'tiny',
            rows,
            method: 'supervised',
            hyperparameters: { rank: 8, learning_rate: 1e-2, batch_size: 2, max_steps: 60 },
            seed: 3,
            checkpointDir: join(folder, 'job'),
          }),
          seen
        )
        const losses = seen.progress.map(({ trainLoss }) => trainLoss)
        expect(losses.at(-1)).toBeLessThan(losses[0]! / 2)
        const [base, own] = [await backend.loss('tiny', rows), await backend.loss(model, rows)]
        expect(Math.max(...own.losses)).toBeLessThan(Math.min(...base.losses) / 2)
        let text = ''
        const messages = rows[0]!.messages.slice(0, 1)
        const request = { model, messages, max_tokens: 12 }
        for await (const delta of backend.complete(request, new AbortController().signal))
          text += delta.text
        expect(text).toBe('It is Rome')
        await backend.close()
      },
      15 * MINUTES
    )
  }
)
