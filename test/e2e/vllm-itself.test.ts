/**
 * vLLM itself, where VLLM_COMMAND says how it is started: `/opt/vllm/bin/vllm serve`, and behind it what
 * it needs there (`--enforce-eager` where compiling takes long).
 */
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EngineBackend } from '../../adapters/host/backend.ts'
import { startVllm } from '../../adapters/gpu/vllm/start-vllm.ts'
import { commandLine, processTree } from '../kit/process/proxy-process.ts'
import { CPU_ENV, onGpu, splitCommand, WIDE } from '../kit/vllm/itself.ts'
import { answerOf, answerWhileLorasLoad, requestOf, TinyLoras } from '../kit/vllm/tiny-loras.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const command = process.env['VLLM_COMMAND'] ?? ''
/** Other kernels. */
const DIGITS = 2
const START_MS = 600_000

const reason = command === '' ? ' (VLLM_COMMAND does not say how it is started)' : ''

describe.skipIf(command === '')(`vLLM itself${reason}`, () => {
  const folder = sharedFolder()
  let tiny: TinyLoras
  let backend: EngineBackend
  let loras: [string, string, string]

  beforeAll(async () => {
    tiny = await TinyLoras.write(folder, WIDE)
    loras = [await tiny.add(1), await tiny.add(2), await tiny.add(3)]
    const { modelPath, model: base } = tiny
    const { start, args } = splitCommand(command)
    const options = {
      command: start,
      // with two in a batch it mistakes them for each other on a CPU
      arguments: `--max-loras ${onGpu ? 2 : 1} --max-cpu-loras 2 ${args}`,
      memoryShare: 0.1,
      maxLoraRank: 8,
    }
    const model = { modelPath, base, dtype: 'float32', device: onGpu ? 'cuda' : 'cpu' }
    const env = { ...process.env, ...CPU_ENV }
    const server = await startVllm(options, model, env, () => undefined)
    backend = tiny.servedBy(server).backend
  }, START_MS)

  afterAll(async () => {
    const children = processTree(process.pid).slice(1)
    await backend.close()
    // with all that it started
    await vi.waitFor(
      () => expect(children.filter((pid) => commandLine(pid).includes(folder))).toEqual([]),
      { timeout: 10_000 }
    )
    tiny.close()
  })

  it('gives the answers and losses of the embedded engine', async () => {
    const embedded = await tiny.embedded()
    const rows = [
      { messages: [...requestOf('').messages, { role: 'assistant', content: 'Home.' }] },
    ]
    for (const name of ['tiny', ...loras]) {
      for (const extra of [{}, { cache_prompt: false }]) {
        const request = requestOf(name, extra)
        const own = await answerOf(backend, request)
        const expected = await answerOf(embedded, request)
        expect([own.text, own.finishReason]).toEqual([expected.text, expected.finishReason])
        own.nats.forEach((value, at) => expect(value).toBeCloseTo(expected.nats[at]!, DIGITS))
      }
      const [own, expected] = [await backend.loss(name, rows), await embedded.loss(name, rows)]
      expect(own.losses[0]).toBeCloseTo(expected.losses[0]!, DIGITS)
    }
    await embedded.close()
  })

  it('does not read a lora again that it has loaded', async () => {
    const stream = backend.complete(
      requestOf(loras[0], { max_tokens: 40 }),
      new AbortController().signal
    )
    await stream.next()
    const place = tiny.folderOf(loras[0])
    renameSync(place, join(folder, 'away'))
    let next = await stream.next()
    while (!next.done) next = await stream.next()
    renameSync(join(folder, 'away'), place)
    expect(next.value.usage.completion_tokens).toBeGreaterThan(1)
  })

  // vllm-project/vllm issue 47724
  it('leaves answers alone while other loras are loaded', async () => {
    expect(await answerWhileLorasLoad(backend, loras)).toBe(true)
  })
})
