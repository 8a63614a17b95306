/**
 * The whole loop with the GPU engine and a stand-in for vLLM: the real server and the engine as processes, a client's
 * traffic, training on the CPU, the gate, and an answer without the prompt. Skipped where there is
 * no Python with torch (ENGINE_PYTHON names it).
 */
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { missingForTrainer, startGpuProcess, type GpuProcess } from '../kit/process/gpu-process.ts'
import { waitForEnd } from '../kit/process/internalizations.ts'
import { startReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import { sendAll } from '../kit/traffic/send-all.ts'
import { startServer } from '../kit/process/built.ts'
import { orderOf, shelfOf } from '../kit/traffic/shelf-orders.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const MODEL = resolve(import.meta.dirname, '../../models/tiny')
const TIMEOUT_MS = 300_000
const ROWS = 120

describe('the loop with the GPU engine', () => {
  const dataDir = sharedFolder()
  const closers: (() => Promise<unknown>)[] = []
  afterAll(async () => {
    for (const close of closers.reverse()) await close()
  })

  const startAll = async (engine: GpuProcess) => {
    closers.push(() => engine.close())
    const upstream = await startReplayUpstream()
    closers.push(() => upstream.close())
    const proxy = await startServer({
      ...loopSettings({
        promotes: true,
        trainRows: ROWS,
        constants: { stages: 1, examples: 0 },
      }),
      DATA_DIR: join(dataDir, 'proxy'),
      UPSTREAM_BASE_URL: upstream.baseUrl,
      ENGINE: 'http',
      ENGINE_URL: engine.baseUrl,
      ENGINE_TOKEN: engine.token,
      ARMS: 'schedule',
    })
    closers.push(() => proxy.stop())
    return { upstream, proxy }
  }

  it('goes from traffic to an answer without the prompt', { timeout: TIMEOUT_MS }, async (test) => {
    const missing = missingForTrainer()
    if (missing !== null) return test.skip(missing)
    const engine = await startGpuProcess({ modelPath: MODEL, dataDir: join(dataDir, 'engine') })
    const { upstream, proxy } = await startAll(engine)
    const ask = (first: number, count: number) => {
      const numbers = Array.from({ length: count }, (_, index) => first + index)
      for (const number of numbers) upstream.add(orderOf(number).messages, shelfOf(number), 120)
      return sendAll(proxy.baseUrl, numbers.map(orderOf), { concurrency: 4 })
    }
    await ask(0, 2 * ROWS + 20)
    expect(await waitForEnd(proxy, TIMEOUT_MS)).toBe('live')
    await expect
      .poll(async () => (await ask(1001, 1))[0], { timeout: 10_000, interval: 200 })
      .toMatchObject({ route: 'answered', answer: shelfOf(1001) })
  })
})
